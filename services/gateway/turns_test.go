package gateway

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func (t *turns) mustTake(tb testing.TB, caller string) func() {
	tb.Helper()
	back, err := t.take(tb.Context(), caller)
	if err != nil {
		tb.Fatal(caller, err)
	}
	return back
}

// forgotten tells that nothing is left of anybody.
func (t *turns) forgotten() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.taken == 0 && len(t.callers) == 0 && len(t.waiting) == 0
}

// One caller waits for their own requests, and then is told so; nobody waits for
// another's.
func TestTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		turns := ownLists()
		first, second := turns.mustTake(t, "a"), turns.mustTake(t, "a")
		began := time.Now()
		turns.mustTake(t, "b")()
		if waited := time.Since(began); waited > 0 {
			t.Errorf("another caller waited %s", waited)
		}
		_, err := turns.take(t.Context(), "a")
		if p, ok := errors.AsType[*problem](err); !ok || p.status != http.StatusTooManyRequests || p.retryAfter <= 0 || time.Since(began) != turnWait {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		gone, leave := context.WithCancel(t.Context())
		leave()
		if _, err := turns.take(gone, "a"); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		time.AfterFunc(time.Second, first)
		turns.mustTake(t, "a")()
		second()
		if !turns.forgotten() {
			t.Errorf("%+v is left", turns)
		}
	})
}

// Who has no turn goes before who has one, however long that one has waited, and
// who asks for many gets no more than a share.
func TestTurnsAreShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns(2, 2, time.Hour, problem{})
		var mu sync.Mutex
		var order []string
		var done sync.WaitGroup
		ask := func(callers string) {
			for caller := range strings.SplitSeq(callers, "") {
				done.Go(func() {
					back := turns.mustTake(t, caller)
					mu.Lock()
					order = append(order, caller)
					mu.Unlock()
					<-time.After(time.Second)
					back()
				})
				synctest.Wait()
			}
		}
		ask("aaaaaabccb")
		done.Wait()
		for pair := range slices.Chunk(order, 2) { // came at the same time
			slices.Sort(pair)
		}
		if got := strings.Join(order, ""); got != "aaabacacab" {
			t.Errorf("the order is %s", got)
		}
		if !turns.forgotten() {
			t.Errorf("%+v is left", turns)
		}
	})
}

// Whoever leaves while their turn comes leaves it to others.
func TestATurnThatComesTooLate(t *testing.T) {
	t.Parallel()
	turns := newTurns(1, 1, time.Hour, problem{})
	var done sync.WaitGroup
	for range 200 {
		back := turns.mustTake(t, "a")
		ctx, leave := context.WithCancel(t.Context())
		done.Go(func() {
			if back, err := turns.take(ctx, "b"); err == nil {
				back()
			} else if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		done.Go(leave)
		back()
		done.Wait()
		if !turns.forgotten() {
			t.Fatal("a turn is lost")
		}
	}
}

// A long list waits long for its next part, and not for ever.
func TestPartsOfLongLists(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		turns := partsOfLongLists()
		held := []func(){turns.mustTake(t, "a"), turns.mustTake(t, "b")}
		began := time.Now()
		_, err := turns.take(t.Context(), "c")
		if p, ok := errors.AsType[*problem](err); !ok || p.status != http.StatusServiceUnavailable || p.retryAfter <= 0 || time.Since(began) != partWait {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		for back := range slices.Values(held) {
			back()
		}
	})
}

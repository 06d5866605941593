package recent_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"backupmonitor/services/internal/recent"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const within = time.Second

// TestACrowdCostsAsMuchAsOne: who asks within the time, or while it is asked for,
// has the same answer; an error serves nobody else.
func TestACrowdCostsAsMuchAsOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var made int
		var failing bool
		v := recent.New(within, func(context.Context) (int, error) {
			if failing {
				return 0, errors.New("nothing comes")
			}
			made++
			<-time.After(within / 2) // who asks meanwhile waits for it
			return made, nil
		})
		ask := func(want int) {
			t.Helper()
			var crowd sync.WaitGroup
			for range 100 {
				crowd.Go(func() {
					if n, err := v.Get(t.Context()); n != want || err != nil {
						t.Errorf("the answer is number %d and not %d, %v", n, want, err)
					}
				})
			}
			crowd.Wait()
		}
		ask(1)
		<-time.After(within - 1)
		ask(1)
		<-time.After(1)
		ask(2)
		v.Forget()
		ask(3)
		<-time.After(within)
		failing = true
		if _, err := v.Get(t.Context()); err == nil {
			t.Error("an error is kept from who asks")
		}
		failing = false
		ask(4)
	})
}

// TestWhoLeavesDoesNotWait: somebody else's question is waited for as long as one's
// own context lasts.
func TestWhoLeavesDoesNotWait(t *testing.T) {
	t.Parallel()
	asked, answer := make(chan struct{}), make(chan struct{})
	v := recent.New(within, func(context.Context) (bool, error) { close(asked); <-answer; return true, nil })
	var first sync.WaitGroup
	first.Go(func() {
		if ok, err := v.Get(t.Context()); !ok || err != nil {
			t.Errorf("%t, %v", ok, err)
		}
	})
	<-asked
	leaving, leave := context.WithCancel(t.Context())
	leave()
	if _, err := v.Get(leaving); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	close(answer)
	first.Wait()
}

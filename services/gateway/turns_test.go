package gateway

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// One caller waits for their own requests, and then is told so; nobody waits for
// another's.
func TestTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns(2, "Wait.")
		take := func(caller string) func() {
			t.Helper()
			back, err := turns.take(t.Context(), caller)
			if err != nil {
				t.Fatal(caller, err)
			}
			return back
		}
		first, second := take("a"), take("a")
		began := time.Now()
		take("b")()
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
		take("a")()
		second()
		if len(turns.callers) > 0 {
			t.Errorf("%d lines are left", len(turns.callers))
		}
	})
}

package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"backupmonitor/services/gateway/auth"
)

// lossWithin is how long after it was lost a right may still be made use of.
const lossWithin = 5 * time.Second

// A request that goes on ends within 5 s of the loss of the right to it, whenever
// that is, also where nobody answers whether there is one; and with an answer that
// comes now and then it goes on.
func TestARequestEndsWithTheRight(t *testing.T) {
	t.Parallel()
	silent := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	for name, x := range map[string]struct {
		lost   func(context.Context) error // what is answered from then on
		status int                         // 0: it goes on
	}{
		"disabled":                {func(context.Context) error { return auth.ErrBadToken }, http.StatusUnauthorized},
		"the database is silent":  {silent, http.StatusServiceUnavailable},
		"the database is away":    {func(context.Context) error { return errors.New("no connection") }, http.StatusServiceUnavailable},
		"all is as it was before": {func(context.Context) error { return nil }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for at := time.Duration(0); at < 2*checkEvery; at += checkEvery / 8 {
				synctest.Test(t, func(t *testing.T) {
					lost := time.Now().Add(at)
					ask := func(ctx context.Context, _ auth.Caller) error {
						if time.Now().Before(lost) {
							return nil
						}
						return x.lost(ctx)
					}
					g := &Gateway{logger: slog.New(slog.DiscardHandler), allowed: newAllowed(ask)}
					rec := httptest.NewRecorder()
					w := &response{ResponseWriter: rec, rc: http.NewResponseController(rec)}
					until, release := g.whileAllowed(t.Context(), w, auth.Caller{})
					defer release()
					select {
					case <-until.Done():
					case <-time.After(at + time.Hour):
					}
					p, _ := errors.AsType[*problem](context.Cause(until))
					switch took := time.Since(lost); {
					case x.status == 0 && until.Err() != nil:
						t.Errorf("lost at %s: ended after %s: %v", at, took, context.Cause(until))
					case x.status != 0 && (took > lossWithin || p == nil || p.status != x.status):
						t.Errorf("lost at %s: ended after %s: %v", at, took, context.Cause(until))
					}
				})
			}
		})
	}
}

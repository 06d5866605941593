package gateway

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"backupmonitor/services/gateway/auth"
)

const (
	// allowedFor is how long an answer about a caller serves the other requests of
	// the same caller.
	allowedFor = time.Second
	// Of a request that goes on it is asked so often whether its caller may still
	// have what it gives, and it ends when there was no answer for so long: who
	// loses their access loses it within 5 s, also while the database does not
	// answer.
	checkEvery  = 1500 * time.Millisecond
	unconfirmed = 4 * time.Second
)

// allowed asks whether callers whose requests go on may still have the answers:
// once for all that one caller has.
type allowed struct {
	ask func(context.Context, auth.Caller) error

	mu      sync.Mutex
	answers map[string]*answer
}

// answer is about one caller, as they were recognised.
type answer struct {
	turn chan struct{} // taken while it is asked for
	at   time.Time
	err  error
}

func newAllowed(ask func(context.Context, auth.Caller) error) *allowed {
	return &allowed{ask: ask, answers: map[string]*answer{}}
}

// still is ask, or its answer of a moment ago. Errors: ask's, or ctx's.
func (w *allowed) still(ctx context.Context, c auth.Caller) error {
	a := w.answer(c)
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if time.Since(a.at) < allowedFor {
		return a.err
	}
	err := w.ask(ctx, c)
	if ctx.Err() == nil {
		a.at, a.err = time.Now(), err
	}
	return err
}

// answer is the one about c. What is about nobody's stream any more is
// forgotten now and then.
func (w *allowed) answer(c auth.Caller) *answer {
	key := c.Name() + "\x00" + string(c.Role) + string(c.Scope) + "\x00" + c.User.PasswordHash + c.User.SessionEpoch
	w.mu.Lock()
	defer w.mu.Unlock()
	a, ok := w.answers[key]
	if !ok {
		if len(w.answers) >= 2*maxStreams {
			clear(w.answers)
		}
		a = &answer{turn: make(chan struct{}, 1)}
		w.answers[key] = a
	}
	return a
}

// attended has a route answer only for as long as the caller may have its answer.
func (g *Gateway) attended(handle func(*response, *request) error) func(*response, *request) error {
	return func(w *response, r *request) error {
		if r.stranger {
			return handle(w, r)
		}
		until, release := g.whileAllowed(r.Context(), w, r.caller)
		settle := func() { release(); w.reopen() }
		defer settle() // of a handler that panics
		own := *r
		own.Request = r.WithContext(until)
		err := handle(w, &own)
		settle()
		lost, ok := errors.AsType[*problem](context.Cause(until))
		if ok && (err != nil || w.status == 0) {
			return lost
		}
		return err
	}
}

// whileAllowed is ctx, which also ends when the caller may no longer do what
// they could do, whatever the request is busy with: a write that waits for its
// client is cut off. Its cause is then a problem. Whoever calls it calls the
// release.
func (g *Gateway) whileAllowed(ctx context.Context, w *response, c auth.Caller) (until context.Context, release func()) {
	until, cancel := context.WithCancelCause(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		defer cancel(nil)
		tick := time.NewTicker(checkEvery)
		defer tick.Stop()
		for confirmed := time.Now(); ; {
			select {
			case <-until.Done():
				return
			case <-tick.C:
			}
			asking, end := context.WithDeadline(until, confirmed.Add(unconfirmed))
			asked := time.Now()
			err := g.allowed.still(asking, c)
			end()
			var lost error
			var because string
			switch {
			case err == nil:
				confirmed = asked
				continue
			case errors.Is(err, auth.ErrBadToken):
				lost, because = sessionOver(err), "its caller may no longer have the answer"
			case time.Since(confirmed) >= unconfirmed-checkEvery:
				lost, because = unavailable("The database", err), "the database does not say whether its caller may still have the answer"
			default:
				continue
			}
			g.logger.InfoContext(ctx, "A request is cut off.", slog.String("because", because),
				slog.String("requestId", w.id), slog.String("user", c.Name()), slog.Any("error", err))
			cancel(lost)
			w.cut()
			return
		}
	})
	return until, func() { cancel(nil); watch.Wait() }
}

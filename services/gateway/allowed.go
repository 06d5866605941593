package gateway

import (
	"context"
	"sync"
	"time"

	"backupmonitor/services/gateway/auth"
)

// allowedFor is how long an answer about a caller serves the other streams of
// the same caller.
const allowedFor = time.Second

// allowed asks whether callers of open streams may still read them: once for
// all the streams that one caller has.
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

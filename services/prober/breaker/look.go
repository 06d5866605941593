package breaker

import (
	"context"
	"time"
)

// look is one that asks to be admitted.
type look struct {
	server  string
	yielded bool          // it has let others go first
	need    time.Duration // see late
}

func newLook(ctx context.Context, server string) look {
	l := look{server: server, need: checkFor}
	if by, ok := ctx.Deadline(); ok {
		l.need = min(l.need, time.Until(by)/2)
	}
	return l
}

// late tells that the look has not the time any more to find out about the
// account. A sign-in that it broke off would pass for one that was refused too
// slowly.
func (l look) late(ctx context.Context) bool {
	by, ok := ctx.Deadline()
	return ok && time.Until(by) < l.need
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func enter(ctx context.Context, places chan struct{}) error {
	select {
	case places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

package gateway

import (
	"context"
	"net/http"
	"sync"
	"time"
)

const (
	// listsPerCaller is how many lists one caller has made at once, and
	// replaysPerCaller how many readings of the log for their streams.
	listsPerCaller   = 2
	replaysPerCaller = 2
	// turnWait is how long a caller waits for others of their own requests.
	turnWait = 3 * time.Second
)

// turns bounds what is done at once for each caller, so that what one of them
// asks for holds up nobody but themselves.
type turns struct {
	each    int
	message string // for who waited in vain

	mu      sync.Mutex
	callers map[string]*line
}

// line is one caller's; it is forgotten with the last who stands in it.
type line struct {
	free   chan struct{}
	within int
}

func newTurns(each int, message string) *turns {
	return &turns{each: each, message: message, callers: map[string]*line{}}
}

// take waits for a turn of the caller's. Whoever has one gives it back. Errors:
// a problem where none comes within turnWait; ctx's.
func (t *turns) take(ctx context.Context, caller string) (back func(), err error) {
	t.mu.Lock()
	l, ok := t.callers[caller]
	if !ok {
		l = &line{free: make(chan struct{}, t.each)}
		t.callers[caller] = l
	}
	l.within++
	t.mu.Unlock()
	wait := time.NewTimer(turnWait)
	defer wait.Stop()
	select {
	case l.free <- struct{}{}:
		return func() { <-l.free; t.leave(caller, l) }, nil
	case <-wait.C:
		err = &problem{status: http.StatusTooManyRequests, message: t.message, retryAfter: turnWait}
	case <-ctx.Done():
		err = ctx.Err()
	}
	t.leave(caller, l)
	return nil, err
}

func (t *turns) leave(caller string, l *line) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l.within--; l.within == 0 {
		delete(t.callers, caller)
	}
}

package prober

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// patience is how long it may go wrong to get commands before the prober is
// not ready: a server that restarts is away for less.
const patience = 15 * time.Second

// trouble is what keeps a prober from getting commands.
type trouble struct {
	mu    sync.Mutex
	err   error // of the last request, nil if that went well
	since time.Time
}

// note tells how a request for commands went.
func (t *trouble) note(err error, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		t.since = now
	}
	t.err = err
}

// lasting is the error since which, by now, more than patience has passed.
func (t *trouble) lasting(now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil || now.Sub(t.since) <= patience {
		return nil
	}
	return fmt.Errorf("cannot get commands for %s: %w", now.Sub(t.since).Round(time.Second), t.err)
}

// Check tells, for readiness, how many workers are busy. The error says that
// the prober reaches no outlet, or cannot tell whether it does, or has not been
// able to get commands for a while. It asks nobody and may be called at any time.
func (p *Prober) Check(context.Context) (detail string, err error) {
	quiet := len(p.quiet)
	detail = fmt.Sprintf("%d of %d workers busy", max(0, int(p.working.Load())-quiet), p.cfg.Concurrency)
	if quiet > 0 {
		detail += fmt.Sprintf("; %d looks wait for silent outlets", quiet)
	}
	if since, offline := p.line.Offline(); offline {
		return detail, fmt.Errorf("offline: no outlet can be reached since %s", since.Format(time.RFC3339))
	}
	if err := p.line.Unsure(); err != nil {
		return detail, fmt.Errorf("outlets do not answer, and whether others do cannot be told, so that their looks wait: %w", err)
	}
	return detail, p.trouble.lasting(p.cfg.Now())
}

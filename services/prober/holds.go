package prober

import (
	"slices"
	"sync"

	"backupmonitor/events"
)

// holds counts how often commands went back without a look that said anything
// of their outlets, or that the log took: such deliveries are no attempts. It keeps
// what the log did not take: an outlet is not looked at again for it, which could lock
// an account. A prober that takes over a command knows neither, and gives it fewer
// attempts.
type holds struct {
	mu sync.Mutex
	n  map[string]held // by outlet, which has one command in the queue at most
}

type held struct {
	scan      string
	times     int
	delivered int                     // the last that is counted
	unsaid    []events.BackupObserved // what the log did not take of the last look
}

// add counts a delivery once.
func (h *holds) add(c command) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e := h.entry(c); e.delivered != c.delivered {
		e.times, e.delivered = e.times+1, c.delivered
		h.n[events.Key(c.Outlet)] = e
	}
}

// keep remembers what could not be said, in place of what was before.
func (h *holds) keep(c command, unsaid []events.BackupObserved) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := h.entry(c)
	e.unsaid = unsaid
	h.n[events.Key(c.Outlet)] = e
}

// unsaid is what could not be said in some modes, and the other modes.
func (h *holds) unsaid(c command, modes []events.Mode) (looks []events.BackupObserved, others []events.Mode) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, mode := range modes {
		e := h.entry(c)
		i := slices.IndexFunc(e.unsaid, func(l events.BackupObserved) bool { return l.Mode == mode })
		if i < 0 {
			others = append(others, mode)
			continue
		}
		looks = append(looks, e.unsaid[i])
	}
	return looks, others
}

func (h *holds) of(c command) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.entry(c).times
}

func (h *holds) forget(c command) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.n[events.Key(c.Outlet)].scan == c.ScanID {
		delete(h.n, events.Key(c.Outlet))
	}
}

// entry is what is known of a command; mu is held.
func (h *holds) entry(c command) held {
	if h.n == nil {
		h.n = map[string]held{}
	}
	if was := h.n[events.Key(c.Outlet)]; was.scan == c.ScanID {
		return was
	}
	return held{scan: c.ScanID}
}

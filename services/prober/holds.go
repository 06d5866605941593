package prober

import (
	"sync"

	"backupmonitor/events"
)

// holds counts how often commands went back without a look that said anything
// of their outlets, or that the log took: such deliveries are no attempts. A prober that takes over a
// command does not know them, and gives it fewer attempts.
type holds struct {
	mu sync.Mutex
	n  map[string]held // by outlet, which has one command in the queue at most
}

type held struct {
	scan  string
	times int
}

func (h *holds) add(c command) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.n == nil {
		h.n = map[string]held{}
	}
	h.n[events.Key(c.Outlet)] = held{c.ScanID, h.times(c) + 1}
}

func (h *holds) of(c command) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.times(c)
}

func (h *holds) forget(c command) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.times(c) > 0 {
		delete(h.n, events.Key(c.Outlet))
	}
}

// times is how often a command is known to have gone back; mu is held.
func (h *holds) times(c command) int {
	if was := h.n[events.Key(c.Outlet)]; was.scan == c.ScanID {
		return was.times
	}
	return 0
}

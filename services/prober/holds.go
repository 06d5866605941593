package prober

import (
	"sync"

	"backupmonitor/events"
)

// holds counts how often commands went back without a look that said anything
// of their outlets: such deliveries are no attempts. A prober that takes over a
// command does not know them, and gives it fewer attempts.
type holds struct {
	mu sync.Mutex
	n  map[held]int // of commands in the queue: at most one an outlet
}

type held struct{ outlet, scan string }

func heldOf(c command) held { return held{events.Key(c.Outlet), c.ScanID} }

func (h *holds) add(c command) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.n == nil {
		h.n = map[held]int{}
	}
	h.n[heldOf(c)]++
}

func (h *holds) of(c command) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.n[heldOf(c)]
}

func (h *holds) forget(c command) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.n, heldOf(c))
}

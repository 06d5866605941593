package prober

import (
	"fmt"
	"testing"

	"backupmonitor/events"
)

// TestHoldsAreBounded: a command that was held here may end with another prober,
// which nobody tells us. What is counted is for each outlet's latest command, and
// no more.
func TestHoldsAreBounded(t *testing.T) {
	t.Parallel()
	var h holds
	delivered := 0
	of := func(outlet string, scan int) command {
		delivered++
		return command{delivered: delivered, ProbeCommand: events.ProbeCommand{Outlet: outlet, ScanID: fmt.Sprint("s", scan)}}
	}
	for scan := range 100 {
		for _, outlet := range []string{"A1", "a1 ", "B2"} {
			h.add(of(outlet, scan))
		}
	}
	if len(h.n) != 2 {
		t.Errorf("%d are counted for 2 outlets", len(h.n))
	}
	if a, b, old := h.of(of("A1", 99)), h.of(of("B2", 99)), h.of(of("A1", 98)); a != 2 || b != 1 || old != 0 {
		t.Errorf("counted %d, %d and %d, want 2, 1 and 0", a, b, old)
	}
	h.forget(of("A1", 98)) // long over
	h.forget(of("B2", 99))
	if a, b := h.of(of("A1", 99)), h.of(of("B2", 99)); a != 2 || b != 0 {
		t.Errorf("counted %d and %d, want 2 and 0", a, b)
	}
}

// TestHoldsCountADeliveryOnce: however many reasons it had to go back.
func TestHoldsCountADeliveryOnce(t *testing.T) {
	t.Parallel()
	var h holds
	c := command{delivered: 1, ProbeCommand: events.ProbeCommand{Outlet: "A1", ScanID: "s"}}
	h.add(c)
	h.add(c)
	if c.delivered = 2; h.of(c) != 1 {
		t.Errorf("counted %d", h.of(c))
	}
	h.add(c)
	if h.of(c) != 2 {
		t.Errorf("counted %d", h.of(c))
	}
}

package projector

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// narrow is a database with a column that is too narrow for some outlets.
type narrow struct {
	Store
	refuses  func(outlet string) bool
	unusable atomic.Bool // its table, as Migrate finds
}

func (n *narrow) Migrate(ctx context.Context) error {
	if n.unusable.Load() {
		return &store.Trouble{Reason: "a table cannot be used as it is", Refused: true, Err: errors.New("column OutletServer")}
	}
	return n.Store.Migrate(ctx)
}

func (n *narrow) Apply(ctx context.Context, b store.Batch) error {
	if slices.ContainsFunc(b.Looks, func(l store.Look) bool { return n.refuses(l.Outlet) }) {
		return &store.Trouble{Reason: "the table says no", Unstorable: true, Err: errors.New("8152")}
	}
	return n.Store.Apply(ctx, b)
}

func (w *world) quarantine(t *testing.T) []store.Quarantined {
	t.Helper()
	q, err := w.db.Quarantine(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// TestOneThatDoesNotFit is found in its batch and set aside, and what stands
// before and behind it is in the tables.
func TestOneThatDoesNotFit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.story(t, 0, 9)
	last := w.append(t, observed("scan-x", "TOO-LONG", events.DDrive), observed("scan-y", "OUT001", events.DDrive))
	n := &narrow{Store: w.db, refuses: func(outlet string) bool { return outlet == "TOO-LONG" }}
	p := w.projector(n)
	running(t, p)
	w.reached(t, last)
	q := w.quarantine(t)
	if len(q) != 1 || q[0].Seq != last-1 || q[0].Reason != store.ErrUnstorable.Error()+": the table says no" || len(q[0].Data) == 0 {
		t.Errorf("quarantine %s", text(q))
	}
	if !w.logs.contains("8152") || !w.logs.contains(fmt.Sprintf("seq=%d", last-1)) {
		t.Error("the log does not say which event it is and why")
	}
	rows := 0
	err := w.db.History(t.Context(), store.Query{Mode: events.DDrive}, func(store.Look) error { rows++; return nil })
	if err != nil || rows != 10 {
		t.Errorf("%d looks in the history, %v; want 10", rows, err)
	}
	until(t, "all is well", func() bool { s := p.Status(); return s.Error == "" && s.Quarantined == 1 })
}

// TestNothingFits: where it is not the events that are at fault they wait, and
// go in when the table has been mended.
func TestNothingFits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var mended atomic.Bool
	n := &narrow{Store: w.db, refuses: func(string) bool { return !mended.Load() }}
	var last uint64
	for i := range 2 * mostUnusable {
		last = w.append(t, observed(fmt.Sprintf("scan-%d", i), "OUT001", events.DDrive))
	}
	p := w.projector(n)
	running(t, p)
	until(t, "it stops", func() bool { return strings.Contains(p.Status().Error, "did not fit either") })
	if q := w.quarantine(t); len(q) != mostUnusable {
		t.Errorf("%d events were set aside, want %d", len(q), mostUnusable)
	}
	mended.Store(true)
	w.reached(t, last)
	if q := w.quarantine(t); len(q) != mostUnusable {
		t.Errorf("%d events were set aside, want %d", len(q), mostUnusable)
	}
}

// TestTheTableIsAtFault: nothing is set aside where the table itself cannot be
// used.
func TestTheTableIsAtFault(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	last := w.append(t, observed("scan-x", "TOO-LONG", events.DDrive))
	n := &narrow{Store: w.db}
	n.refuses = func(string) bool { n.unusable.Store(true); return true }
	p := w.projector(n)
	p.cfg.Refused = p.cfg.RetryMost
	running(t, p)
	until(t, "it says which", func() bool { return strings.Contains(p.Status().Error, "column OutletServer") })
	if q := w.quarantine(t); len(q) != 0 || w.checkpoint(t).Seq >= last {
		t.Errorf("quarantine %s", text(q))
	}
}

// advising is a database that would work better in another way.
type advising struct{ Store }

func (advising) Advice(context.Context) (string, error) { return "run this and that", nil }

// TestAdvice is in the log once.
func TestAdvice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	fails := &scripted{Store: w.db, answer: func(call int, apply func() error) error {
		if call < 3 {
			return errors.New("the line is broken")
		}
		return apply()
	}}
	running(t, w.projector(advising{fails}))
	w.reached(t, w.story(t, 0, 1))
	if n := strings.Count(w.logs.text(), "run this and that"); n != 1 {
		t.Errorf("the advice is %d times in the log, want once", n)
	}
}

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

// narrow is a database with columns that are too narrow for some looks, and
// maybe for registrations.
type narrow struct {
	Store
	refuses  func(store.Look) bool
	outlets  atomic.Bool // it refuses registrations
	unusable atomic.Bool // its table, as Migrate finds
}

func (n *narrow) Migrate(ctx context.Context) error {
	if n.unusable.Load() {
		return &store.Trouble{Reason: "a table cannot be used as it is", Refused: true, Err: errors.New("column OutletServer")}
	}
	return n.Store.Migrate(ctx)
}

func (n *narrow) Apply(ctx context.Context, b store.Batch) error {
	if slices.ContainsFunc(b.Looks, n.refuses) || n.outlets.Load() && len(b.Outlets) > 0 {
		return &store.Trouble{Reason: "the table says no", Unstorable: true, Err: errors.New("8152")}
	}
	return n.Store.Apply(ctx, b)
}

// quarantine is what is in it, newest first.
func (w *world) quarantine(t *testing.T) (q []store.Quarantined) {
	t.Helper()
	tables := w.db.(interface {
		View(context.Context, func(context.Context, store.Tables) error) error
	})
	err := tables.View(t.Context(), func(ctx context.Context, tables store.Tables) (err error) {
		q, err = tables.QuarantinedAfter(ctx, 0, 1000)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(q)
	return q
}

// TestOneThatDoesNotFit is found in its batch and set aside, and what stands
// before and behind it is in the tables.
func TestOneThatDoesNotFit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.story(t, 0, 9)
	last := w.append(t, observed("scan-x", "TOO-LONG", events.DDrive), observed("scan-y", "OUT001", events.DDrive))
	n := &narrow{Store: w.db, refuses: func(l store.Look) bool { return l.Outlet == "TOO-LONG" }}
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
	n := &narrow{Store: w.db, refuses: func(store.Look) bool { return !mended.Load() }}
	var last uint64
	for i := range 2 * mostRefused {
		last = w.append(t, observed(fmt.Sprintf("scan-%d", i), "OUT001", events.DDrive))
	}
	p := w.projector(n)
	running(t, p)
	until(t, "it stops", func() bool { return strings.Contains(p.Status().Error, "did not fit either") })
	if q := w.quarantine(t); len(q) != mostRefused {
		t.Errorf("%d events were set aside, want %d", len(q), mostRefused)
	}
	mended.Store(true)
	w.reached(t, last)
	if q := w.quarantine(t); len(q) != mostRefused {
		t.Errorf("%d events were set aside, want %d", len(q), mostRefused)
	}
}

// TestOneTableIsAtFault: where one table refuses so much, in whatever order, what
// is for it waits and is not set aside, however well the others fare.
func TestOneTableIsAtFault(t *testing.T) {
	t.Parallel()
	both := events.Modes()
	for name, x := range map[string]struct {
		table string                            // as readiness names what is for it
		look  func(i int) events.BackupObserved // the i-th
		bad   func(i int) bool                  // refuses it
	}{
		"every second event is for another": {"the looks at USB drives", func(i int) events.BackupObserved {
			return observed(fmt.Sprint("scan-", i), "OUT001", both[i%2])
		}, func(i int) bool { return both[i%2] == events.IBStorage }},
		"one fits after 19": {"the looks at drive D", func(i int) events.BackupObserved {
			return observed(fmt.Sprint("scan-", i), "OUT001", events.DDrive)
		}, func(i int) bool { return i%20 != 19 }},
		"every second fits": {"the looks at drive D", func(i int) events.BackupObserved {
			return observed(fmt.Sprint("scan-", i), "OUT001", events.DDrive)
		}, func(i int) bool { return i%2 == 0 }},
		"most change no row": {"the looks at drive D", func(i int) events.BackupObserved {
			e := observed(fmt.Sprint("scan-", i), "OUT001", events.DDrive)
			if i%5 > 0 {
				e.Verdict = events.Verdict{Status: events.Failed, Cause: events.CauseTimeout, Detail: "no answer"}
			}
			return e
		}, func(i int) bool { return i%5 == 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			var mended atomic.Bool
			var last uint64
			for i := range 8 * mostRefused {
				e := x.look(i)
				if x.bad(i) {
					e.ScanID = "bad-" + e.ScanID
				}
				last = w.append(t, e)
			}
			p := w.projector(&narrow{Store: w.db, refuses: func(l store.Look) bool { return strings.HasPrefix(l.ScanID, "bad-") && !mended.Load() }})
			stop := running(t, p)
			until(t, "it stops", func() bool { return strings.Contains(p.Status().Error, "did not fit either") })
			if detail, err := p.Check(t.Context()); err == nil || !strings.Contains(detail, "refuses so much of "+x.table+" ") || !strings.Contains(detail, "the table says no") {
				t.Errorf("readiness %q, %v; want that it names %s and why", detail, err, x.table)
			}
			if q := w.quarantine(t); len(q) != mostRefused {
				t.Errorf("%d events were set aside, want %d", len(q), mostRefused)
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
			again := w.projector(p.db) // it knows no more than the database and the log
			running(t, again)
			until(t, "it stops at once", func() bool { return strings.Contains(again.Status().Error, "did not fit either") })
			if q := w.quarantine(t); len(q) != mostRefused {
				t.Errorf("%d events were set aside when it was started again, want %d", len(q), mostRefused)
			}
			mended.Store(true)
			w.reached(t, last)
			if q := w.quarantine(t); len(q) != mostRefused {
				t.Errorf("%d events were set aside, want %d", len(q), mostRefused)
			}
		})
	}
}

// TestMendedButForOne: when the table has been mended, an event that does not fit
// all the same is set aside at once.
func TestMendedButForOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var mended atomic.Bool
	for i := range mostRefused + 1 {
		w.append(t, observed(fmt.Sprint("scan-", i), "OUT001", events.DDrive))
	}
	last := w.append(t, observed("scan-x", "TOO-LONG", events.DDrive))
	p := w.projector(&narrow{Store: w.db, refuses: func(l store.Look) bool { return l.Outlet == "TOO-LONG" || !mended.Load() }})
	running(t, p)
	until(t, "it stops", func() bool { return strings.Contains(p.Status().Error, "did not fit either") })
	mended.Store(true)
	w.reached(t, last)
	if q := w.quarantine(t); len(q) != mostRefused+1 || q[0].Seq != last {
		t.Errorf("%d events were set aside, want %d", len(q), mostRefused+1)
	}
}

// TestRestartsDoNotReleaseTheBrake: however often a projector is started anew, as
// where it crashes, no more are set aside in all than by one that runs on.
func TestRestartsDoNotReleaseTheBrake(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	n := &narrow{Store: w.db, refuses: func(store.Look) bool { return true }}
	held := 0
	for i := range mostRefused + 5 {
		last := w.append(t, observed(fmt.Sprintf("scan-%d", i), "OUT001", events.DDrive))
		p := w.projector(n)
		stop := running(t, p)
		until(t, "it is in quarantine or waits", func() bool {
			return w.checkpoint(t).Seq == last || strings.Contains(p.Status().Error, "did not fit either")
		})
		if w.checkpoint(t).Seq != last {
			held++
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
	if q := w.quarantine(t); len(q) != mostRefused || held != 5 {
		t.Errorf("%d events were set aside, want %d; %d starts found the brake, want 5", len(q), mostRefused, held)
	}
}

// TestRegistrationsDoNotFit: the table of outlets has a brake of its own.
func TestRegistrationsDoNotFit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 2 * mostRefused {
		code := fmt.Sprintf("OUT%03d", i)
		w.append(t, events.OutletChanged{Code: code, Address: "192.0.2.1", Active: true, Source: events.SourceUser}, observed("scan-1", code, events.DDrive))
	}
	n := &narrow{Store: w.db, refuses: func(store.Look) bool { return false }}
	n.outlets.Store(true)
	p := w.projector(n)
	running(t, p)
	until(t, "it stops", func() bool { return strings.Contains(p.Status().Error, "did not fit either") })
	if q := w.quarantine(t); len(q) != mostRefused {
		t.Errorf("%d events were set aside, want %d", len(q), mostRefused)
	}
	n.outlets.Store(false)
	w.reached(t, 4*mostRefused)
}

// TestSomeDoNotFit: few among many are set aside, however many they become.
func TestSomeDoNotFit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var last uint64
	for i := range 12 * mostRefused {
		code := "OUT001"
		if i%6 == 0 {
			code = "TOO-LONG"
		}
		last = w.append(t, observed(fmt.Sprint("scan-", i), code, events.DDrive))
	}
	running(t, w.projector(&narrow{Store: w.db, refuses: func(l store.Look) bool { return l.Outlet == "TOO-LONG" }}))
	w.reached(t, last)
	if q := w.quarantine(t); len(q) != 2*mostRefused {
		t.Errorf("%d events were set aside, want %d", len(q), 2*mostRefused)
	}
}

// TestTheTableIsAtFault: nothing is set aside where the table itself cannot be
// used.
func TestTheTableIsAtFault(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	last := w.append(t, observed("scan-x", "TOO-LONG", events.DDrive))
	n := &narrow{Store: w.db}
	n.refuses = func(store.Look) bool { n.unusable.Store(true); return true }
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

package rebuild_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
	"backupmonitor/services/internal/store/sqlite"
	"backupmonitor/services/projector"
	"backupmonitor/services/projector/rebuild"
)

// narrow is a database whose tables do not take some events until they are
// mended.
type narrow struct {
	*sqlite.Store
	refuses func(seq uint64) bool
}

func (n *narrow) takes(looks []store.Look, outlets []store.Outlet) error {
	if slices.ContainsFunc(looks, func(l store.Look) bool { return n.refuses(l.Seq) }) ||
		slices.ContainsFunc(outlets, func(o store.Outlet) bool { return n.refuses(o.Seq) }) {
		return &store.Trouble{Reason: "it does not fit", Unstorable: true, Err: errors.New("8152")}
	}
	return nil
}

func (n *narrow) Apply(ctx context.Context, b store.Batch) error {
	if err := n.takes(b.Looks, b.Outlets); err != nil {
		return err
	}
	return n.Store.Apply(ctx, b)
}

func (n *narrow) Repair(ctx context.Context, plan store.Plan) error {
	return n.Store.Repair(ctx, func(ctx context.Context, t store.Tables, put func(store.Repairs) error) error {
		return plan(ctx, t, func(r store.Repairs) error {
			if err := n.takes(r.Rows, r.Outlets); err != nil {
				return err
			}
			return put(r)
		})
	})
}

// projectOrSetAside does what a projector does where tables do not take
// everything, without one.
func projectOrSetAside(t testing.TB, l *memory, db rebuild.Quarantine) (aside []uint64) {
	t.Helper()
	id, _ := l.Identity(t.Context())
	at, err := db.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range l.records[at.Seq:] {
		b := store.Batch{Old: at, New: store.Checkpoint{Stream: id.ID(), Seq: r.Seq}}
		put(&b, projector.Project(r))
		err := db.Apply(t.Context(), b)
		if errors.Is(err, store.ErrUnstorable) {
			b.Looks, b.Outlets = nil, nil
			b.Quarantined = []store.Quarantined{projector.SetAside(r, store.UnstorableReason(err))}
			aside = append(aside, r.Seq)
			err = db.Apply(t.Context(), b)
		}
		if err != nil {
			t.Fatal(err)
		}
		at = b.New
	}
	return aside
}

// narrowed is a log of which the tables could not hold some events: looks that
// other rows stand instead of, and such without, and registrations, of which one
// has another before it.
func narrowed(t testing.TB) (n *narrow, l *memory, path string, aside []uint64) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "monitor.db")
	l = &memory{}
	l.add(t, story(160)...)
	l.add(t, events.OutletChanged{Code: "OUT002", Address: "192.0.2.99", Source: events.SourceUser}, look(500), look(501))
	l.poison()
	refused := []uint64{21, 26, 30, 41, 66, 110, 145, 161, 163}
	n = &narrow{open(t, path), func(seq uint64) bool { return slices.Contains(refused, seq) }}
	if aside = projectOrSetAside(t, l, n); !slices.Equal(aside, refused) {
		t.Fatalf("events %v were set aside, want %v", aside, refused)
	}
	return n, l, path, aside
}

func check(t testing.TB, l rebuild.Log, db store.Rebuilder) rebuild.Checked {
	t.Helper()
	c, err := rebuild.Check(t.Context(), l, db, quiet)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestUnstorable: events that the tables cannot hold are named, and hinder
// nothing else from being put right; when the tables take them they go in.
func TestUnstorable(t *testing.T) {
	t.Parallel()
	n, l, path, aside := narrowed(t)
	named := func(c rebuild.Checked, count int) {
		t.Helper()
		last := c.Findings[len(c.Findings)-1]
		for _, want := range []string{
			fmt.Sprintf("%d events could not be stored: ", count),
			"event 26 of outlet OUT012, ib_storage, day 2025-03-01: " + store.ErrUnstorable.Error() + ": it does not fit; ", "and 4 more.",
			"event 21 of outlet OUT001, its registration: ",
		} {
			if !strings.Contains(last.What, want) {
				t.Errorf("fsck says %q, want %q", last.What, want)
			}
		}
		if !strings.Contains(last.Do, "`backup-monitor quarantine retry`") {
			t.Errorf("fsck advises %q", last.Do)
		}
	}
	agree(t, l, n)
	c := check(t, l, n)
	if len(c.Findings) != 2 || !strings.HasPrefix(c.Findings[0].What, "1 events in the log cannot be read") {
		t.Fatalf("fsck found %s", text(c.Findings))
	}
	named(c, len(aside))

	damage(t, path, "DELETE FROM D_Drive_Backup_Stat", "UPDATE IB_Storage_Backup_Stat SET Status = 'x'", "UPDATE Outlets SET IPAddress = 'x'",
		"DELETE FROM MonitorHistory WHERE Seq % 3 = 0", "UPDATE MonitorQuarantine SET Data = NULL WHERE Seq = 26")
	wrong := run(t, l, n, true)
	r := run(t, l, n, false)
	if !r.Repaired || r.Wrong() == 0 || r.Wrong() != wrong.Wrong() || r.Unstorable != uint64(len(aside)) || r.Unreadable != 1 {
		t.Fatalf("rebuilt %s", text(r))
	}
	agree(t, l, n)
	if c = check(t, l, n); len(c.Findings) != 2 {
		t.Fatalf("fsck found %s", text(c.Findings))
	}
	named(c, len(aside)) // the reason is the tables' still

	whole := open(t, filepath.Join(t.TempDir(), "now.db")) // another database takes them
	if r, err := rebuild.Replay(t.Context(), l, whole, l.records[len(l.records)-1].Seq, nil, quiet); err != nil || r.Unreadable != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	n.refuses = func(seq uint64) bool { return seq == 30 }
	done, err := rebuild.Retry(t.Context(), n, nil, quiet)
	if err != nil || len(done) != len(aside)+1 {
		t.Fatalf("%s, %v", text(done), err)
	}
	agree(t, l, n)
	if r = run(t, l, n, true); r.Unstorable != 1 || r.FirstUnstorable[0].Seq != 30 {
		t.Fatalf("found %s", text(r))
	}
	n.refuses = func(uint64) bool { return false }
	if done, err = rebuild.Retry(t.Context(), n, []uint64{30}, quiet); err != nil || !done[0].Released {
		t.Fatalf("%s, %v", text(done), err)
	}
	if a, b := agree(t, l, n), agree(t, l, whole); text(a) != text(b) || a.Unstorable != 0 {
		t.Errorf("the tables are %s\nothers that took all %s", text(a), text(b))
	}
}

// TestQuarantineThatLies: whatever stands in the quarantine, fsck is not silent,
// and no row that is right goes.
func TestQuarantineThatLies(t *testing.T) {
	t.Parallel()
	const reason = "'a column does not take a value: so it says'"
	for name, x := range map[string]struct{ sql, want string }{
		"a look that is in the tables":   {"INSERT INTO MonitorQuarantine (Seq, Subject, Type, Stored, Reason) VALUES (158, '', '', '', " + reason + ")", "The quarantine differs from the log in 1 events"},
		"an outlet that is":              {"INSERT INTO MonitorQuarantine (Seq, Subject, Type, Stored, Reason) VALUES (141, '', '', '', " + reason + ")", "The quarantine differs from the log in 1 events"},
		"an event of no row":             {"INSERT INTO MonitorQuarantine (Seq, Subject, Type, Stored, Reason) VALUES (23, '', '', '', " + reason + ")", "The quarantine differs from the log in 1 events"},
		"an event that is to come":       {"INSERT INTO MonitorQuarantine (Seq, Subject, Type, Stored, Reason) VALUES (999, '', '', '', " + reason + ")", "The quarantine differs from the log in 1 events"},
		"one that fits, for its reason":  {"UPDATE MonitorQuarantine SET Reason = " + reason + " WHERE Seq = 163", "9 events could not be stored"},
		"one that is other than the log": {"UPDATE MonitorQuarantine SET Type = 'x' WHERE Seq = 163", "The quarantine differs from the log in 1 events"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, l, path, aside := narrowed(t)
			right := agree(t, l, n)
			damage(t, path, x.sql)
			if c := check(t, l, n); !strings.Contains(text(c.Findings), x.want) || c.Compared.Unstorable != uint64(len(aside)) {
				t.Errorf("fsck found %s", text(c.Findings))
			}
			run(t, l, n, false)
			if after := agree(t, l, n); text(after) != text(right) {
				t.Errorf("the tables are %s\nand were %s", text(after), text(right))
			}
		})
	}
}

// TestRetriedMeanwhile: events go from the quarantine into the tables while a
// rebuild is at work, at each of its steps.
func TestRetriedMeanwhile(t *testing.T) {
	t.Parallel()
	steps := 0
	for at := 1; ; at++ {
		n, l, path, _ := narrowed(t)
		damage(t, path, "UPDATE D_Drive_Backup_Stat SET Status = 'x'", "UPDATE IB_Storage_Backup_Stat SET Status = 'x'", "DELETE FROM MonitorHistory WHERE Seq < 30")
		step := 0
		staged := &interrupted{narrow: n, f: func() {
			if step++; step != at {
				return
			}
			n.refuses = func(uint64) bool { return false }
			if done, err := rebuild.Retry(t.Context(), n, []uint64{21, 26, 41, 145, 163}, quiet); err != nil || !done[4].Released {
				t.Fatalf("%s, %v", text(done), err)
			}
			n.refuses = func(seq uint64) bool { return slices.Contains([]uint64{30, 66, 110, 161}, seq) }
		}}
		if _, err := rebuild.Run(t.Context(), l, staged, false, quiet); err != nil {
			t.Fatalf("step %d: %v", at, err)
		}
		if r := agree(t, l, n); step >= at && r.Unstorable != 4 || step < at && r.Unstorable != 9 {
			t.Fatalf("step %d: %s", at, text(r))
		}
		if step < at {
			break
		}
		steps++
	}
	if steps < 4 {
		t.Errorf("%d steps", steps)
	}
}

// interrupted does something before each step of a rebuild.
type interrupted struct {
	*narrow
	f func()
}

func (i *interrupted) View(ctx context.Context, f func(context.Context, store.Tables) error) error {
	i.f()
	err := i.narrow.View(ctx, f)
	i.f()
	return err
}

func (i *interrupted) Stage(ctx context.Context) (store.Staging, error) {
	i.f()
	return i.narrow.Stage(ctx)
}

func (i *interrupted) Repair(ctx context.Context, plan store.Plan) error {
	i.f()
	return i.narrow.Repair(ctx, plan)
}

// TestUnreadableThatDoesNotFit: what could not be read at first, and does not fit
// by now, is told apart by Retry; until then a rebuild says what to do.
func TestUnreadableThatDoesNotFit(t *testing.T) {
	t.Parallel()
	db, l := open(t, filepath.Join(t.TempDir(), "monitor.db")), &memory{}
	l.add(t, story(60)...)
	id, _ := l.Identity(t.Context())
	b := store.Batch{New: store.Checkpoint{Stream: id.ID(), Seq: id.LastSeq}}
	for _, r := range l.records {
		p := projector.Project(r)
		if r.Seq == 25 {
			p = projector.Projection{Quarantined: new(projector.SetAside(r, "an older version could not read it"))}
		}
		put(&b, p)
	}
	if err := db.Apply(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	n := &narrow{db, func(seq uint64) bool { return seq == 25 }}
	if r, err := rebuild.Run(t.Context(), l, n, false, quiet); !errors.Is(err, store.ErrUnstorable) || r.Repaired || !strings.Contains(err.Error(), "quarantine retry") {
		t.Fatalf("error %v, want ErrUnstorable and what to do", err)
	}
	done, err := rebuild.Retry(t.Context(), n, nil, quiet)
	if err != nil || len(done) != 1 || done[0].Released {
		t.Fatalf("%s, %v", text(done), err)
	}
	if r := agree(t, l, n); r.Unstorable != 1 || r.Unreadable != 0 {
		t.Fatalf("found %s", text(r))
	}
}

// TestDismissed: an event that somebody has dismissed is counted apart, whether it
// cannot be read or not be stored, and is no finding; one that can be read is not.
func TestDismissed(t *testing.T) {
	t.Parallel()
	n, l, _, aside := narrowed(t)
	before := agree(t, l, n)
	if do := check(t, l, n).Findings[0].Do; !strings.Contains(do, "`backup-monitor quarantine dismiss`") {
		t.Errorf("fsck advises %q", do)
	}
	garbage := slices.IndexFunc(l.records, func(r events.Record) bool { return string(r.Data) == "{" }) + 1
	for _, seq := range []uint64{uint64(garbage), 26, 2, 0, 99999, math.MaxUint64} {
		l.dismissed.Events = append(l.dismissed.Events, events.Dismissed{Seq: seq})
	}
	r := agree(t, l, n)
	if before.Unreadable != 1 || before.Dismissed != 0 || r.Unreadable != 0 || r.Dismissed != 2 || r.Unstorable != uint64(len(aside)-1) {
		t.Fatalf("before %s\nafter %s", text(before), text(r))
	}
	if strings.Contains(r.Unstored(), "event 26 ") {
		t.Errorf("is named still: %s", r.Unstored())
	}
	l.dismissed.Events = []events.Dismissed{{Seq: 7, Runs: []events.Run{{First: 20, Last: math.MaxUint64}, {First: 1, Last: 19}}}}
	if c := check(t, l, n); len(c.Findings) != 0 || c.Compared.Dismissed != uint64(len(aside)+1) {
		t.Fatalf("fsck found %s", text(c))
	}
	if a, b := before.Tables, run(t, l, n, false); text(a) != text(b.Tables) || b.Repaired {
		t.Errorf("a dismissal changed tables: %s", text(b))
	}
}

// TestAnyUnstorable: whatever events tables do not take, and whatever is damaged
// beside, one rebuild is enough; and when all is mended and read once more, the
// tables are those of a database that took everything at once.
func TestAnyUnstorable(t *testing.T) {
	t.Parallel()
	dir, round := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		l := &memory{}
		for i := range rapid.IntRange(1, 60).Draw(rt, "events") {
			switch rapid.IntRange(0, 5).Draw(rt, "kind") {
			case 0:
				l.add(t, events.OutletChanged{Code: fmt.Sprint("OUT00", rapid.IntRange(0, 2).Draw(rt, "outlet")), Address: fmt.Sprint("192.0.2.", i), Source: events.SourceUser})
			case 1:
				l.poison()
			default: // some are said again
				e := look(rapid.IntRange(0, 40).Draw(rt, "look"))
				e.Outlet = fmt.Sprint("OUT00", rapid.IntRange(0, 2).Draw(rt, "outlet"))
				l.add(t, e)
			}
		}
		end := uint64(len(l.records))
		refused := rapid.SliceOfNDistinct(rapid.Uint64Range(1, end), 0, -1, rapid.ID).Draw(rt, "refused")
		path := filepath.Join(dir, fmt.Sprint(round, ".db"))
		n := &narrow{open(t, path), func(seq uint64) bool { return slices.Contains(refused, seq) }}
		aside := projectOrSetAside(t, l, n)
		if r := agree(t, l, n); r.Unstorable != uint64(len(aside)) {
			rt.Fatalf("%d are unstorable, want %v: %s", r.Unstorable, aside, text(r))
		}
		damage(t, path, rapid.SampledFrom([]string{
			"SELECT 1", "DELETE FROM D_Drive_Backup_Stat", "UPDATE IB_Storage_Backup_Stat SET Status = 'x'", "DELETE FROM MonitorStat", "DELETE FROM MonitorHistory",
			"DELETE FROM Outlets", "UPDATE MonitorHistory SET Seq = Seq + 1000", "UPDATE MonitorQuarantine SET Data = NULL", "UPDATE MonitorOutlet SET Seq = Seq + 1000",
		}).Draw(rt, "damage"))
		run(t, l, n, false)
		if r := agree(t, l, n); r.Unstorable != uint64(len(aside)) {
			rt.Fatalf("%d are unstorable after a rebuild, want %v: %s", r.Unstorable, aside, text(r))
		}
		n.refuses = func(uint64) bool { return false }
		if _, err := rebuild.Retry(t.Context(), n, nil, quiet); err != nil {
			rt.Fatal(err)
		}
		run(t, l, n, false) // an event that was said twice may have gone in as the second
		whole := open(t, path+".whole")
		if _, err := rebuild.Replay(t.Context(), l, whole, end, nil, quiet); err != nil {
			rt.Fatal(err)
		}
		if a, b := agree(t, l, n), agree(t, l, whole); text(a) != text(b) {
			rt.Fatalf("the tables are %s\nand had been %s", text(a), text(b))
		}
	})
}

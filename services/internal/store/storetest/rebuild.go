package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// exerciseRebuild is for back ends that can be compared with a fold of the log
// and put right.
func exerciseRebuild(t *testing.T, fresh Fresh) {
	if _, ok := fresh(t)().(store.Rebuilder); !ok {
		t.Skip("this back end is no store.Rebuilder")
	}
	for name, run := range map[string]func(*testing.T, *rebuilt){
		"a staging has what it was given, as the tables have": exerciseStaging,
		"a view is of one moment":                             exerciseView,
		"everything is put right":                             exerciseRepair,
		"what is counted by day is right after a repair":      exerciseRepairedDays,
		"an error puts nothing right":                         exerciseRepairFails,
		"nothing is applied amid a repair":                    exerciseRepairLocks,
		"one staging at a time, gone when closed":             exerciseOneStaging,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := migrated(t, fresh)
			run(t, &rebuilt{writer: w, Rebuilder: w.Backend.(store.Rebuilder)})
		})
	}
}

type rebuilt struct {
	*writer
	store.Rebuilder
}

// Checkpoint settles which of the two it is.
func (r *rebuilt) Checkpoint(ctx context.Context) (store.Checkpoint, error) {
	return r.writer.Checkpoint(ctx)
}

// content is all that tables hold, in an order of its own.
func content(ctx context.Context, t testing.TB, v store.Tables) []string {
	t.Helper()
	var all []string
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range events.Modes() {
		days, err := v.ScanDates(ctx, m)
		ok(err)
		if !slices.IsSorted(days) {
			t.Fatalf("the dates are in disorder: %v", days)
		}
		for _, d := range days {
			rows, err := v.DayRows(ctx, m, d)
			ok(err)
			for _, l := range rows {
				all = append(all, "row "+text(l)+string(l.Encode(nil)))
			}
		}
	}
	for after := uint64(0); ; {
		lines, err := v.Lines(ctx, after, 3)
		ok(err)
		for _, l := range lines {
			if l.Seq <= after {
				t.Fatalf("line %d after line %d", l.Seq, after)
			}
			after = l.Seq
			all = append(all, "line "+text(l)+string(l.Encode(nil)))
		}
		if len(lines) < 3 {
			break
		}
	}
	outlets, err := v.Registrations(ctx)
	ok(err)
	for _, o := range outlets {
		all = append(all, "outlet "+text(o)+string(o.Encode(nil)))
	}
	for after := uint64(0); ; {
		q, err := v.QuarantinedAfter(ctx, after, 1)
		ok(err)
		if len(q) == 0 {
			break
		}
		after = q[0].Seq
		all = append(all, "quarantined "+text(q[0])+string(q[0].Encode(nil)))
	}
	slices.Sort(all)
	return all
}

func (r *rebuilt) content(t testing.TB) (all []string) {
	t.Helper()
	err := r.View(t.Context(), func(ctx context.Context, v store.Tables) error {
		all = content(ctx, t, v)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func (r *rebuilt) stage(t testing.TB) store.Staging {
	t.Helper()
	s, err := r.Stage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// everything is a batch with something of every kind.
func everything() store.Batch {
	closed := failed(4, events.DDrive, "OUT002", day2, events.CauseUnreachable, events.EvidenceNone)
	return store.Batch{
		Looks: []store.Look{
			good(1, events.DDrive, "OUT001", day1), good(2, events.IBStorage, "Straße", day1), good(3, events.DDrive, "Out001", day1), closed,
		},
		Outlets: []store.Outlet{
			{Code: "OUT001", Address: "192.0.2.1", Name: "North", Active: true, Source: events.SourceUser, Seq: 5},
			{Code: "out002", Address: "192.0.2.2", Group: "G", PausedUntil: new(noon()), MaxAgeSeconds: new(int64(60)), Source: events.SourceFile, Seq: 6},
		},
		Quarantined: []store.Quarantined{{Seq: 7, Subject: "ev.x", Type: "x.v1", Stored: noon(), Reason: "unknown", Header: []byte("{}"), Data: []byte{0, 255}}},
	}
}

func exerciseStaging(t *testing.T, r *rebuilt) {
	r.batch(t, everything())
	s := r.stage(t)
	if got := content(t.Context(), t, s); len(got) != 0 {
		t.Fatalf("a new staging holds %v", got)
	}
	b := everything()
	b.New = store.Checkpoint{Stream: stream, Seq: 9}
	if err := s.Apply(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	want := content(t.Context(), t, s)
	same(t, "tables and staging", r.content(t), want)
	if len(want) != 3+4+2+1 {
		t.Fatalf("%d rows: %s", len(want), text(want))
	}
	if cp, err := s.Checkpoint(t.Context()); err != nil || cp != b.New {
		t.Fatalf("checkpoint of the staging %+v, %v", cp, err)
	}
	if cp, err := r.Checkpoint(t.Context()); err != nil || cp != r.cp {
		t.Fatalf("checkpoint of the tables %+v, %v", cp, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	same(t, "tables after the staging is closed", r.content(t), want)
}

func exerciseView(t *testing.T, r *rebuilt) {
	r.batch(t, everything())
	before := r.content(t)
	err := r.View(t.Context(), func(ctx context.Context, v store.Tables) error {
		applied := make(chan error, 1)
		go func() {
			b := store.Batch{Old: r.cp, New: store.Checkpoint{Stream: stream, Seq: 99}, Looks: []store.Look{good(90, events.DDrive, "OUT009", day3)}}
			applied <- r.Apply(context.WithoutCancel(ctx), b)
		}()
		// A back end may hold the batch up until the view has ended, or let it by.
		select {
		case err := <-applied:
			applied <- err
		case <-time.After(200 * time.Millisecond):
		}
		same(t, "amid the view", content(ctx, t, v), before)
		if cp, err := v.Checkpoint(ctx); err != nil || cp != r.cp {
			t.Errorf("checkpoint %+v, %v; want that of the moment, %+v", cp, err, r.cp)
		}
		t.Cleanup(func() {
			if err := <-applied; err != nil {
				t.Error(err)
			}
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	if err := r.View(t.Context(), func(context.Context, store.Tables) error { return broken }); !errors.Is(err, broken) {
		t.Fatalf("error %v, want f's", err)
	}
}

// putRight applies repairs, each by itself.
func (r *rebuilt) putRight(t testing.TB, repairs ...store.Repairs) {
	t.Helper()
	err := r.Repair(t.Context(), func(ctx context.Context, v store.Tables, put func(store.Repairs) error) error {
		if at, err := v.Checkpoint(ctx); err != nil || at != r.cp {
			t.Errorf("a repair at %+v, %v; want %+v", at, err, r.cp)
		}
		for _, x := range repairs {
			if err := put(x); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if cp, err := r.Checkpoint(t.Context()); err != nil || cp != r.cp {
		t.Fatalf("a repair moved the checkpoint to %+v, %v", cp, err)
	}
}

// exerciseRepair makes everything wrong, and then right again.
func exerciseRepair(t *testing.T, r *rebuilt) {
	b := everything()
	r.batch(t, b)
	right := r.content(t)
	wrongRow := failed(77, events.DDrive, "OUT001", day1, events.CauseStale, events.EvidenceFull)
	wrongLine := wrongRow
	wrongLine.Seq = 3
	moved := b.Looks[0] // the line of event 1, under another sequence
	moved.Seq = 50
	q := b.Quarantined[0]
	q.Reason, q.Data = strings.Repeat("x", 3), []byte("y")
	r.putRight(t, store.Repairs{
		Rows: []store.Look{wrongRow}, Lines: []store.Look{wrongLine, moved},
		Outlets:     []store.Outlet{{Code: "OUT001", Address: "203.0.113.9", Source: events.SourceDB, Seq: 99}},
		Quarantined: []store.Quarantined{q}, Released: []uint64{12345},
	})
	if slices.Equal(r.content(t), right) {
		t.Fatal("nothing was changed")
	}
	same(t, "the wrong row", r.one(t, store.Query{Mode: events.DDrive, Outlet: "out001"}).BackupFile, "")
	r.putRight(t, store.Repairs{Rows: []store.Look{b.Looks[2]}, Lines: []store.Look{b.Looks[0], b.Looks[2]}},
		store.Repairs{Outlets: b.Outlets, Quarantined: b.Quarantined})
	same(t, "put right", r.content(t), right)
	same(t, "row", r.one(t, store.Query{Mode: events.DDrive, Outlet: "out001"}).Look, b.Looks[2])
	// Right already: nothing changes. And new rows where there are none.
	fresh := good(60, events.IBStorage, "OUT060", day3)
	r.putRight(t, store.Repairs{Rows: b.Looks[1:3], Lines: b.Looks, Outlets: b.Outlets, Quarantined: b.Quarantined})
	same(t, "put right again", r.content(t), right)
	r.putRight(t, store.Repairs{Rows: []store.Look{fresh}, Lines: []store.Look{fresh}})
	same(t, "a new row", r.one(t, store.Query{Mode: events.IBStorage, From: day3}).Look, fresh)
	r.apply(t, good(61, events.IBStorage, "OUT060", day3)) // and a batch goes on from there
	same(t, "after a batch", r.one(t, store.Query{Mode: events.IBStorage, From: day3}).Seq, 61)
}

// exerciseRepairedDays: days whose rows were counted once are counted anew after
// a repair, in which rows change, come back, and make a day that was missing.
func exerciseRepairedDays(t *testing.T, r *rebuilt) {
	const m = events.DDrive
	r.apply(t, good(1, m, "OUT001", day1), failed(2, m, "OUT002", day1, events.CauseUnreachable, events.EvidenceNone))
	r.apply(t, good(3, m, "OUT001", day3))
	r.apply(t, good(4, m, "OUT002", day3)) // counts the first day
	q := store.Query{Mode: m}
	third := store.DaySummary{ScanDate: day3, Total: 2, Successful: 2}
	same(t, "before", r.summary(t, q), []store.DaySummary{third, {ScanDate: day1, Total: 2, Successful: 1, Failed: 1, NotObserved: 1}})
	r.putRight(t, store.Repairs{Rows: []store.Look{
		failed(5, m, "OUT001", day1, events.CauseStale, events.EvidenceFull), good(6, m, "OUT002", day1), good(7, m, "OUT003", day1),
	}}, store.Repairs{Rows: []store.Look{good(8, m, "OUT001", day2)}})
	want := []store.DaySummary{
		third, {ScanDate: day2, Total: 1, Successful: 1}, {ScanDate: day1, Total: 3, Successful: 2, Failed: 1},
	}
	same(t, "after the repair", r.summary(t, q), want)
	r.apply(t, good(9, m, "OUT001", day3)) // counts what the repair left uncounted
	same(t, "after the next batch", r.summary(t, q), want)
}

func exerciseRepairFails(t *testing.T, r *rebuilt) {
	r.batch(t, everything())
	before := r.content(t)
	broken := errors.New("broken")
	ctx, cancel := context.WithCancel(t.Context())
	for _, end := range []func() error{func() error { return broken }, func() error { cancel(); return nil }} {
		err := r.Repair(ctx, func(_ context.Context, _ store.Tables, put func(store.Repairs) error) error {
			if err := put(store.Repairs{Rows: []store.Look{good(8, events.DDrive, "OUT008", day3)}, Released: []uint64{7}}); err != nil {
				t.Error(err)
			}
			return end()
		})
		if err == nil {
			t.Fatal("a repair that failed says it went well")
		}
		same(t, "tables", r.content(t), before)
	}
}

func exerciseRepairLocks(t *testing.T, r *rebuilt) {
	r.batch(t, everything())
	var applied sync.WaitGroup
	err := r.Repair(t.Context(), func(ctx context.Context, v store.Tables, put func(store.Repairs) error) error {
		at, err := v.Checkpoint(ctx)
		if err != nil {
			return err
		}
		began := make(chan struct{})
		applied.Go(func() {
			close(began)
			b := store.Batch{Old: at, New: store.Checkpoint{Stream: stream, Seq: 99}, Looks: []store.Look{good(90, events.DDrive, "OUT090", day1)}}
			if err := r.Apply(context.WithoutCancel(ctx), b); err != nil {
				t.Errorf("the batch that waited for the repair: %v", err)
			}
		})
		<-began
		for range 20 { // it has time to go wrong
			if cp, err := r.Checkpoint(ctx); err != nil || cp != at {
				t.Errorf("amid a repair the checkpoint moved to %+v, %v", cp, err)
			}
		}
		return put(store.Repairs{Rows: []store.Look{good(80, events.DDrive, "OUT080", day1)}})
	})
	if err != nil {
		t.Fatal(err)
	}
	applied.Wait()
	same(t, "rows", codes(r.rows(t, store.Query{Mode: events.DDrive, From: day1, To: day1})), []string{"Out001", "OUT080", "OUT090"})
}

func exerciseOneStaging(t *testing.T, r *rebuilt) {
	s := r.stage(t)
	if _, err := r.Stage(t.Context()); !errors.Is(err, store.ErrStaged) {
		t.Fatalf("error %v, want ErrStaged", err)
	}
	b := everything()
	b.New = store.Checkpoint{Stream: stream, Seq: 9}
	if err := errors.Join(s.Apply(t.Context(), b), s.Close()); err != nil {
		t.Fatal(err)
	}
	s = r.stage(t)
	if got := content(t.Context(), t, s); len(got) != 0 {
		t.Fatalf("the next staging begins with %v", got)
	}
	if err := errors.Join(s.Close(), r.Unstage(t.Context())); err != nil {
		t.Fatal(err)
	}
}

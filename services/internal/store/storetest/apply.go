package storetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// ExerciseApply is the part of Exercise about batches, for a back end that has
// more than one way to apply them.
func ExerciseApply(t *testing.T, fresh Fresh) {
	t.Helper()
	exerciseApply(t, fresh)
}

func exerciseApply(t *testing.T, fresh Fresh) {
	t.Run("what left the quarantine is read", func(t *testing.T) { t.Parallel(); exerciseRelease(t, fresh) })
	t.Run("a look becomes a row and a line of history", func(t *testing.T) {
		t.Parallel()
		for _, m := range events.Modes() {
			w := migrated(t, fresh)
			l := good(7, m, "OUT001", day1)
			w.apply(t, l)
			same(t, "row", w.one(t, store.Query{Mode: m}), store.Row{Look: l})
			same(t, "history", w.history(t, store.Query{Mode: m}), []store.Look{l})
			cp, err := w.Checkpoint(t.Context())
			if err != nil || cp != w.cp {
				t.Fatalf("checkpoint %+v, %v; want %+v", cp, err, w.cp)
			}
		}
	})
	t.Run("the modes are apart", func(t *testing.T) {
		t.Parallel()
		w := migrated(t, fresh)
		d, ib := good(1, events.DDrive, "OUT001", day1), good(2, events.IBStorage, "OUT001", day1)
		w.apply(t, d, ib)
		same(t, "d_drive", w.rows(t, store.Query{Mode: events.DDrive}), []store.Row{{Look: d}})
		same(t, "ib_storage", w.rows(t, store.Query{Mode: events.IBStorage}), []store.Row{{Look: ib}})
		if err := w.Rows(t.Context(), store.Query{}, func(store.Row) error { return nil }); err == nil {
			t.Fatal("a query without a mode was answered")
		}
	})
	t.Run("a known event changes nothing, in one batch and across batches", func(t *testing.T) {
		t.Parallel()
		w := migrated(t, fresh)
		first := good(5, events.DDrive, "OUT001", day1)
		again := first
		again.Seq, again.BackupFile = 9, "another.bak"
		w.apply(t, first, again, first)
		w.apply(t, again)
		w.apply(t, first)
		same(t, "row", w.one(t, store.Query{Mode: events.DDrive}), store.Row{Look: first})
		same(t, "history", w.history(t, store.Query{Mode: events.DDrive}), []store.Look{first})
	})
	t.Run("another event of a stored sequence is refused", func(t *testing.T) {
		t.Parallel()
		w := migrated(t, fresh)
		w.apply(t, good(5, events.DDrive, "OUT001", day1))
		foreign := good(5, events.DDrive, "OUT002", day1)
		err := w.Apply(t.Context(), store.Batch{Old: w.cp, New: store.Checkpoint{Stream: stream, Seq: 9}, Looks: []store.Look{foreign}})
		if err == nil || errors.Is(err, store.ErrFenced) {
			t.Fatalf("error %v, want one about the sequence", err)
		}
		same(t, "outlets", codes(w.rows(t, store.Query{Mode: events.DDrive})), []string{"OUT001"})
	})
	t.Run("a batch without content moves the checkpoint", func(t *testing.T) {
		t.Parallel()
		w := migrated(t, fresh)
		w.batch(t, store.Batch{})
		w.batch(t, store.Batch{})
		cp, err := w.Checkpoint(t.Context())
		if err != nil || cp != (store.Checkpoint{Stream: stream, Seq: 2}) {
			t.Fatalf("checkpoint %+v, %v", cp, err)
		}
	})
	t.Run("thousands in one batch", func(t *testing.T) { t.Parallel(); exerciseLargeBatch(t, fresh) })
	t.Run("quarantine", func(t *testing.T) { t.Parallel(); exerciseQuarantine(t, fresh) })
	t.Run("a cancelled batch leaves nothing", func(t *testing.T) { t.Parallel(); exerciseCancel(t, fresh) })
}

// exerciseLargeBatch goes beyond the 2,100 parameters of a SQL Server
// statement.
func exerciseLargeBatch(t *testing.T, fresh Fresh) {
	w := migrated(t, fresh)
	const n = 2500
	var b store.Batch
	for i := range uint64(n) {
		code := fmt.Sprintf("OUT%04d", i)
		b.Looks = append(b.Looks, good(2*i+1, events.DDrive, code, day1))
		b.Outlets = append(b.Outlets, store.Outlet{Code: code, Address: "192.0.2.9", Active: true, Source: events.SourceUser, Seq: 2*i + 2})
	}
	w.batch(t, b)
	rows := w.rows(t, store.Query{Mode: events.DDrive})
	if len(rows) != n || rows[0].Outlet != "OUT0000" || rows[n-1].Outlet != "OUT2499" {
		t.Fatalf("%d rows, want %d in the order of their codes", len(rows), n)
	}
	outlets, err := w.ActiveOutlets(t.Context())
	if err != nil || len(outlets) != n {
		t.Fatalf("%d outlets, %v; want %d", len(outlets), err, n)
	}
	w.batch(t, b)
	if h := w.history(t, store.Query{Mode: events.DDrive}); len(h) != n {
		t.Fatalf("%d lines of history after the same batch again, want %d", len(h), n)
	}
}

func exerciseQuarantine(t *testing.T, fresh Fresh) {
	w := migrated(t, fresh)
	q := func(seq uint64) store.Quarantined {
		return store.Quarantined{
			Seq: seq, Subject: "ev.unheard.of", Type: "unheard.of.v9", Stored: noon(), Reason: "unknown event type",
			Header: []byte(`{"ce-id":["x"]}`), Data: []byte{0, 0xff, '{'},
		}
	}
	w.batch(t, store.Batch{Quarantined: []store.Quarantined{q(3), q(4)}})
	w.batch(t, store.Batch{Quarantined: []store.Quarantined{q(4), q(8)}})
	for _, ask := range []struct {
		upTo  uint64
		limit int
		want  []store.Quarantined
	}{{math.MaxUint64, 0, []store.Quarantined{q(8), q(4), q(3)}}, {8, 2, []store.Quarantined{q(8), q(4)}}, {7, 2, []store.Quarantined{q(4), q(3)}}} {
		got, err := w.Quarantine(t.Context(), ask.upTo, ask.limit)
		if err != nil {
			t.Fatal(err)
		}
		for i := range ask.want {
			ask.want[i].Header, ask.want[i].Data = nil, nil
		}
		same(t, "quarantine", got, ask.want)
	}
	for _, ask := range []struct {
		upTo  uint64
		limit int
		want  []uint64
	}{{math.MaxUint64, 2, []uint64{8, 4}}, {math.MaxUint64, 9, []uint64{8, 4, 3}}, {8, 1, []uint64{8}}, {7, 9, []uint64{4, 3}}, {2, 9, nil}, {0, 9, nil}} {
		if got, err := w.QuarantinedSeqs(t.Context(), ask.upTo, ask.limit); err != nil || !slices.Equal(got, ask.want) {
			t.Errorf("the newest %d in quarantine up to %d are %v, %v; want %v", ask.limit, ask.upTo, got, err, ask.want)
		}
	}
}

// cancelledAfter is a context that ends when it has been asked for its error
// some times: so a batch is cancelled at any of its steps.
type cancelledAfter struct {
	context.Context
	cancel context.CancelFunc
	left   int
}

func (c *cancelledAfter) Err() error {
	if c.left--; c.left == 0 {
		c.cancel()
	}
	return c.Context.Err()
}

func exerciseCancel(t *testing.T, fresh Fresh) {
	w := migrated(t, fresh)
	w.apply(t, good(1, events.DDrive, "OUT001", day1))
	b := store.Batch{
		Old: w.cp, New: store.Checkpoint{Stream: stream, Seq: 100},
		Outlets:     []store.Outlet{{Code: "OUT001", Active: true, Source: events.SourceUser, Seq: 50}},
		Quarantined: []store.Quarantined{{Seq: 51, Stored: noon()}},
	}
	for i := range uint64(30) {
		b.Looks = append(b.Looks, good(10+i, events.DDrive, fmt.Sprintf("OUT%03d", i), day1))
	}
	cancelled := 0
	for step := 1; ; step++ {
		inner, cancel := context.WithCancel(t.Context())
		err := w.Apply(&cancelledAfter{Context: inner, cancel: cancel, left: step}, b)
		cancel()
		if err == nil {
			break // it was through before that step
		}
		cancelled++
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("step %d: error %v, want that it was cancelled", step, err)
		}
		cp, cerr := w.Checkpoint(t.Context())
		if cp == b.New {
			break // cancelled when the commit was through
		}
		if cerr != nil || cp != w.cp {
			t.Fatalf("step %d: checkpoint %+v, %v; want %+v", step, cp, cerr, w.cp)
		}
		same(t, "outlets", codes(w.rows(t, store.Query{Mode: events.DDrive})), []string{"OUT001"})
		if h := w.history(t, store.Query{Mode: events.DDrive}); len(h) != 1 {
			t.Fatalf("step %d left %d lines of history", step, len(h))
		}
		if q, err := w.Quarantine(t.Context(), math.MaxUint64, 0); err != nil || len(q) != 0 {
			t.Fatalf("step %d left %d quarantined events, %v", step, len(q), err)
		}
	}
	if cancelled == 0 {
		t.Fatal("no step was cancelled")
	}
	got := codes(w.rows(t, store.Query{Mode: events.DDrive}))
	if len(got) != 30 || !slices.IsSorted(got) {
		t.Fatalf("after the batch went through: %v", got)
	}
}

func exerciseRelease(t *testing.T, fresh Fresh) {
	w := migrated(t, fresh)
	w.batch(t, everything())
	b := store.Batch{Old: w.cp, New: w.cp, Looks: []store.Look{good(7, events.DDrive, "OUT007", day1)}, Released: []uint64{7}}
	for range 2 { // releasing what is not there is harmless
		if err := w.Apply(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	if q, err := w.Quarantine(t.Context(), math.MaxUint64, 0); err != nil || len(q) != 0 {
		t.Fatalf("in quarantine %v, %v", q, err)
	}
	same(t, "its row", w.one(t, store.Query{Mode: events.DDrive, Outlet: "OUT007"}).Look, b.Looks[0])
}

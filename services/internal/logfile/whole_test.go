package logfile

import (
	"errors"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/natstest"
)

// TestWhole: of an archived log every event can be read, and what was known at
// a moment is the same as before it was archived.
func TestWhole(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	a := archiver(t, n)
	w := Whole{Log: n.Log, Archives: a.Dir}
	story(t, n.Log, 0, 3)
	first := time.Now()
	story(t, n.Log, 10, 3)
	second := time.Now()
	all := ofLog(t, n.Log, story(t, n.Log, 20, 3))
	at := func(r events.Record) uint64 {
		t.Helper()
		seq, err := w.SequenceAt(t.Context(), r.Stored)
		if err != nil {
			t.Fatal(err)
		}
		return seq
	}
	for step, before := range []time.Time{{}, first, second} {
		if step > 0 {
			if _, err := a.Archive(t.Context(), before); err != nil {
				t.Fatal(err)
			}
		}
		for _, r := range all[:len(all)-1] {
			if got := at(r); got != r.Seq {
				t.Fatalf("step %d: at the time of %d the last is %d", step, r.Seq, got)
			}
		}
		if seq, err := w.SequenceAt(t.Context(), all[0].Stored.Add(-1)); err != nil || seq != 0 {
			t.Errorf("step %d: before the first event: %d %v", step, seq, err)
		}
		if id, err := w.Identity(t.Context()); err != nil || id.FirstSeq != 1 || id.Missing != 0 {
			t.Errorf("step %d: %+v %v", step, id, err)
		}
		for _, from := range []uint64{0, 1, 20, uint64(len(all))} {
			var got []events.Record
			err := w.Read(t.Context(), from, uint64(len(all)), func(r events.Record) error {
				r.Pending = 0
				got = append(got, r)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			same(t, got, all[max(from, 1)-1:])
		}
	}
	enough := errors.New("enough")
	if err := w.Read(t.Context(), 1, 5, func(events.Record) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("error %v", err)
	}
	w.Archives = t.TempDir()
	_, ierr := w.Identity(t.Context())
	_, serr := w.SequenceAt(t.Context(), first)
	for _, err := range []error{ierr, serr, w.Read(t.Context(), 1, 5, func(events.Record) error { return nil })} {
		if !errors.Is(err, ErrNoArchive) {
			t.Errorf("error %v, want ErrNoArchive", err)
		}
	}
}

// TestLastByInSegments: the last of a moment is found in whichever file it is.
func TestLastByInSegments(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	all := ofLog(t, n.Log, story(t, n.Log, 0, 5))
	dir := t.TempDir() + "/one"
	write(t, dir, all, 2000)
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i, rec := range all {
		if seq, later, err := r.lastBy(t.Context(), rec.Stored); err != nil || seq != rec.Seq || later != (i < len(all)-1) {
			t.Errorf("of %d: %d %t %v", rec.Seq, seq, later, err)
		}
	}
	if seq, later, err := r.lastBy(t.Context(), all[0].Stored.Add(-1)); err != nil || seq != 0 || !later {
		t.Errorf("before the first: %d %t %v", seq, later, err)
	}
}

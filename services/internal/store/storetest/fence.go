package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

func exerciseFence(t *testing.T, fresh Fresh) {
	t.Run("only from where the checkpoint is", func(t *testing.T) {
		t.Parallel()
		w := migrated(t, fresh)
		w.apply(t, good(1, events.DDrive, "OUT001", day1))
		at := func(s string, seq uint64) store.Checkpoint { return store.Checkpoint{Stream: s, Seq: seq} }
		for name, old := range map[string]store.Checkpoint{
			"a stale sequence": at(stream, 0), "a sequence ahead": at(stream, 7), "another stream": at("other", 1), "no stream": {},
		} {
			b := store.Batch{Old: old, New: at(stream, 9), Looks: []store.Look{good(2, events.DDrive, "OUT002", day1)}}
			if old.Stream == "other" {
				b.New.Stream = "other"
			}
			if err := w.Apply(t.Context(), b); !errors.Is(err, store.ErrFenced) {
				t.Fatalf("%s: error %v, want ErrFenced", name, err)
			}
		}
		same(t, "outlets", codes(w.rows(t, store.Query{Mode: events.DDrive})), []string{"OUT001"})
		if h := w.history(t, store.Query{Mode: events.DDrive}); len(h) != 1 {
			t.Fatalf("%d lines of history, want 1", len(h))
		}
		w.apply(t, good(2, events.DDrive, "OUT002", day1))
	})
	t.Run("a checkpoint never leaves its log and never goes back", func(t *testing.T) {
		t.Parallel()
		w := migrated(t, fresh)
		w.batch(t, store.Batch{})
		for _, next := range []store.Checkpoint{{}, {Stream: "other", Seq: 2}, {Stream: stream, Seq: 0}} {
			if err := w.Apply(t.Context(), store.Batch{Old: w.cp, New: next}); err == nil || errors.Is(err, store.ErrFenced) {
				t.Fatalf("to %+v: error %v, want a refusal", next, err)
			}
		}
	})
	t.Run("but for a log that was restored from its own", func(t *testing.T) {
		t.Parallel()
		w := migrated(t, fresh)
		w.apply(t, good(1, events.DDrive, "OUT001", day1))
		old, next := store.Checkpoint{Stream: stream, Seq: 1}, store.Checkpoint{Stream: "other", Seq: 2}
		b := store.Batch{Old: old, New: next, Succeeds: true, Looks: []store.Look{good(2, events.DDrive, "OUT002", day1)}}
		if err := w.Apply(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if cp, err := w.Checkpoint(t.Context()); err != nil || cp != next {
			t.Fatalf("checkpoint %+v, %v; want %+v", cp, err, next)
		}
		same(t, "outlets", codes(w.rows(t, store.Query{Mode: events.DDrive})), []string{"OUT001", "OUT002"})
		if err := w.Apply(t.Context(), b); !errors.Is(err, store.ErrFenced) {
			t.Fatalf("again: error %v, want ErrFenced", err)
		}
	})
	t.Run("before the first batch nothing but the zero value", func(t *testing.T) {
		t.Parallel()
		w := migrated(t, fresh)
		cp, err := w.Checkpoint(t.Context())
		if err != nil || cp != (store.Checkpoint{}) {
			t.Fatalf("checkpoint %+v, %v; want none", cp, err)
		}
		old := store.Checkpoint{Stream: stream, Seq: 1}
		err = w.Apply(t.Context(), store.Batch{Old: old, New: store.Checkpoint{Stream: stream, Seq: 2}})
		if !errors.Is(err, store.ErrFenced) {
			t.Fatalf("error %v, want ErrFenced", err)
		}
	})
	t.Run("of several writers one wins every batch", func(t *testing.T) { t.Parallel(); exerciseRace(t, fresh) })
}

// exerciseRace lets writers with connections of their own race for every
// batch, the first included.
func exerciseRace(t *testing.T, fresh Fresh) {
	open := fresh(t)
	w := &writer{Backend: open()}
	if err := w.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	const rounds, racers = 12, 3
	backends := make([]store.Backend, racers)
	for i := range backends {
		backends[i] = open()
	}
	for round := range uint64(rounds) {
		next := store.Checkpoint{Stream: stream, Seq: round + 1}
		var won, fenced atomic.Int32
		var wg sync.WaitGroup
		for i, b := range backends {
			wg.Go(func() {
				// The same events: who loses must not have written even those.
				l := good(round+1, events.DDrive, fmt.Sprintf("OUT%03d", round), day1)
				l.ScanID = fmt.Sprintf("racer %d", i)
				switch err := b.Apply(t.Context(), store.Batch{Old: w.cp, New: next, Looks: []store.Look{l}}); {
				case err == nil:
					won.Add(1)
				case errors.Is(err, store.ErrFenced):
					fenced.Add(1)
				default:
					t.Errorf("round %d: %v", round, err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 || fenced.Load() != racers-1 {
			t.Fatalf("round %d: %d won and %d were fenced", round, won.Load(), fenced.Load())
		}
		w.cp = next
	}
	if h := w.history(t, store.Query{Mode: events.DDrive}); len(h) != rounds {
		t.Fatalf("%d lines of history, want %d", len(h), rounds)
	}
}

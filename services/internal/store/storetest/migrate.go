package storetest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

func exerciseMigrate(t *testing.T, fresh Fresh) {
	t.Run("before it, questions are errors", func(t *testing.T) {
		t.Parallel()
		b := fresh(t)()
		if err := b.Ping(t.Context()); err == nil {
			t.Error("a database without tables answers")
		}
		if _, err := b.Checkpoint(t.Context()); err == nil {
			t.Error("a database without tables has a checkpoint")
		}
	})
	t.Run("again", func(t *testing.T) {
		t.Parallel()
		open := fresh(t)
		w := &writer{Backend: open()}
		for range 3 {
			if err := w.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		l := good(1, events.DDrive, "OUT001", day1)
		w.apply(t, l)
		later := &writer{Backend: open(), cp: w.cp}
		if err := later.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		same(t, "row", later.one(t, store.Query{Mode: events.DDrive}), store.Row{Look: l})
		later.apply(t, good(2, events.DDrive, "OUT002", day1))
	})
	t.Run("one at a time is alone", func(t *testing.T) {
		t.Parallel()
		b := fresh(t)()
		var inside, most atomic.Int32
		failed := errors.New("its own error")
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				err := b.Exclusive(t.Context(), func(ctx context.Context) error {
					most.Store(max(most.Load(), inside.Add(1)))
					_ = b.Ping(ctx) // it may use the database meanwhile
					inside.Add(-1)
					return failed
				})
				if !errors.Is(err, failed) {
					t.Errorf("error %v, want its own", err)
				}
			})
		}
		wg.Wait()
		if most.Load() != 1 {
			t.Errorf("%d were alone at once", most.Load())
		}
		err := b.Exclusive(t.Context(), func(ctx context.Context) error {
			short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
			defer cancel()
			return b.Exclusive(short, func(context.Context) error { return nil })
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting for one that is alone: %v, want the end of the wait", err)
		}
	})
	t.Run("by several at once", func(t *testing.T) {
		t.Parallel()
		open := fresh(t)
		var backends []store.Backend
		for range 4 {
			backends = append(backends, open())
		}
		var wg sync.WaitGroup
		for _, b := range append(backends, backends...) {
			wg.Go(func() {
				if err := b.Migrate(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		(&writer{Backend: backends[3]}).apply(t, good(1, events.DDrive, "OUT001", day1))
		w := &writer{Backend: backends[0]}
		same(t, "outlets", codes(w.rows(t, store.Query{Mode: events.DDrive})), []string{"OUT001"})
	})
}

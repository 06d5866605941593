package projector

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"backupmonitor/events"
	"backupmonitor/services/internal/natstest"
	"backupmonitor/services/internal/store"
)

// ended waits until Run returns by itself.
func ended(t *testing.T, p *Projector) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := p.Run(ctx)
	if ctx.Err() != nil {
		t.Fatal("it did not stop")
	}
	if _, cerr := p.Check(t.Context()); cerr == nil || err == nil || cerr.Error() != err.Error() {
		t.Errorf("check says %v, Run returned %v", cerr, err)
	}
	return err
}

func (w *world) recreate(t *testing.T) {
	t.Helper()
	if err := w.JS.DeleteStream(t.Context(), events.StreamEvents); err != nil {
		t.Fatal(err)
	}
	if err := events.Provision(t.Context(), w.JS, events.Limits{EventsMaxBytes: natstest.MaxBytes}); err != nil {
		t.Fatal(err)
	}
}

func TestRecreatedLogIsRefused(t *testing.T) {
	t.Parallel()
	t.Run("at the start", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		last := w.story(t, 0, 3)
		stop := running(t, w.projector(w.db))
		w.reached(t, last)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		w.recreate(t)
		for scan := range 5 { // the new log is longer than the old was
			w.story(t, scan, 3)
		}
		if err := ended(t, w.projector(w.db)); !errors.Is(err, ErrForeignLog) {
			t.Fatalf("error %v, want ErrForeignLog", err)
		}
		if cp := w.checkpoint(t); cp.Seq != last {
			t.Fatalf("checkpoint %d, want %d", cp.Seq, last)
		}
	})
	t.Run("at work", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		last := w.story(t, 0, 3)
		p := w.projector(w.db)
		var err error
		var wg sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		defer wg.Wait()
		defer cancel()
		wg.Go(func() { err = p.Run(ctx); cancel() })
		w.reached(t, last)
		w.recreate(t)
		for scan := range 5 {
			w.story(t, scan, 3)
		}
		until(t, "it stops", func() bool { return ctx.Err() != nil })
		wg.Wait()
		if !errors.Is(err, ErrForeignLog) {
			t.Fatalf("error %v, want ErrForeignLog", err)
		}
		if cp := w.checkpoint(t); cp.Seq != last {
			t.Fatalf("checkpoint %d, want %d: nothing of the new log", cp.Seq, last)
		}
	})
}

// TestRecreatedBetweenBatches: what was read before is not written after.
func TestRecreatedBetweenBatches(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.story(t, 0, 10)
	cfg := quick()
	cfg.BatchSize, cfg.CheckEvery = 5, time.Hour
	db := &scripted{Store: w.db, answer: func(_ int, apply func() error) error {
		if err := apply(); err != nil {
			return err
		}
		w.recreate(t)
		for scan := range 3 {
			w.story(t, scan, 10)
		}
		return nil
	}}
	p := New(cfg, w.Log, db, slog.New(slog.DiscardHandler))
	if err := ended(t, p); !errors.Is(err, ErrForeignLog) {
		t.Fatalf("error %v, want ErrForeignLog", err)
	}
	if cp := w.checkpoint(t); cp.Seq != 5 || db.calls.Load() != 1 {
		t.Fatalf("checkpoint %d after %d batches, want 5 after 1", cp.Seq, db.calls.Load())
	}
}

func TestTruncatedAndPurgedLogsAreRefused(t *testing.T) {
	t.Parallel()
	t.Run("truncated", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.story(t, 0, 3)
		id, err := w.Log.Identity(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := w.db.Apply(t.Context(), store.Batch{New: store.Checkpoint{Stream: id.ID(), Seq: 1000}}); err != nil {
			t.Fatal(err)
		}
		if err := ended(t, w.projector(w.db)); !errors.Is(err, ErrLogTruncated) || !strings.Contains(err.Error(), "1000") {
			t.Fatalf("error %v, want ErrLogTruncated that names the checkpoint", err)
		}
	})
	t.Run("purged", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.story(t, 0, 3)
		s, err := w.JS.Stream(t.Context(), events.StreamEvents)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Purge(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := ended(t, w.projector(w.db)); !errors.Is(err, ErrLogPurged) {
			t.Fatalf("error %v, want ErrLogPurged", err)
		}
	})
	t.Run("holes", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.story(t, 0, 3)
		w.story(t, 1, 3)
		s, err := w.JS.Stream(t.Context(), events.StreamEvents)
		if err != nil {
			t.Fatal(err)
		}
		second, err := s.GetMsg(t.Context(), 2)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Purge(t.Context(), jetstream.WithPurgeSubject(second.Subject)); err != nil {
			t.Fatal(err)
		}
		if err := ended(t, w.projector(w.db)); !errors.Is(err, ErrLogDamaged) {
			t.Fatalf("error %v, want ErrLogDamaged", err)
		}
	})
}

// TestFlippedBitsAreRefused: the server does not notice that an event can no
// longer be read, and hands out the next.
func TestFlippedBitsAreRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := &world{Server: natstest.StartAt(t, dir)}
	first.story(t, 0, 10)
	first.Stop()
	blocks, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", events.StreamEvents, "msgs", "1.blk"))
	if err != nil || len(blocks) != 1 {
		t.Fatalf("%v, %v", blocks, err)
	}
	b, err := os.ReadFile(blocks[0])
	if err != nil {
		t.Fatal(err)
	}
	copy(b[len(b)/2:], bytes.Repeat([]byte{0xff}, 64))
	if err := os.WriteFile(blocks[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	w := &world{Server: natstest.StartAt(t, dir), path: filepath.Join(t.TempDir(), "monitor.db"), logs: &logBuffer{}}
	w.db = w.open(t)
	if err := w.db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := ended(t, w.projector(w.db)); !errors.Is(err, ErrLogDamaged) {
		t.Fatalf("error %v, want ErrLogDamaged", err)
	}
}

// TestSeveralProjectors run at once, each with a connection of its own.
func TestSeveralProjectors(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var projectors []*Projector
	for range 3 {
		p := w.projector(w.open(t))
		projectors = append(projectors, p)
		running(t, p)
	}
	var last uint64
	for scan := range 6 {
		last = w.story(t, scan, 10)
	}
	w.reached(t, last)
	w.agrees(t)
	for i, p := range projectors {
		if s := p.Status(); s.Error != "" {
			t.Errorf("projector %d: %+v", i, s)
		}
	}
}

// scripted answers some transactions otherwise than the database.
type scripted struct {
	Store
	calls  atomic.Int32
	answer func(call int, apply func() error) error
}

func (s *scripted) Apply(ctx context.Context, b store.Batch) error {
	return s.answer(int(s.calls.Add(1)), func() error { return s.Store.Apply(ctx, b) })
}

// TestTakeOver: who loses the fence stands by while the other moves, and takes
// over when it no longer does.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]func(w *world, b store.Batch) error{
		"the other has done nothing": func(*world, store.Batch) error { return nil },
		"the other has done a part": func(w *world, b store.Batch) error {
			b.New.Seq, b.Looks, b.Outlets = b.Old.Seq+1, nil, nil // a ScanRequested
			return w.db.Apply(context.Background(), b)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			last := w.story(t, 0, 3)
			p := w.projector(&fencedOnce{Store: w.db, other: func(b store.Batch) error { return first(w, b) }})
			begin := time.Now()
			running(t, p)
			until(t, "it stands by", func() bool { return p.Status().StandingBy })
			if detail, err := p.Check(t.Context()); err != nil || !strings.Contains(detail, "standing by") {
				t.Errorf("check %q, %v", detail, err)
			}
			w.reached(t, last)
			if waited := time.Since(begin); waited < quick().TakeOver {
				t.Errorf("it took over after %s, before the checkpoint had lagged for %s", waited, quick().TakeOver)
			}
			w.agrees(t)
			until(t, "it no longer stands by", func() bool { return !p.Status().StandingBy })
		})
	}
}

// fencedOnce is a database that another projector writes first.
type fencedOnce struct {
	Store
	other func(store.Batch) error
	once  atomic.Bool
}

func (f *fencedOnce) Apply(ctx context.Context, b store.Batch) error {
	if f.once.Swap(true) {
		return f.Store.Apply(ctx, b)
	}
	return errors.Join(f.other(b), store.ErrFenced)
}

// TestStandingByWhileTheOtherWorks: a checkpoint that moves, or lags behind
// nothing, is left alone.
func TestStandingByWhileTheOtherWorks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.story(t, 0, 3)
	fenced := &scripted{Store: w.open(t), answer: func(int, func() error) error { return store.ErrFenced }}
	cfg := quick()
	cfg.TakeOver = 2 * time.Second // within which the other writes on a busy machine too
	p := New(cfg, w.Log, fenced, slog.New(slog.NewTextHandler(w.logs, nil)))
	running(t, p)
	until(t, "it stands by", func() bool { return p.Status().StandingBy })
	running(t, w.projector(w.db))
	for scan, begin := 1, time.Now(); time.Since(begin) < 2*cfg.TakeOver; scan++ {
		w.reached(t, w.story(t, scan, 3))
	}
	if n := fenced.calls.Load(); n != 1 || !p.Status().StandingBy {
		t.Errorf("it tried %d times, standing by %t", n, p.Status().StandingBy)
	}
	w.agrees(t)
}

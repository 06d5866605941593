package projector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

func TestTablesFollowTheLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.story(t, 0, 30)
	p := w.projector(w.db)
	stop := running(t, p)
	last := w.story(t, 1, 30)
	w.reached(t, last)
	w.agrees(t)
	until(t, "the status has the checkpoint", func() bool { return p.Status().Checkpoint == w.checkpoint(t) })
	if s := p.Status(); s.Lag() != 0 || s.Error != "" || !s.Running || s.Progress.IsZero() {
		t.Errorf("status %+v", s)
	}
	if detail, err := p.Check(t.Context()); err != nil || !strings.Contains(detail, "0 events behind") {
		t.Errorf("check %q, %v", detail, err)
	}
	outlets, err := w.db.ActiveOutlets(t.Context())
	if err != nil || len(outlets) != 30 {
		t.Errorf("%d outlets, %v", len(outlets), err)
	}
	if err := stop(); err != nil {
		t.Errorf("stopped with %v", err)
	}
	if _, err := p.Check(t.Context()); err == nil {
		t.Error("a stopped projector says it is well")
	}
}

// TestLiveness: an event alone, with nothing behind it, is visible at once.
func TestLiveness(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := quick()
	cfg.BatchWait = time.Hour // it must not wait for a batch to fill
	p := New(cfg, w.Log, w.db, slog.New(slog.DiscardHandler))
	running(t, p)
	for i := range 5 {
		begin := time.Now()
		w.reached(t, w.append(t, observed(fmt.Sprint("scan", i), "OUT001", events.DDrive)))
		t.Logf("visible after %s", time.Since(begin))
	}
	w.agrees(t)
}

// TestQuarantine: what cannot be read is set aside, loudly, and the rest goes
// on.
func TestQuarantine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.append(t, observed("scan-1", "OUT001", events.DDrive))
	w.poison(t)
	last := w.append(t, observed("scan-1", "OUT002", events.DDrive))
	p := w.projector(w.db)
	running(t, p)
	w.reached(t, last)
	w.agrees(t)
	q := w.quarantine(t)
	if len(q) != 1 || q[0].Seq != 2 || string(q[0].Data) != "{" || q[0].Reason == "" {
		t.Fatalf("quarantine %s", text(q))
	}
	until(t, "the status counts it", func() bool { return p.Status().Quarantined == 1 })
	if !w.logs.contains("level=ERROR") {
		t.Error("the quarantine was not loud")
	}
	// A poison event alone moves the checkpoint too.
	w.poison(t)
	w.reached(t, last+1)
}

// TestRestarts stops the projector at any moment, over and over.
func TestRestarts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const scans = 12
	var last uint64
	var before store.Checkpoint
	for scan := range scans {
		cut := &cutting{Store: w.db, at: scan%4 + 1}
		p := w.projector(cut)
		ctx, cancel := context.WithCancel(t.Context())
		cut.cut = cancel
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := p.Run(ctx); err != nil {
				t.Errorf("run: %v", err)
			}
		})
		last = w.story(t, scan, 12)
		cancel()
		wg.Wait()
		if s := p.Status().Error; strings.Contains(s, "in a batch from") {
			t.Fatal(s)
		}
		cp := w.checkpoint(t)
		if cp.Seq < before.Seq || cp.Seq > last {
			t.Fatalf("checkpoint %d after %d in a log of %d", cp.Seq, before.Seq, last)
		}
		before = cp
		w.agrees(t)
	}
	running(t, w.projector(w.db))
	w.reached(t, last)
	w.agrees(t)
}

// cutting ends the projector during its at-th transaction: every other time
// before it begins, else after it is through.
type cutting struct {
	Store
	at, n int
	cut   func()
}

func (c *cutting) Apply(ctx context.Context, b store.Batch) error {
	for _, l := range b.Looks {
		if l.Seq <= b.Old.Seq || l.Seq > b.New.Seq {
			return fmt.Errorf("event %d in a batch from %d to %d", l.Seq, b.Old.Seq, b.New.Seq)
		}
	}
	c.n++
	if c.n == c.at && c.at%2 == 0 {
		c.cut()
		return errors.New("cut before the transaction")
	}
	err := c.Store.Apply(ctx, b)
	if c.n == c.at {
		c.cut()
	}
	return err
}

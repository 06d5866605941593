package rebuild

import (
	"context"
	"fmt"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
	"backupmonitor/services/projector"
)

// batchEvents is how many events are folded in one transaction. Nothing waits
// for them, so that more than a projector takes cost nothing.
const batchEvents = 2000

// Progress tells how far a piece of work is: what is done, and how much of how
// much; total 0 is not known. It is called from one goroutine at a time.
type Progress func(what string, done, total uint64)

// target is a database that a log is folded into.
type target interface {
	Apply(ctx context.Context, b store.Batch) error
}

// folding folds a log into a database that nobody else writes.
type folding struct {
	log      Log
	to       target
	stream   string // what the checkpoint names as the log
	at       uint64 // the last sequence that is folded
	project  func(events.Record) projector.Projection
	progress Progress

	leaving            // where there are tables to compare with
	quarantined uint64 // events that went to the quarantine
}

// unreadable is how many events cannot be read.
func (f *folding) unreadable() uint64 { return f.quarantined - uint64(len(f.left)) }

// until folds the events up to a sequence. One goroutine reads and decodes
// while the other writes.
func (f *folding) until(ctx context.Context, seq uint64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	batches := make(chan store.Batch, 2)
	var failed error // to be read when batches is closed
	go func() {
		defer close(batches)
		failed = f.read(ctx, seq, batches)
	}()
	total := seq
	for b := range batches {
		if err := f.apply(ctx, b); err != nil {
			cancel()
			for range batches { // until the reader has ended
				continue
			}
			return err
		}
		f.progress("reading the log", f.at, total)
	}
	return failed
}

func (f *folding) apply(ctx context.Context, b store.Batch) error {
	b.Old = store.Checkpoint{Stream: f.stream, Seq: f.at}
	if f.at == 0 {
		b.Old = store.Checkpoint{}
	}
	if err := f.to.Apply(ctx, b); err != nil {
		return fmt.Errorf("fold the events up to %d: %w", b.New.Seq, err)
	}
	f.at = b.New.Seq
	f.quarantined += uint64(len(b.Quarantined))
	return nil
}

func (f *folding) read(ctx context.Context, to uint64, batches chan<- store.Batch) error {
	var b store.Batch
	n := 0
	send := func() error {
		select {
		case batches <- b:
			b, n = store.Batch{}, 0
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	err := f.log.Read(ctx, f.at+1, to, func(r events.Record) error {
		p := f.project(r)
		switch {
		case p.Look != nil:
			b.Looks = append(b.Looks, *p.Look)
		case p.Outlet != nil:
			b.Outlets = append(b.Outlets, *p.Outlet)
		case p.Quarantined != nil:
			b.Quarantined = append(b.Quarantined, *p.Quarantined)
		}
		b.New = store.Checkpoint{Stream: f.stream, Seq: r.Seq}
		if n++; n < batchEvents {
			return nil
		}
		return send()
	})
	if err == nil && n > 0 {
		err = send()
	}
	return err
}

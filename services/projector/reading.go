package projector

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/logfile"
	"backupmonitor/services/internal/store"
)

// reading is a feed in a goroutine of its own: what arrives during one
// transaction makes up the next, however few arrive at a time.
type reading struct {
	records chan events.Record // closed at the feed's end
	err     error              // why it ended; to be read after records is closed
	stop    func()             // ends the goroutine and waits for it
}

// feed is where records come from.
type feed interface {
	Next(ctx context.Context) (events.Record, error)
	Stop()
}

// read reads the log from a sequence on; what was archived, before or while it
// is read, comes from the archives. Errors: those of logfile.Read, which pass as
// soon as an operator puts the archives where they belong.
func (p *Projector) read(ctx context.Context, from uint64) (*reading, error) {
	feed, err := logfile.Read(ctx, p.log, p.cfg.Archives, from)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	r := &reading{records: make(chan events.Record, p.cfg.BatchSize)}
	var wg sync.WaitGroup
	wg.Go(func() { r.run(ctx, feed, from) })
	r.stop = func() {
		cancel()
		wg.Wait()
		feed.Stop() // by one goroutine at a time
	}
	return r, nil
}

func (r *reading) run(ctx context.Context, feed feed, due uint64) {
	defer close(r.records)
	for ; ; due++ {
		rec, err := feed.Next(ctx)
		if errors.Is(err, logfile.ErrIncomplete) {
			err = fmt.Errorf("%w: %w", ErrLogDamaged, err)
		}
		if err != nil {
			r.err = err
			return
		}
		// Archives lie before what the log itself gives: no gap is excused here.
		if rec.Seq != due {
			r.err = fmt.Errorf("%w: %d comes where %d is due", ErrLogDamaged, rec.Seq, due)
			return
		}
		select {
		case r.records <- rec:
		case <-ctx.Done():
			r.err = ctx.Err()
			return
		}
	}
}

// ended is why a reading ended: a gap may mean that the log is another by now.
func (p *Projector) ended(ctx context.Context, err error, cp store.Checkpoint) error {
	if errors.Is(err, ErrLogDamaged) {
		if _, verr := p.verify(ctx, cp); verr != nil {
			return verr
		}
	}
	return err
}

// collect waits for the next batch: full, or whatever there is when the log
// has nothing more to give, or when the wait is over. While it waits for the
// first event it checks now and then that the log is still the same.
func (p *Projector) collect(ctx context.Context, r *reading, cp store.Checkpoint) ([]events.Record, error) {
	check := time.NewTicker(p.cfg.CheckEvery)
	defer check.Stop()
	var batch []events.Record
	for len(batch) == 0 {
		select {
		case rec, ok := <-r.records:
			if !ok {
				return nil, p.ended(ctx, r.err, cp)
			}
			batch = append(batch, rec)
		case <-check.C:
			if _, err := p.verify(ctx, cp); err != nil {
				return nil, err
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	wait := time.NewTimer(p.cfg.BatchWait)
	defer wait.Stop()
	for len(batch) < p.cfg.BatchSize {
		select {
		case rec, ok := <-r.records:
			if !ok {
				return batch, nil // the next call says why
			}
			batch = append(batch, rec)
			continue
		default:
		}
		if batch[len(batch)-1].Pending == 0 {
			return batch, nil
		}
		select {
		case rec, ok := <-r.records:
			if !ok {
				return batch, nil
			}
			batch = append(batch, rec)
		case <-wait.C:
			return batch, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return batch, nil
}

package projector

import (
	"context"
	"sync"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// reading is a feed in a goroutine of its own: what arrives during one
// transaction makes up the next, however few arrive at a time.
type reading struct {
	records chan events.Record // closed at the feed's end
	err     error              // why it ended; to be read after records is closed
	stop    func()             // ends the goroutine and waits for it
}

func (p *Projector) read(ctx context.Context, from uint64) (*reading, error) {
	feed, err := p.log.Feed(ctx, events.FeedOptions{From: from})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	r := &reading{records: make(chan events.Record, p.cfg.BatchSize)}
	var wg sync.WaitGroup
	wg.Go(func() { r.run(ctx, feed) })
	r.stop = func() {
		cancel()
		feed.Stop()
		wg.Wait()
	}
	return r, nil
}

func (r *reading) run(ctx context.Context, feed *events.Feed) {
	defer close(r.records)
	for {
		rec, err := feed.Next(ctx)
		if err != nil {
			r.err = err
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
				return nil, r.err
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

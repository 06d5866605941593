package scheduler

import (
	"context"
	"sync"

	"backupmonitor/events"
)

// publishers is how many messages of one scan are on their way at once: each
// waits for its fsync.
const publishers = 64

// beside is what works beside the loop of a run, until its context ends: one
// reader of the log, and the publishers.
type beside struct {
	log      *events.Log
	workers  *sync.WaitGroup
	records  chan events.Record
	failed   chan error
	commands chan events.ProbeCommand
	results  chan result
}

// result is the answer to an offer.
type result struct {
	outlet string
	err    error
}

func newBeside(ctx context.Context, workers *sync.WaitGroup, log *events.Log, feed *events.Feed, outlets int) *beside {
	b := &beside{
		log: log, workers: workers,
		records: make(chan events.Record), failed: make(chan error, 1),
		commands: make(chan events.ProbeCommand), results: make(chan result),
	}
	workers.Go(func() { b.read(ctx, feed) })
	for range min(publishers, outlets) {
		workers.Go(func() { b.offer(ctx) })
	}
	return b
}

func (b *beside) read(ctx context.Context, feed *events.Feed) {
	for {
		record, err := feed.Next(ctx)
		if err != nil {
			b.fail(err)
			return
		}
		select {
		case b.records <- record:
		case <-ctx.Done():
			return
		}
	}
}

func (b *beside) offer(ctx context.Context) {
	for {
		select {
		case c := <-b.commands:
			res := result{outlet: c.Outlet, err: b.log.Command(ctx, c)}
			select {
			case b.results <- res:
			case <-ctx.Done():
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// expire publishes the looks that nobody will make any more. They come back
// through the log like any other.
func (b *beside) expire(ctx context.Context, looks []events.BackupObserved) {
	next := make(chan events.BackupObserved)
	b.workers.Go(func() {
		defer close(next)
		for _, o := range looks {
			select {
			case next <- o:
			case <-ctx.Done():
				return
			}
		}
	})
	for range min(publishers, len(looks)) {
		b.workers.Go(func() {
			for o := range next {
				if _, _, err := b.log.Append(ctx, o); err != nil {
					b.fail(err)
					return
				}
			}
		})
	}
}

// fail tells the loop, once: one reason is enough.
func (b *beside) fail(err error) {
	select {
	case b.failed <- err:
	default:
	}
}

// Package live hands the log to any number of clients: one reader of the log
// for all of them, a bounded queue for each, and a short reading of its own for
// who comes back after an absence.
package live

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"backupmonitor/events"
)

const (
	// queueLength is how far a client may fall behind. Then it is dropped; it
	// resumes by the id of the last event that it has.
	queueLength = 256
	maxReplays  = 32
	// maxReplay is how many events on its subjects a client that was away is caught
	// up with: more than a day of 1,000 outlets.
	maxReplay  = 50_000
	retryFirst = 100 * time.Millisecond
	retryMost  = 5 * time.Second
	// tellEvery is how often the service's log tells of records that cannot be decoded:
	// a flood of them is not to fill a disk with it.
	tellEvery = time.Minute
)

// Errors of the hub.
var (
	// ErrStopped says that the hub has ended.
	ErrStopped = errors.New("the live feed has ended")

	errOtherLog = errors.New("the log was replaced by another one")
)

// Fold is what the hub feeds besides its clients. One goroutine calls it.
type Fold interface {
	// Load prepares for a log, forgets what it knew of another one, and gives
	// the first sequence that it needs to see.
	Load(ctx context.Context, log *events.Log) (from uint64, err error)
	// Apply folds the next record of the log that could be decoded.
	Apply(r events.Record, e events.Event)
}

// Hub reads the log once and hands every event to its clients.
type Hub struct {
	log    *events.Log
	fold   Fold
	logger *slog.Logger
	// watchEvery is how often the hub looks whether the log is still the same.
	watchEvery time.Duration
	// replaying bounds the readers of the log beside the hub's own: the server
	// allows a stream some thousand.
	replaying chan struct{}
	maxReplay uint64
	// undecoded is how many records could not be decoded since the log was told of one.
	// Both are Run's.
	undecoded int
	told      time.Time

	mu       sync.Mutex
	identity string // "" until the hub has caught up with a log
	last     uint64 // sequence of what was handed out last
	ready    chan struct{}
	clients  map[*Client]struct{}
	stopped  bool
}

// NewHub returns a hub; Run has it work.
func NewHub(log *events.Log, fold Fold, logger *slog.Logger) *Hub {
	return &Hub{
		log: log, fold: fold, logger: logger, watchEvery: 5 * time.Second, replaying: make(chan struct{}, maxReplays), maxReplay: maxReplay,
		ready: make(chan struct{}), clients: map[*Client]struct{}{},
	}
}

// Run reads the log until ctx ends, whatever happens to the connection or to
// the log.
func (h *Hub) Run(ctx context.Context) {
	defer h.stop()
	wait := retryFirst
	for ctx.Err() == nil {
		began := time.Now()
		err := h.follow(ctx)
		h.reset()
		if ctx.Err() != nil {
			return
		}
		h.logger.ErrorContext(ctx, "The live feed was interrupted and starts again.", slog.Any("error", err))
		if time.Since(began) > retryMost {
			wait = retryFirst
		}
		pause(ctx, wait)
		wait = min(2*wait, retryMost)
	}
}

// follow reads one incarnation of the log.
func (h *Hub) follow(ctx context.Context) error {
	id, err := h.log.Identity(ctx)
	if err != nil {
		return err
	}
	from, err := h.fold.Load(ctx, h.log)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { h.watch(ctx, id.ID(), cancel) })
	defer watch.Wait()
	defer cancel(nil)

	next := min(from, id.LastSeq+1)
	wait := retryFirst
	for {
		began := next
		next, err = h.read(ctx, id, next)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		h.logger.WarnContext(ctx, "Reading the log for the live feed failed.", slog.Any("error", err))
		if next > began {
			wait = retryFirst
		}
		pause(ctx, wait)
		wait = min(2*wait, retryMost)
	}
}

// read hands out the log from a sequence on until it fails, and gives the
// sequence to go on with. Clients stay: nothing is lost to them.
func (h *Hub) read(ctx context.Context, id events.Identity, next uint64) (uint64, error) {
	feed, err := h.log.Feed(ctx, events.FeedOptions{From: next})
	if err != nil {
		return next, err
	}
	defer feed.Stop()
	// The leader is asked: the server that feeds may not have all of it yet. Where
	// what was last is archived meanwhile, the log's own word on that follows.
	end, err := lastOf(ctx, h.log, nil)
	if err != nil {
		return next, err
	}
	if end < next {
		h.caughtUp(id.ID(), max(id.LastSeq, next-1))
	}
	for {
		r, err := feed.Next(ctx)
		if err != nil {
			return next, err
		}
		next = r.Seq + 1
		h.take(ctx, id.ID(), r)
		if r.Seq >= end {
			h.caughtUp(id.ID(), max(id.LastSeq, r.Seq))
		}
	}
}

// take folds a record and hands it to the clients.
func (h *Hub) take(ctx context.Context, identity string, r events.Record) {
	e, err := r.Decode()
	if err != nil {
		if h.undecoded++; time.Since(h.told) >= tellEvery {
			h.logger.WarnContext(ctx, "An event cannot be decoded; clients do not get it.",
				slog.Uint64("seq", r.Seq), slog.Any("error", err), slog.Int("since_told_last", h.undecoded))
			h.undecoded, h.told = 0, time.Now()
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.last = max(h.last, r.Seq)
		return
	}
	h.fold.Apply(r, e)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = max(h.last, r.Seq)
	if len(h.clients) == 0 {
		return
	}
	f, err := NewFrame(identity, r, e)
	if err != nil {
		h.logger.WarnContext(ctx, "An event cannot be sent to clients.", slog.Uint64("seq", r.Seq), slog.Any("error", err))
		return
	}
	for c := range h.clients {
		if !c.wants(f) {
			continue
		}
		select {
		case c.queue <- f:
		default:
			h.drop(c)
		}
	}
}

// watch ends the reading when the log is no longer the one that was opened: a
// reader of a log that was made anew would wait for a sequence far ahead.
func (h *Hub) watch(ctx context.Context, identity string, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(h.watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		_, last := h.Position() // before asking: it grows meanwhile
		id, err := h.log.Identity(ctx)
		if err != nil {
			continue // no answer is no answer; readiness tells of it
		}
		if id.ID() != identity || id.LastSeq < last {
			cancel(fmt.Errorf("%w: it was %s and is %s", errOtherLog, identity, id.ID()))
			return
		}
	}
}

// Position is the identity of the log and the sequence handed out last; the
// identity is "" before the hub has caught up.
func (h *Hub) Position() (identity string, last uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.identity, h.last
}

func (h *Hub) caughtUp(identity string, last uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = max(h.last, last)
	if h.identity == "" {
		h.identity = identity
		close(h.ready)
	}
}

// reset drops every client, because what they hold belongs to another log.
func (h *Hub) reset() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.clients {
		h.drop(c)
	}
	h.last = 0
	if h.identity != "" {
		h.identity = ""
		h.ready = make(chan struct{})
	}
}

func (h *Hub) stop() {
	h.reset()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopped = true
	close(h.ready)
}

// Ready waits until the hub has caught up with the log. Errors: ErrStopped,
// ctx's.
func (h *Hub) Ready(ctx context.Context) error {
	for {
		h.mu.Lock()
		ready, stopped, done := h.ready, h.stopped, h.identity != ""
		h.mu.Unlock()
		switch {
		case stopped:
			return ErrStopped
		case done:
			return nil
		}
		select {
		case <-ready:
		case <-ctx.Done():
			return fmt.Errorf("wait for the live feed: %w", ctx.Err())
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

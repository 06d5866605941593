// Package answers keeps what was made of the tables for as long as the tables
// have not changed, so that many who ask the same at once cost as much as one.
package answers

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"time"

	"backupmonitor/services/internal/store"
)

const (
	// freshFor is after which time an answer is made anew although the
	// checkpoint stands: a rebuild, or somebody by hand, changes tables without
	// moving it.
	freshFor = 2 * time.Second
	// flights is how many answers are being made at once.
	flights = 4
	// maxKept is how many answers are kept at most: some more than there are days
	// that anybody pages through.
	maxKept = 256
)

// ErrTooMany says that too many other answers are being made: whoever asks has
// to do without the cache.
var ErrTooMany = errors.New("too many answers are being made")

// Answer is what is kept: Value was read from the tables when they were at
// Checkpoint or later. Size is what it counts for; one of size 0 is given to who
// asked, and not kept.
type Answer[V any] struct {
	Value      V
	Checkpoint store.Checkpoint
	Size       int
}

// Cache keeps answers by what was asked. Their sizes together stay within a
// bound; what was asked for longest ago goes first.
type Cache[K comparable, V any] struct {
	most  int
	now   func() time.Time
	turns chan struct{}

	mu      sync.Mutex
	entries map[K]*entry[V]
	order   *list.List // of the keys of those that have an answer, the one used last in front
	size    int        // of these together
}

type entry[V any] struct {
	answer   Answer[V]
	has      bool
	made     time.Time
	place    *list.Element // in the order; nil: it has no answer
	flight   chan struct{} // closed when the answer being made is there; nil: none is
	failed   error         // of the last flight
	flighted uint64        // counts flights
}

// New returns a cache of answers whose sizes are at most the given together.
func New[K comparable, V any](most int, now func() time.Time) *Cache[K, V] {
	return &Cache[K, V]{most: most, now: now, turns: make(chan struct{}, flights), entries: map[K]*entry[V]{}, order: list.New()}
}

// Get is the answer to what is asked, of tables that are at least at the
// checkpoint which whoever asks has seen. Where there is none, produce makes it;
// of many who ask at once one does. It reads the checkpoint first and the
// tables then. Errors: produce's, ErrTooMany, ctx's.
func (c *Cache[K, V]) Get(ctx context.Context, key K, seen store.Checkpoint, produce func(context.Context) (Answer[V], error)) (V, error) {
	for {
		c.mu.Lock()
		e := c.entry(key)
		fresh := e.has && c.now().Sub(e.made) < freshFor
		// One that only may have become old is given to all but the one who
		// makes it anew.
		if e.has && covers(e.answer.Checkpoint, seen) && (fresh || e.flight != nil) {
			v := e.answer.Value
			c.mu.Unlock()
			return v, nil
		}
		if e.flight == nil {
			return c.fly(ctx, key, e, produce) // unlocks
		}
		flight, number := e.flight, e.flighted
		c.mu.Unlock()
		select {
		case <-flight:
		case <-ctx.Done():
			var none V
			return none, ctx.Err()
		}
		if err := c.failure(e, number); err != nil {
			var none V
			return none, err
		}
	}
}

// covers tells whether tables at one checkpoint hold all that those at another
// do.
func covers(at, seen store.Checkpoint) bool { return at.Stream == seen.Stream && at.Seq >= seen.Seq }

// failure is the error of a flight that others waited for. That the one who
// made it has left is no answer to them.
func (c *Cache[K, V]) failure(e *entry[V], number uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.flighted != number || errors.Is(e.failed, context.Canceled) || errors.Is(e.failed, context.DeadlineExceeded) {
		return nil
	}
	return e.failed
}

// fly makes an answer. It is called with the lock held and gives it back.
func (c *Cache[K, V]) fly(ctx context.Context, key K, e *entry[V], produce func(context.Context) (Answer[V], error)) (v V, err error) {
	select {
	case c.turns <- struct{}{}:
	default:
		c.forgetEmpty(key, e)
		c.mu.Unlock()
		return v, ErrTooMany
	}
	e.flight = make(chan struct{})
	e.flighted++
	c.mu.Unlock()
	a, err := Answer[V]{}, errors.New("making the answer panicked")
	defer func() {
		<-c.turns
		c.land(key, e, a, err)
	}()
	a, err = produce(ctx)
	return a.Value, err
}

// land ends a flight.
func (c *Cache[K, V]) land(key K, e *entry[V], a Answer[V], err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(e.flight)
	e.flight, e.failed = nil, err
	if err == nil {
		c.keep(key, e, a)
	}
	c.forgetEmpty(key, e)
}

// forgetEmpty forgets an entry that holds nothing and that nobody makes.
func (c *Cache[K, V]) forgetEmpty(key K, e *entry[V]) {
	if !e.has && e.flight == nil && c.entries[key] == e {
		delete(c.entries, key)
	}
}

// entry is that of the key, used now.
func (c *Cache[K, V]) entry(key K) *entry[V] {
	e, ok := c.entries[key]
	if !ok {
		e = &entry[V]{}
		c.entries[key] = e
	}
	if e.has {
		c.order.MoveToFront(e.place)
	}
	return e
}

// keep puts what was made in the place of what there was, and at the front. What
// counts for nothing is not kept.
func (c *Cache[K, V]) keep(key K, e *entry[V], a Answer[V]) {
	c.drop(e)
	if a.Size <= 0 {
		return
	}
	e.answer, e.has, e.made = a, true, c.now()
	e.place = c.order.PushFront(key)
	c.size += a.Size
	for c.size > c.most || c.order.Len() > maxKept {
		oldest := c.order.Back().Value.(K)
		last := c.entries[oldest]
		c.drop(last)
		c.forgetEmpty(oldest, last)
	}
}

// drop lets go of an answer; who makes another one meanwhile goes on.
func (c *Cache[K, V]) drop(e *entry[V]) {
	if !e.has {
		return
	}
	c.order.Remove(e.place)
	c.size -= e.answer.Size
	e.answer, e.has, e.place = Answer[V]{}, false, nil
}

// Package throttle holds back who tries too often: a burst at first, then one
// try each so often, counted by key in this process alone.
package throttle

import (
	"container/list"
	"sync"
	"time"
)

// Limit is how often one key may try.
type Limit struct {
	Burst int           // tries that may come at once
	Every time.Duration // after which another one may come
}

// Throttle counts tries by key. Its memory is bounded: of more keys than it may
// hold it forgets the one that tried longest ago.
type Throttle struct {
	limit Limit
	most  int
	now   func() time.Time

	mu   sync.Mutex
	keys map[string]*list.Element
	used *list.List // of *bucket, the one used last in front
}

type bucket struct {
	key  string
	left float64
	at   time.Time // when left was brought up to date
}

// New returns a throttle of at most the given number of keys.
func New(l Limit, most int, now func() time.Time) *Throttle {
	return &Throttle{limit: l, most: max(most, 1), now: now, keys: map[string]*list.Element{}, used: list.New()}
}

// Take counts a try. It gives 0 where the key may go on, else how long it has
// to wait; a try that has to wait is not counted.
func (t *Throttle) Take(key string) (wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.bucket(key)
	if b.left < 1 {
		return time.Duration((1 - b.left) * float64(t.limit.Every))
	}
	b.left--
	return 0
}

// mostOwed is how many bursts a key can owe: whoever shares it with somebody who made
// all they could waits no longer than that.
const mostOwed = 5

// Owe counts so many tries, whether or not the key may make them. It gives how long
// the key has to wait until it might have.
func (t *Throttle) Owe(key string, tries int) (wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.bucket(key)
	b.left = max(b.left-float64(tries), -mostOwed*float64(t.limit.Burst))
	return time.Duration(max(-b.left, 0) * float64(t.limit.Every))
}

// Give takes a counted try back, as of somebody who had a right to it.
func (t *Throttle) Give(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.bucket(key)
	b.left = min(b.left+1, float64(t.limit.Burst))
}

// bucket is the key's, brought up to date. The caller holds the lock.
func (t *Throttle) bucket(key string) *bucket {
	now := t.now()
	if e, ok := t.keys[key]; ok {
		t.used.MoveToFront(e)
		b := e.Value.(*bucket)
		if passed := now.Sub(b.at); passed > 0 {
			b.left = min(float64(t.limit.Burst), b.left+float64(passed)/float64(t.limit.Every))
			b.at = now
		}
		return b
	}
	if len(t.keys) >= t.most {
		oldest := t.used.Back()
		t.used.Remove(oldest)
		delete(t.keys, oldest.Value.(*bucket).key)
	}
	b := &bucket{key: key, left: float64(t.limit.Burst), at: now}
	t.keys[key] = t.used.PushFront(b)
	return b
}

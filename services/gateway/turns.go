package gateway

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	// listsPerCaller is how many lists one caller has made at once, and
	// replaysPerCaller how many readings of the log for their streams.
	listsPerCaller   = 2
	replaysPerCaller = 2
	// uploadsPerCaller is how many large bodies of a caller's are read at once.
	uploadsPerCaller = 8
	// turnWait is how long a caller waits for others of their own requests.
	turnWait = 3 * time.Second

	// longParts is how many parts of long lists are read from the database at
	// once, for all callers together: half of the readers that SQLite has, so that
	// no short list waits for a long one.
	longParts = 2
	// partWait is how long a long list waits for its next part: that of a hundred
	// others and more.
	partWait = 30 * time.Second
)

// turns bounds what is done at once, for each caller and for all of them. Whoever
// waits goes before everybody who has more turns already, and among equals in the
// order in which they came: what one caller asks for holds up others by no more
// than their own share.
type turns struct {
	each, all int           // all 0: any number
	patience  time.Duration // how long to wait for a turn
	refusal   problem       // for who waited in vain

	mu      sync.Mutex
	taken   int
	callers map[string]int // turns taken; a caller without any is not there
	waiting []*waiter      // in the order in which they came
}

type waiter struct {
	caller string
	turn   chan struct{} // closed when it is theirs
}

func newTurns(each, all int, patience time.Duration, refusal problem) *turns {
	refusal.retryAfter = turnWait
	return &turns{each: each, all: all, patience: patience, refusal: refusal, callers: map[string]int{}}
}

func ownLists() *turns {
	return newTurns(listsPerCaller, 0, turnWait, problem{
		status: http.StatusTooManyRequests, message: "Other lists are being made for you. Try again when they are there.",
	})
}

func ownReplays() *turns {
	return newTurns(replaysPerCaller, 0, turnWait, problem{
		status: http.StatusTooManyRequests, message: "Other streams of yours are still catching up. Try again in a moment.",
	})
}

func ownUploads() *turns {
	return newTurns(uploadsPerCaller, 0, turnWait, problem{
		status: http.StatusTooManyRequests, message: "Other requests of yours are still being read. Try again when they are done.",
	})
}

func partsOfLongLists() *turns {
	return newTurns(longParts, longParts, partWait, problem{
		status: http.StatusServiceUnavailable, message: "Too many long lists are being made. Choose fewer days, or try again later.",
	})
}

// take waits for a turn of the caller's. Whoever has one gives it back. Errors:
// a problem where none comes in time; ctx's.
func (t *turns) take(ctx context.Context, caller string) (back func(), err error) {
	w := &waiter{caller: caller, turn: make(chan struct{})}
	t.mu.Lock()
	t.waiting = append(t.waiting, w)
	t.next()
	t.mu.Unlock()
	patience := time.NewTimer(t.patience)
	defer patience.Stop()
	select {
	case <-w.turn:
		return func() { t.give(caller) }, nil
	case <-patience.C:
		refusal := t.refusal
		err = &refusal
	case <-ctx.Done():
		err = ctx.Err()
	}
	if !t.leave(w) {
		t.give(caller) // it came meanwhile
	}
	return nil, err
}

func (t *turns) give(caller string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.taken--
	if t.callers[caller]--; t.callers[caller] == 0 {
		delete(t.callers, caller)
	}
	t.next()
}

// leave tells whether w was still waiting.
func (t *turns) leave(w *waiter) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.Index(t.waiting, w)
	if i < 0 {
		return false
	}
	t.waiting = slices.Delete(t.waiting, i, i+1)
	return true
}

// next gives out what turns there are; the caller holds the lock.
func (t *turns) next() {
	for t.all == 0 || t.taken < t.all {
		first := -1
		for i, w := range t.waiting {
			has := t.callers[w.caller]
			if has < t.each && (first < 0 || has < t.callers[t.waiting[first].caller]) {
				first = i
			}
		}
		if first < 0 {
			return
		}
		w := t.waiting[first]
		t.waiting = slices.Delete(t.waiting, first, first+1)
		t.taken++
		t.callers[w.caller]++
		close(w.turn)
	}
}

// ofCaller are turns that one caller takes; it implements store.Turns.
type ofCaller struct {
	turns  *turns
	caller string
}

// Take implements store.Turns.
func (o *ofCaller) Take(ctx context.Context) (back func(), err error) {
	return o.turns.take(ctx, o.caller)
}

package scheduler

import (
	"container/heap"
	"time"

	"backupmonitor/events"
)

const (
	offerFirst = 50 * time.Millisecond
	// offerMost is long, because every command ends with a look, which brings the next
	// offer forward: what is behind others, while nobody looks, costs next to nothing.
	offerMost = 15 * time.Second
)

// offers is the list of outlets to be offered to the probers, and when. An
// outlet that is refused, because it has a command already, is offered again
// 50 ms later, then ever more slowly up to 15 s, and from 50 ms again after each
// look at it. It is not safe for concurrent use.
type offers struct {
	waiting waiting
	byKey   map[string]*offer
}

type offer struct {
	outlet string
	due    time.Time
	pause  time.Duration // until the next try, if this one is refused
	index  int           // in waiting, -1 while it is with a publisher
	looked bool          // a look was seen while it was with a publisher
}

func newOffers(outlets []string, now time.Time) *offers {
	o := &offers{byKey: make(map[string]*offer, len(outlets))}
	for i, outlet := range outlets {
		of := &offer{outlet: outlet, due: now, pause: offerFirst, index: i}
		o.byKey[events.Key(outlet)] = of
		o.waiting = append(o.waiting, of) // all due now: a heap as it stands
	}
	return o
}

// peek is the outlet to be offered next, and when; false where none waits.
func (o *offers) peek() (outlet string, due time.Time, ok bool) {
	if len(o.waiting) == 0 {
		return "", time.Time{}, false
	}
	return o.waiting[0].outlet, o.waiting[0].due, true
}

// take removes what peek shows: it is with a publisher now, until accepted or
// refused says otherwise.
func (o *offers) take() { heap.Pop(&o.waiting) }

// drop removes an outlet for good: it was accepted, or needs nothing any more.
func (o *offers) drop(outlet string) {
	key := events.Key(outlet)
	of, ok := o.byKey[key]
	if !ok {
		return
	}
	delete(o.byKey, key)
	if of.index >= 0 {
		heap.Remove(&o.waiting, of.index)
	}
}

// refused puts an outlet back.
func (o *offers) refused(outlet string, now time.Time) {
	of, ok := o.byKey[events.Key(outlet)]
	if !ok || of.index >= 0 {
		return
	}
	if of.looked {
		of.looked, of.pause = false, offerFirst
	}
	of.due = now.Add(of.pause)
	of.pause = min(2*of.pause, offerMost)
	heap.Push(&o.waiting, of)
}

// looked says that a look at the outlet has been seen: whatever command it
// had will be gone soon.
func (o *offers) looked(outlet string, now time.Time) {
	of, ok := o.byKey[events.Key(outlet)]
	switch {
	case !ok:
	case of.index < 0:
		of.looked = true
	default:
		of.due, of.pause = now.Add(offerFirst), 2*offerFirst
		heap.Fix(&o.waiting, of.index)
	}
}

// waiting is a heap by due time.
type waiting []*offer

func (w waiting) Len() int           { return len(w) }
func (w waiting) Less(i, j int) bool { return w[i].due.Before(w[j].due) }

func (w waiting) Swap(i, j int) {
	w[i], w[j] = w[j], w[i]
	w[i].index, w[j].index = i, j
}

// Push implements heap.Interface.
func (w *waiting) Push(x any) {
	of := x.(*offer)
	of.index = len(*w)
	*w = append(*w, of)
}

// Pop implements heap.Interface.
func (w *waiting) Pop() any {
	last := len(*w) - 1
	of := (*w)[last]
	*w, of.index = (*w)[:last], -1
	return of
}

package store

import "time"

// SearchSequence is the last sequence of the history that was stored by t, 0
// without one: a binary search, because the log stores its events one after
// the other. last is the last sequence that there is; next gives the first one
// from another on, which must not be after last.
func SearchSequence(last uint64, t time.Time, next func(from uint64) (seq uint64, stored time.Time, err error)) (uint64, error) {
	// Every look up to found was stored by t, and none from low on is known to be.
	found, low, high := uint64(0), uint64(1), last
	for low <= high {
		middle := low + (high-low)/2
		seq, stored, err := next(middle)
		if err != nil {
			return 0, err
		}
		if stored.After(t) {
			high = middle - 1
		} else {
			found, low = seq, seq+1
		}
	}
	return found, nil
}

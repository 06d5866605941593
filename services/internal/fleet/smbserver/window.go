package smbserver

// window is the set of message ids the client may still use, [MS-SMB2] 3.3.1.1: everything in [low, high) but used.
type window struct {
	low, high uint64
	used      map[uint64]struct{}
}

// How many credits a client may hold, and how far it may run ahead of an id it left unused.
const (
	maxCredits   = 512
	maxUsedAhead = 8192
)

func newWindow() window {
	return window{high: 1, used: map[uint64]struct{}{}}
}

// take uses up the ids of one request; false if one of them was not the client's to use.
func (w *window) take(id uint64, charge uint16) bool {
	n := uint64(max(1, charge))
	if id < w.low || id >= w.high || n > w.high-id || len(w.used)+int(n) > maxUsedAhead {
		return false
	}
	for i := id; i < id+n; i++ {
		if _, again := w.used[i]; again {
			return false
		}
	}
	for i := id; i < id+n; i++ {
		w.used[i] = struct{}{}
	}
	for {
		if _, ok := w.used[w.low]; !ok {
			return true
		}
		delete(w.used, w.low)
		w.low++
	}
}

// grant answers a request for credits: as many as asked for within the limit, and never none to a client that would
// be left without any.
func (w *window) grant(asked uint16) uint16 {
	held := int(w.high-w.low) - len(w.used)
	n := min(max(1, int(asked)), maxCredits-held)
	n = max(0, n)
	w.high += uint64(n)
	return uint16(n)
}

package gateway

import (
	"sync"
	"time"
)

// inFlight counts the requests that are being handled. http.Server.Close does
// not wait for them.
type inFlight struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // made by wait, closed when none is left
}

// begin is false when no more may begin.
func (f *inFlight) begin() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.idle != nil {
		return false
	}
	f.n++
	return true
}

func (f *inFlight) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n--; f.n == 0 && f.idle != nil {
		close(f.idle)
	}
}

// wait lets no more begin, and waits until those that have begun have ended,
// for a time. It gives how many have not. It is called once.
func (f *inFlight) wait(most time.Duration) (left int) {
	f.mu.Lock()
	f.idle = make(chan struct{})
	if f.n == 0 {
		close(f.idle)
	}
	f.mu.Unlock()
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-f.idle:
	case <-timer.C:
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n
}

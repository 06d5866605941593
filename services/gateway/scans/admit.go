package scans

import (
	"backupmonitor/events"
	"backupmonitor/services/internal/scan"
)

// Admit tells whether a caller may ask for one more scan: whether fewer than most
// of theirs are open. The scan counts from now on, before the log has it, so that
// requests at the same time count each other; what other gateways ask for counts
// when it has been read from the log. Whoever is admitted and then cannot ask calls
// Withdraw.
func (t *Tracker) Admit(r events.ScanRequested, most int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	caller, open := scan.Caller(r), 0
	count := func(other events.ScanRequested) {
		// One that nobody ended in time does not count: no scheduler works on it.
		if scan.Caller(other) == caller && t.now().Before(other.Deadline) {
			open++
		}
	}
	for _, e := range t.scans {
		if e.completed == nil {
			count(e.requested)
		}
	}
	for _, other := range t.asked {
		count(other.ScanRequested)
	}
	if open >= most {
		return false
	}
	t.asked[r.ScanID] = asked{r, t.asked[r.ScanID].times + 1}
	return true
}

// asked is a scan that was admitted and that the log does not have yet.
type asked struct {
	events.ScanRequested
	times int // by as many, of whom the log takes one
}

// Withdraw says that one who was admitted does not ask for the scan.
func (t *Tracker) Withdraw(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a := t.asked[id]; a.times > 1 {
		a.times--
		t.asked[id] = a
		return
	}
	delete(t.asked, id)
}

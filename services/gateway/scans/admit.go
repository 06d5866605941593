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
		count(other)
	}
	if open >= most {
		return false
	}
	t.asked[r.ScanID] = r
	return true
}

// Withdraw forgets a scan that was admitted and is not asked for.
func (t *Tracker) Withdraw(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.asked, id)
}

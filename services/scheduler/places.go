package scheduler

import "backupmonitor/services/internal/scan"

const (
	// maxRunning is how many scans one scheduler runs at once. Each holds a
	// consumer on the server, which allows 1000 on a stream.
	maxRunning = 200
	// maxOfCaller is how many of them are one caller's at most. As many are kept
	// for the schedule, whoever else asks.
	maxOfCaller = 20
)

// places are the scans that run, by who asked for them. They are shared out so
// that nobody's scans wait behind another caller's queue. It is not safe for
// concurrent use.
type places struct {
	taken map[string]int // by scan.Caller; a caller without any is not there
	asked int            // of all callers but the schedule
}

func newPlaces() places { return places{taken: map[string]int{}} }

// take tells whether there was a place for the caller. Whoever got one gives it
// back.
func (p *places) take(caller string) bool {
	byHand := caller != scan.CallerSchedule
	if p.taken[caller] >= maxOfCaller || byHand && p.asked >= maxRunning-maxOfCaller {
		return false
	}
	p.taken[caller]++
	if byHand {
		p.asked++
	}
	return true
}

func (p *places) give(caller string) {
	if p.taken[caller]--; p.taken[caller] == 0 {
		delete(p.taken, caller)
	}
	if caller != scan.CallerSchedule {
		p.asked--
	}
}

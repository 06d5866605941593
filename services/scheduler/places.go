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
// that nobody's scans wait behind another caller's queue, and so that scans that are
// attached to another, and wait for it, leave places to those that wait for none: in
// whatever order requests come, as after a restart, what is waited for can run. It
// is not safe for concurrent use.
type places struct {
	taken map[string]share // by scan.Caller; a caller without any is not there
	asked share            // of all callers but the schedule
}

// share is how many places are taken, and how many of them by attached scans.
type share struct{ all, attached int }

func (s share) plus(all, attached int) share { return share{s.all + all, s.attached + attached} }

func newPlaces() places { return places{taken: map[string]share{}} }

// take tells whether there was a place for the caller. Whoever got one gives it
// back.
func (p *places) take(caller string) bool {
	if p.taken[caller].all >= maxOfCaller || byHand(caller) && p.asked.all >= maxRunning-maxOfCaller {
		return false
	}
	p.add(caller, 1, 0)
	return true
}

// attach tells whether a scan that has a place may keep it now that it is known to
// be attached to another.
func (p *places) attach(caller string) bool {
	if p.taken[caller].attached >= maxOfCaller-1 || byHand(caller) && p.asked.attached >= maxRunning-2*maxOfCaller {
		return false
	}
	p.add(caller, 0, 1)
	return true
}

func (p *places) give(caller string, attached bool) {
	if attached {
		p.add(caller, 0, -1)
	}
	p.add(caller, -1, 0)
}

func (p *places) add(caller string, all, attached int) {
	if p.taken[caller] = p.taken[caller].plus(all, attached); p.taken[caller] == (share{}) {
		delete(p.taken, caller)
	}
	if byHand(caller) {
		p.asked = p.asked.plus(all, attached)
	}
}

func byHand(caller string) bool { return caller != scan.CallerSchedule }

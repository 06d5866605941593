package audit

import (
	"maps"
	"strconv"
	"sync"
	"time"

	"backupmonitor/events"
)

// Of what strangers cause a burst, and then one each so often, is kept.
const (
	strangersBurst = 30
	strangersEvery = 10 * time.Second
)

type ration struct {
	now func() time.Time

	mu         sync.Mutex
	budget     float64
	counted    time.Time // when budget was brought up to date
	suppressed int
}

func newRation(now func() time.Time) *ration {
	return &ration{now: now, budget: strangersBurst, counted: now()}
}

// take counts an event against the budget. One that is kept tells how many
// before it were not.
func (r *ration) take(e events.Audited) (events.Audited, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if passed := now.Sub(r.counted); passed > 0 {
		r.budget = min(strangersBurst, r.budget+passed.Seconds()/strangersEvery.Seconds())
		r.counted = now
	}
	if r.budget < 1 {
		r.suppressed++
		return e, false
	}
	r.budget--
	if r.suppressed > 0 {
		e.Details = maps.Clone(e.Details)
		if e.Details == nil {
			e.Details = map[string]string{}
		}
		e.Details["notRecordedBefore"] = strconv.Itoa(r.suppressed)
		r.suppressed = 0
	}
	return e, true
}

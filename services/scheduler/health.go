package scheduler

import (
	"context"
	"errors"
	"fmt"
	"time"

	"backupmonitor/events"
)

// Check tells, for readiness, how many scans run here, how far they are, and
// when the schedule starts the next. The error says what keeps the scheduler
// from taking requests, or what the last run of a scan failed with. It asks nobody and may be called at any time.
func (s *Scheduler) Check(context.Context) (detail string, err error) {
	select {
	case <-s.ready:
	default:
		return "starting", errors.New("the outlets file and the first settings are not in the log yet")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var sum events.ModeCount
	for _, r := range s.running {
		if shown := r.shown.Load(); shown != nil {
			sum.Total += shown.Total
			sum.Successful += shown.Successful
			sum.Failed += shown.Failed
		}
	}
	switch n := len(s.running); n {
	case 0:
		detail = "no scan running"
	case 1:
		detail = fmt.Sprintf("1 scan running, %d of %d looks", sum.Completed(), sum.Total)
	default:
		detail = fmt.Sprintf("%d scans running, %d of %d looks", n, sum.Completed(), sum.Total)
	}
	if s.next.IsZero() {
		detail += "; nothing scheduled"
	} else {
		detail += "; next one scheduled for " + s.next.UTC().Format(time.RFC3339)
	}
	return detail, errors.Join(s.fault, s.runFault)
}

package scheduler

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"backupmonitor/events"
	"backupmonitor/services/internal/scan"
)

// TestHopeless: what may pass is waited for while there is time, and where the
// scan has started always: its looks expire.
func TestHopeless(t *testing.T) {
	t.Parallel()
	deadline := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	passing := errors.New("no answer")
	for name, c := range map[string]struct {
		err     error
		after   time.Duration // the deadline
		started bool
		want    bool
	}{
		"in time":              {passing, -time.Hour, false, false},
		"looks may be on":      {passing, time.Minute, false, false},
		"long past the end":    {passing, 10 * time.Minute, false, true},
		"started":              {passing, 10 * time.Minute, true, false},
		"too large":            {fmt.Errorf("start: %w", nats.ErrMaxPayload), -time.Hour, false, true},
		"too large, started":   {fmt.Errorf("start: %w", nats.ErrMaxPayload), -time.Hour, true, true},
		"unreadable":           {fmt.Errorf("start: %w", events.ErrMalformed), -time.Hour, false, true},
		"a full log, in time":  {events.ErrFull, -time.Hour, false, false},
		"a full log, too late": {events.ErrFull, time.Hour, false, true},
	} {
		s := &Scheduler{cfg: Config{ProbeTimeout: time.Minute, Now: func() time.Time { return deadline.Add(c.after) }}}
		r := &run{Scheduler: s, req: request{ScanRequested: events.ScanRequested{Deadline: deadline}}}
		if c.started {
			r.progress = scan.NewProgress(events.ScanStarted{})
		}
		if why := r.hopeless(c.err); (why != "") != c.want {
			t.Errorf("%s: hopeless because %q", name, why)
		}
	}
}

package verdict

import (
	"fmt"
	"time"

	"backupmonitor/events"
)

// Tolerance is how far after the cutoff a file may lie on the day itself and
// still count: a backup that ends while the look runs, a clock set meanwhile.
const Tolerance = time.Hour

// Clock is what a look learnt about the server's clock. The zero value is a
// server that sent none.
type Clock struct {
	Server time.Time     // its SystemTime, UTC; [MS-SMB2] 2.2.4
	Skew   time.Duration // the server's clock minus ours
}

// Known tells whether the server sent its clock.
func (c Clock) Known() bool { return !c.Server.IsZero() }

// Today tells whether a look that began at the given instant was made on the
// scan date itself, in zone.
func Today(scanDate events.Date, began time.Time, zone *time.Location) bool {
	return events.DateOf(began, zone) == scanDate
}

// Cutoff is the instant, in the server's clock and UTC, that the age of a
// backup is measured from: on the day itself the server's time (ours, where it
// sent none), for a back-dated look the end of the scan date in zone, moved by
// the skew. The error says that scanDate is no date.
func Cutoff(scanDate events.Date, began time.Time, zone *time.Location, c Clock) (time.Time, error) {
	if Today(scanDate, began, zone) {
		if c.Known() {
			return c.Server.UTC(), nil
		}
		return began.UTC(), nil
	}
	_, end, err := scanDate.Bounds(zone)
	if err != nil {
		return time.Time{}, fmt.Errorf("cutoff: %w", err)
	}
	return end.Add(c.Skew).UTC(), nil
}

// Limit is the last instant at which a file still counts: the cutoff and
// Tolerance on the day itself, the cutoff alone for a back-dated look, because
// the next night's backup is not that day's.
func Limit(cutoff time.Time, today bool) time.Time {
	if today {
		return cutoff.Add(Tolerance)
	}
	return cutoff
}

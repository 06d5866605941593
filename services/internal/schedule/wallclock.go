package schedule

import "time"

// instants are when the clocks of a zone show a wall time, given as if it were
// UTC: one instant; two where the clocks go back over it; and where they go
// forward over it, so that it never shows, the instant of the change.
func instants(wall time.Time, zone *time.Location) (first, second time.Time) {
	t := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, zone)
	start, end := t.ZoneBounds()
	if shown := asUTC(t); shown.After(wall) {
		return start, time.Time{}
	} else if shown.Before(wall) {
		return end, time.Time{}
	}
	if !start.IsZero() {
		if earlier := wall.Add(-offset(start.Add(-1))).In(zone); asUTC(earlier).Equal(wall) && earlier.Before(start) {
			return earlier, t
		}
	}
	if !end.IsZero() {
		if later := wall.Add(-offset(end)).In(zone); asUTC(later).Equal(wall) && !later.Before(end) {
			return t, later
		}
	}
	return t, time.Time{}
}

// asUTC is what the clocks show at t, as if it were UTC.
func asUTC(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

func offset(t time.Time) time.Duration {
	_, seconds := t.Zone()
	return time.Duration(seconds) * time.Second
}

// Package schedule says when scans start by themselves: the slots of a
// schedule, in a time zone whose clocks may change.
package schedule

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"backupmonitor/events"
)

const (
	minute = 60
	day    = 24 * 60 * minute // of the clock on the wall, whatever the sun does

	// MinInterval is the shortest interval between two scans.
	MinInterval = time.Minute
)

// Check tells why a schedule cannot be. The hours may reach over midnight
// (from 22:00 to 04:00): they then belong to the day on which they begin.
func Check(s events.Schedule) error {
	if s.IntervalSeconds == 0 {
		return nil
	}
	if s.IntervalSeconds < int64(MinInterval/time.Second) || s.IntervalSeconds > day {
		return fmt.Errorf("the interval is %d seconds: use 60 to 86400, or 0 for never", s.IntervalSeconds)
	}
	if _, _, err := hours(s); err != nil {
		return err
	}
	if len(s.Days) == 0 {
		return errors.New("no day is active: name days 0 (Sunday) to 6, or set the interval to 0 for never")
	}
	for _, d := range s.Days {
		if d < 0 || d > 6 {
			return fmt.Errorf("day %d is none: use 0 (Sunday) to 6 (Saturday)", d)
		}
	}
	return nil
}

// Next is the first slot after an instant; false where there is none, because
// the schedule says never or cannot be.
//
// Slots stand on the wall clock: each active day at From, and every interval
// after it while before To. Where the clocks go forward, the slots of the hour
// that does not exist fall together into one, at the instant of the change.
// Where they go back, the slots of the hour that comes twice take place the
// first time; and a second time only where the interval is no longer than the
// repeat, so that nothing stays unwatched for longer than before.
func Next(s events.Schedule, after time.Time, zone *time.Location) (time.Time, bool) {
	return search(s, after, zone, 1, func(best, slot time.Time) bool {
		return slot.After(after) && (best.IsZero() || slot.Before(best))
	})
}

// Last is the last slot at or before an instant, at most some ten days old; false
// where there is none, because the schedule says never or cannot be.
func Last(s events.Schedule, now time.Time, zone *time.Location) (time.Time, bool) {
	return search(s, now, zone, -1, func(best, slot time.Time) bool {
		return !slot.After(now) && slot.After(best)
	})
}

// Current is the slot that a scheduler which was away should still make up
// for: the last one at or before now, while its interval has not passed and
// its active hours last. False where there is none.
func Current(s events.Schedule, now time.Time, zone *time.Location) (time.Time, bool) {
	slot, ok := Last(s, now, zone)
	if !ok || now.Sub(slot) >= time.Duration(s.IntervalSeconds)*time.Second || !active(s, now, zone) {
		return time.Time{}, false
	}
	return slot, true
}

// search goes day by day from that of an instant into one direction until a
// day has a better slot, and one day on, because hours may reach over midnight.
func search(
	s events.Schedule, from time.Time, zone *time.Location, step int, better func(best, slot time.Time) bool,
) (best time.Time, found bool) {
	if s.IntervalSeconds <= 0 || Check(s) != nil {
		return best, false
	}
	local := from.In(zone)
	today := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, time.UTC)
	// Ten days: the week, one on each side, and one that the calendar of a
	// zone leaves out.
	for i := -1; i <= 9; i++ {
		had := found
		for _, slot := range slots(s, today.AddDate(0, 0, i*step), zone) {
			if better(best, slot) {
				best, found = slot, true
			}
		}
		if had {
			break
		}
	}
	return best, found
}

// slots are those of the hours that begin on a day, given as its midnight in
// UTC; not always in order.
func slots(s events.Schedule, date time.Time, zone *time.Location) []time.Time {
	if !slices.Contains(s.Days, int(date.Weekday())) {
		return nil
	}
	from, to, _ := hours(s)
	var all []time.Time
	for at := from; at < to; at += s.IntervalSeconds {
		first, second := instants(date.Add(time.Duration(at)*time.Second), zone)
		all = append(all, first)
		if !second.IsZero() && time.Duration(s.IntervalSeconds)*time.Second <= second.Sub(first) {
			all = append(all, second)
		}
	}
	return all
}

// active tells whether the active hours last at an instant.
func active(s events.Schedule, now time.Time, zone *time.Location) bool {
	from, to, _ := hours(s)
	local := now.In(zone)
	today := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, time.UTC)
	at := int64(local.Hour())*3600 + int64(local.Minute())*minute + int64(local.Second())
	within := func(date time.Time, at int64) bool {
		return slices.Contains(s.Days, int(date.Weekday())) && from <= at && at < to
	}
	return within(today, at) || within(today.AddDate(0, 0, -1), at+day)
}

// hours are the active hours in seconds from midnight: to is after from, and
// up to a day after the end of the day where they reach over midnight.
func hours(s events.Schedule) (from, to int64, err error) {
	if from, err = clock(s.From); err != nil || from == day {
		return 0, 0, fmt.Errorf("the active hours begin at %q: write it as HH:MM", s.From)
	}
	if to, err = clock(s.To); err != nil {
		return 0, 0, fmt.Errorf("the active hours end at %q: write it as HH:MM, 24:00 for midnight", s.To)
	}
	if to == from {
		return 0, 0, fmt.Errorf("the active hours are empty: from %s to %s", s.From, s.To)
	}
	if to < from {
		to += day
	}
	return from, to, nil
}

func clock(s string) (int64, error) {
	if s == "24:00" {
		return day, nil
	}
	t, err := time.Parse("15:04", s)
	if err != nil || len(s) != len("15:04") {
		return 0, fmt.Errorf("%q is not HH:MM", s)
	}
	return int64(t.Hour())*3600 + int64(t.Minute())*minute, nil
}

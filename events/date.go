package events

import (
	"fmt"
	"time"
)

// Date is a calendar day, written YYYY-MM-DD, without a time zone: which
// instants belong to it is decided by the zone the caller brings (the
// configured TZ, see Date.Bounds). The zero value "" is no day.
type Date string

const dateLayout = "2006-01-02"

// ParseDate reads YYYY-MM-DD. Any other form, and days that the calendar does
// not have, are errors.
func ParseDate(s string) (Date, error) {
	t, err := time.Parse(dateLayout, s)
	if err != nil || t.Year() < 1 {
		return "", fmt.Errorf("%q is not a date: write it as YYYY-MM-DD", s)
	}
	return Date(s), nil
}

// DateOf is the day that t falls on in zone.
func DateOf(t time.Time, zone *time.Location) Date {
	return Date(t.In(zone).Format(dateLayout))
}

// Bounds are the first instant of the day in zone and the first instant of
// the following day: a day has 23 or 25 hours where the clocks change.
func (d Date) Bounds(zone *time.Location) (start, end time.Time, err error) {
	t, err := time.Parse(dateLayout, string(d))
	if err != nil {
		return start, end, fmt.Errorf("%q is not a date: %w", string(d), err)
	}
	start = time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, zone)
	end = time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, zone)
	return start, end, nil
}

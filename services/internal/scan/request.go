package scan

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"backupmonitor/events"
)

// Errors of Request.
var (
	// ErrInvalid says that a request cannot be: the text tells why, and may be
	// shown to whoever asked.
	ErrInvalid = errors.New("invalid scan request")
	// ErrLogNearlyFull says that the log has no room for another scan.
	ErrLogNearlyFull = errors.New("the event log is nearly full: no new scan starts")
)

const (
	// MaxDeadline is how long after its request a scan may last: well within
	// events.DedupWindow, so that a repeated look is always recognised.
	MaxDeadline = 24 * time.Hour
	// MaxFill is the part of the log's size at which no new scan starts, so
	// that running scans, settings and audit still find room.
	MaxFill = 0.95

	// GivenUp is how CancelledBy begins where a scheduler has ended a scan that
	// cannot be run. The reason follows, in words for people.
	GivenUp = "scheduler: "

	idLayout = "20060102T150405Z"
)

// NewID makes a scan id: the UTC second of its making and a random part, so
// that ids sort by time and two of the same second differ.
func NewID(now time.Time) string {
	return now.UTC().Format(idLayout) + "-" + rand.Text()[:6]
}

// CronID is the id of the scan of a slot of the schedule: the slot itself, so
// that any number of schedulers ask for the same scan.
func CronID(slot time.Time) string { return slot.UTC().Format(idLayout) }

// Request asks for a scan and returns its request position. The caller fills
// in every field; RequestedAt is what the date and the deadline are measured
// by, zone says which day is today. Asking again for exactly the same scan is
// success. Errors: ErrInvalid, ErrLogNearlyFull, events.ErrConflict where
// another scan has this id, events.ErrFull, or ctx's.
func Request(ctx context.Context, log *events.Log, zone *time.Location, r events.ScanRequested) (uint64, error) {
	if err := Validate(r, zone); err != nil {
		return 0, err
	}
	identity, err := log.Identity(ctx)
	if err != nil {
		return 0, fmt.Errorf("request a scan: %w", err)
	}
	if Fill(identity) >= MaxFill {
		return 0, ErrLogNearlyFull
	}
	seq, err := log.Write(ctx, r, 0)
	if err != nil {
		return 0, fmt.Errorf("request scan %s: %w", r.ScanID, err)
	}
	return seq, nil
}

// Fill is the part of its size that the log has used, 0 for a log without one.
func Fill(i events.Identity) float64 {
	if i.MaxBytes <= 0 {
		return 0
	}
	return float64(i.Bytes) / float64(i.MaxBytes)
}

// Validate tells why a request cannot be. Errors wrap ErrInvalid.
func Validate(r events.ScanRequested, zone *time.Location) error {
	invalid := func(format string, args ...any) error {
		return fmt.Errorf("%w: %w", ErrInvalid, fmt.Errorf(format, args...))
	}
	if r.ScanID == "" || r.RequestedAt.IsZero() {
		return invalid("it has no id or no time")
	}
	if len(r.Modes) == 0 {
		return invalid("it names no mode")
	}
	for i, m := range r.Modes {
		if _, err := events.ParseMode(string(m)); err != nil {
			return invalid("%w", err)
		}
		if slices.Contains(r.Modes[:i], m) {
			return invalid("it names %s twice", m)
		}
	}
	for _, code := range r.Outlets {
		if _, err := events.CleanCode(code); err != nil {
			return invalid("%w", err)
		}
	}
	if _, err := events.ParseDate(string(r.ScanDate)); err != nil {
		return invalid("%w", err)
	}
	// Dates of this form sort as text.
	if today := events.DateOf(r.RequestedAt, zone); r.ScanDate > today {
		return invalid("the date %s is in the future: today is %s", r.ScanDate, today)
	}
	if d := r.Deadline.Sub(r.RequestedAt); d <= 0 || d > MaxDeadline {
		return invalid("its deadline must lie within %v of its time", MaxDeadline)
	}
	return nil
}

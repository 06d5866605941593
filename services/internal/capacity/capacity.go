// Package capacity tells how full the log is, how fast it grows, and when it
// will be full: of its own maximum size, or of the disk.
package capacity

import (
	"context"
	"fmt"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/scan"
)

const (
	// window is what rates are measured over, so that days without scans count
	// as much as they come.
	window = 7 * 24 * time.Hour
	// least is the age at which a log says something about its future.
	least = 24 * time.Hour
	// horizon is the farthest forecast: what is farther is no forecast.
	horizon = 100 * 365 * 24 * time.Hour

	// AlarmFill is the part of its size at which a log is an alarm.
	AlarmFill = 0.90
	// AlarmAhead is how long before it is full a log is an alarm.
	AlarmAhead = 30 * 24 * time.Hour

	// keep is how long a measurement holds.
	keep = time.Minute
)

// Disk is what log and tables take of a disk, in bytes.
type Disk struct {
	Log    int64  // the files of the log, compressed
	Tables int64  // the database, where it lies beside
	Free   uint64 // for us
	Total  uint64
}

// Limit names what is full first.
type Limit string

// The limits.
const (
	LimitLog  Limit = "log"  // EVENTS_MAX_BYTES
	LimitDisk Limit = "disk" // of DATA_DIR
)

// State is the capacity at one moment. Bytes of the log are counted before
// compression, as EVENTS_MAX_BYTES counts them.
type State struct {
	MeasuredAt time.Time
	Bytes      uint64
	MaxBytes   int64
	Events     uint64  // in the log
	Fill       float64 // part of MaxBytes, 0 to 1
	Archived   uint64  // last sequence that was archived; 0 for none

	Since        time.Time // what the rates are measured from: a week ago, or the first event
	EventsPerDay float64
	BytesPerDay  float64

	// FullAt is when the first limit is reached if all goes on like this; nil
	// where that is not to be foreseen, or the log is younger than a day.
	FullAt *time.Time
	Limit  Limit // the one that is reached at FullAt

	Disk            *Disk   // nil where it is not known, as that of a cluster
	DiskBytesPerDay float64 // what log and tables take of the disk
	Alarm           string  // a sentence for an operator; empty: there is none
}

// Meter measures, at most once a minute. It is safe for concurrent use.
type Meter struct {
	log  *events.Log
	disk func() (Disk, error)
	now  func() time.Time

	turn chan struct{} // taken while one measures; guards last
	last State
}

// NewMeter makes a meter of a log. disk may be nil.
func NewMeter(log *events.Log, disk func() (Disk, error), now func() time.Time) *Meter {
	return &Meter{log: log, disk: disk, now: now, turn: make(chan struct{}, 1)}
}

// State is the capacity, not older than a minute. Errors: the log's, the
// disk's, or ctx's.
func (m *Meter) State(ctx context.Context) (State, error) {
	select {
	case m.turn <- struct{}{}:
		defer func() { <-m.turn }()
	case <-ctx.Done():
		return State{}, ctx.Err()
	}
	now := m.now()
	if age := now.Sub(m.last.MeasuredAt); age >= 0 && age < keep {
		return m.last, nil
	}
	s, err := m.measure(ctx, now)
	if err != nil {
		return State{}, fmt.Errorf("measure the capacity: %w", err)
	}
	m.last = s
	return s, nil
}

// Check tells, for readiness, how full it is. It fails where no new scan
// starts; before that the detail holds the alarm.
func (m *Meter) Check(ctx context.Context) (detail string, err error) {
	s, err := m.State(ctx)
	if err != nil {
		return "unknown", err
	}
	if s.Fill >= scan.MaxFill {
		return s.text(), scan.ErrLogNearlyFull
	}
	return s.text(), nil
}

func (s State) text() string {
	if s.Alarm != "" {
		return "ALARM: " + s.Alarm
	}
	return s.growth()
}

func (m *Meter) measure(ctx context.Context, now time.Time) (State, error) {
	id, err := m.log.Identity(ctx)
	if err != nil {
		return State{}, err
	}
	recent, first, err := m.recent(ctx, now)
	if err != nil {
		return State{}, err
	}
	r := reading{now: now, id: id, recent: recent, first: first}
	if m.disk != nil {
		d, err := m.disk()
		if err != nil {
			return State{}, err
		}
		r.disk = &d
	}
	return r.state(), nil
}

// recent is how many events were stored within the window, and when the first
// of them was.
func (m *Meter) recent(ctx context.Context, now time.Time) (uint64, time.Time, error) {
	feed, err := m.log.Feed(ctx, events.FeedOptions{Since: now.Add(-window)})
	if err != nil {
		return 0, now, err
	}
	defer feed.Stop()
	if feed.Initial == 0 {
		return 0, now, nil
	}
	r, err := feed.Next(ctx)
	return feed.Initial, r.Stored, err
}

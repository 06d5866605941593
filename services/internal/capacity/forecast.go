package capacity

import (
	"fmt"
	"math"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/scan"
)

// reading is what a state is made from.
type reading struct {
	now    time.Time
	id     events.Identity
	recent uint64    // events stored within the window
	first  time.Time // when the first of these was stored
	disk   *Disk
}

// state is pure: the same reading gives the same state.
func (r reading) state() State {
	s := State{
		MeasuredAt: r.now, Bytes: r.id.Bytes, MaxBytes: r.id.MaxBytes, Events: r.id.Messages, Fill: scan.Fill(r.id),
		Archived: r.id.Archived, Since: r.now.Add(-window), Disk: r.disk,
	}
	if r.recent >= r.id.Messages && r.first.After(s.Since) && r.id.Archived == 0 {
		s.Since = r.first // all of the log is younger than the window
	}
	days := r.now.Sub(s.Since).Hours() / 24
	if r.recent == 0 || days <= 0 || r.id.Messages == 0 {
		s.alarm(r.now)
		return s
	}
	s.EventsPerDay = float64(r.recent) / days
	s.BytesPerDay = s.EventsPerDay * float64(r.id.Bytes) / float64(r.id.Messages)
	if r.disk != nil {
		// The tables keep a row for events that were archived too.
		perEvent := float64(r.disk.Log)/float64(r.id.Messages) + float64(r.disk.Tables)/float64(max(r.id.LastSeq, 1))
		s.DiskBytesPerDay = s.EventsPerDay * perEvent
	}
	if r.now.Sub(s.Since) >= least {
		s.forecast(r.now)
	}
	s.alarm(r.now)
	return s
}

func (s *State) forecast(now time.Time) {
	reach := func(l Limit, room, perDay float64) {
		if perDay <= 0 {
			return
		}
		days := max(room, 0) / perDay
		if days > horizon.Hours()/24 {
			return
		}
		at := now.Add(time.Duration(days * 24 * float64(time.Hour))).UTC().Truncate(time.Second)
		if s.FullAt == nil || at.Before(*s.FullAt) {
			s.FullAt, s.Limit = &at, l
		}
	}
	if s.MaxBytes > 0 {
		reach(LimitLog, float64(s.MaxBytes)-float64(s.Bytes), s.BytesPerDay)
	}
	if s.Disk != nil {
		reach(LimitDisk, float64(s.Disk.Free), s.DiskBytesPerDay)
	}
}

func (s *State) alarm(now time.Time) {
	const cure = "archive old events (backup-monitor archive)"
	switch {
	case s.Fill >= scan.MaxFill:
		s.Alarm = "the event log is " + s.percent() + " full: no new scan starts; " + cure + " or raise EVENTS_MAX_BYTES"
	case s.Fill > AlarmFill:
		s.Alarm = "the event log is " + s.percent() + " full; " + cure + " or raise EVENTS_MAX_BYTES"
	case s.FullAt == nil || s.FullAt.Sub(now) >= AlarmAhead:
	case s.Limit == LimitDisk:
		s.Alarm = "the disk of DATA_DIR will be full on " + s.FullAt.Format(time.DateOnly) + "; " + cure + " or enlarge it"
	default:
		s.Alarm = "the event log will be full on " + s.FullAt.Format(time.DateOnly) + "; " + cure + " or raise EVENTS_MAX_BYTES"
	}
}

func (s State) percent() string { return fmt.Sprintf("%.1f %%", 100*s.Fill) }

// growth says in one line how it stands.
func (s State) growth() string {
	text := fmt.Sprintf("%s full, %.0f events and %.1f MiB a day", s.percent(), s.EventsPerDay, s.BytesPerDay/(1<<20))
	if s.FullAt == nil {
		return text + ", the end is not in sight"
	}
	days := math.Round(s.FullAt.Sub(s.MeasuredAt).Hours() / 24)
	return fmt.Sprintf("%s; the %s is full in %.0f days, on %s", text, s.Limit, days, s.FullAt.Format(time.DateOnly))
}

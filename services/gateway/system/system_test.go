package system

import (
	"testing"
	"time"

	"backupmonitor/events"
)

// TestBelievedFor: a prober that says it is offline, whoever it is and however long it
// says that holds, is believed no longer than a prober needs to say it again.
func TestBelievedFor(t *testing.T) {
	t.Parallel()
	stored := time.Date(2026, 3, 14, 1, 0, 0, 0, time.UTC)
	for says, want := range map[time.Duration]time.Duration{3 * time.Minute: 3 * time.Minute, 250 * 365 * 24 * time.Hour: believedFor, -time.Hour: 0} {
		now := stored
		tracker := New(func() time.Time { return now })
		changed := stored.Add(-time.Minute) // by a clock of its own
		until := changed.Add(says)
		tracker.Apply(events.Record{Stored: stored}, events.Event{Data: events.ProberChanged{Prober: "p", ValidUntil: &until, ChangedAt: changed}})
		if got := tracker.Offline(); got != (want > 0) {
			t.Errorf("%s: offline %v at first", says, got)
		}
		now = stored.Add(want)
		if tracker.Offline() {
			t.Errorf("%s: offline after %s", says, want)
		}
	}
}

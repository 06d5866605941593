package gateway

import (
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/gateway/scans"
)

// Strangers may start so many scans in 24 hours, however they spread them; those
// of others count for nothing.
func TestStrangersScansADay(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	var list []scans.State
	add := func(trigger string, ago time.Duration) {
		list = append(list, scans.State{Request: events.ScanRequested{Trigger: trigger, RequestedAt: now.Add(-ago)}})
	}
	for i := range publicDaily - 1 {
		add(events.TriggerPublic, time.Duration(i+1)*time.Minute)
		add(events.TriggerCron, time.Minute)
		add(events.TriggerPublic, 24*time.Hour+time.Duration(i)*time.Minute)
	}
	if wait := publicRest(list, now); wait != 0 {
		t.Errorf("one fewer: %s", wait)
	}
	add(events.TriggerPublic, 23*time.Hour)
	if wait := publicRest(list, now); wait != time.Hour {
		t.Errorf("all of them: %s and not an hour", wait)
	}
}

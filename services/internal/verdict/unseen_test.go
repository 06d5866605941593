package verdict_test

import (
	"reflect"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/verdict"
)

func TestUnseen(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("UTC+14", 14*3600)
	at := time.Date(2026, 3, 10, 11, 0, 0, 0, time.UTC) // 01:00 on the 11th in zone
	c := events.ProbeCommand{
		ScanID: "s1", ScanDate: "2026-03-11", Outlet: "B1", Server: "10.0.0.1", Modes: events.Modes(),
		RequestPosition: 7, Policy: policy(), Deadline: at.Add(-time.Minute),
	}
	c.Policy.MaxAgeSeconds = 50 * 3600
	back := c
	back.ScanDate = "2026-03-10"
	broken := c
	broken.ScanDate = "2026-02-30"
	for _, want := range []struct {
		command  events.ProbeCommand
		today    bool
		cutoff   time.Time
		warnings int
	}{
		{c, true, at, 0},
		{back, false, time.Date(2026, 3, 10, 10, 0, 0, 0, time.UTC), 0},
		{broken, false, time.Time{}, 1},
	} {
		c := want.command
		l := verdict.Unseen(c, events.IBStorage, at, zone, verdict.Expired(c))
		if l.Outlet != c.Outlet || l.Server != c.Server || l.Mode != events.IBStorage || l.ScanID != c.ScanID ||
			l.ScanDate != c.ScanDate || l.RequestPosition != 7 || l.Attempt != 1 || !l.StartedAt.Equal(at) {
			t.Errorf("%s: it is of another command: %+v", c.ScanDate, l)
		}
		if l.Today != want.today || !l.Cutoff.Equal(want.cutoff) || len(l.Warnings) != want.warnings {
			t.Errorf("%s: today %t, cutoff %v, warnings %q", c.ScanDate, l.Today, l.Cutoff, l.Warnings)
		}
		check(t, l.Verdict, events.CauseExpired, events.EvidenceNone, "",
			"could not look: no prober got to it before the scan's deadline, 2026-03-10 10:59:00 UTC")
		if again := verdict.Judge(l, l.Verdict.Policy); !reflect.DeepEqual(again, l.Verdict) || l.Verdict.Policy.MaxAgeSeconds != 50*3600 {
			t.Errorf("%s: judged again it is %+v instead of %+v", c.ScanDate, again, l.Verdict)
		}
	}
}

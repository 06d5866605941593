package scheduler_test

import (
	"strings"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/scan"
)

// TestScanTooLarge: a scan whose start is larger than any message may be ends
// at once, and says why. Scans after it are run.
func TestScanTooLarge(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	codes := f.register(300)
	settings := events.SettingsChanged{Policy: policy()}
	// Leaves room for the settings, but not for a list of outlets beside it.
	settings.Policy.Patterns = []string{strings.Repeat("x", int(f.Conn.MaxPayload())-2000)}
	seq, err := f.Log.Write(f.ctx, settings, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.schedule()
	f.request(request("huge", events.Modes()...))
	c := f.completed("huge")
	want := events.ModeCount{Total: 300}
	if !c.Cancelled || !strings.HasPrefix(c.CancelledBy, "scheduler: ") || !strings.Contains(c.CancelledBy, "too large") ||
		c.Counts[events.DDrive] != want || c.Counts[events.IBStorage] != want || c.Unobserved != 2*len(codes) {
		t.Errorf("completed as %+v", c)
	}
	settings.Policy, settings.Previous = policy(), seq
	if _, err := f.Log.Write(f.ctx, settings, seq); err != nil {
		t.Fatal(err)
	}
	small := request("small", events.DDrive)
	small.Deadline = small.RequestedAt.Add(100 * time.Millisecond)
	f.request(small)
	if c := f.completed("small"); c.Cancelled || c.Unobserved != 300 {
		t.Errorf("the one after it completed as %+v", c)
	}
	f.nothingUnacknowledged()
}

// TestStartCannotBeRead: a scan whose stored start nobody can read ends too.
func TestStartCannotBeRead(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if _, err := f.JS.Publish(f.ctx, events.StartedSubject("broken"), []byte("{")); err != nil {
		t.Fatal(err)
	}
	r := request("broken", events.DDrive)
	r.Outlets = []string{"R0001", "r0001", "R0002"}
	f.request(r)
	f.schedule()
	f.until("the scan is completed", func() bool {
		c, err := scan.Completed(f.ctx, f.Log, "broken")
		return err == nil && c.Cancelled && strings.Contains(c.CancelledBy, "cannot be read") && c.Unobserved == 2
	})
	f.nothingUnacknowledged()
}

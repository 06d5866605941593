package prober_test

import (
	"testing"

	"backupmonitor/events"
	"backupmonitor/services/internal/fleet"
	"backupmonitor/services/internal/natstest"
)

// TestOneOutletSaysLockedOut: an outlet that calls a domain account locked,
// which all others let in, fails by itself, scan after scan, whichever of two
// probers looks at it.
func TestOneOutletSaysLockedOut(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	const liar = 6
	presets := make([]fleet.Preset, 13)
	for i := range presets {
		presets[i] = fleet.Good
	}
	presets[liar] = fleet.LockedOut
	all := outlets(t, presets...)
	cfg := inDomain(quick(), fleet.DefaultPassword)
	for _, name := range []string{"one", "two"} {
		cfg.Name = name
		run(t, n, cfg)
	}
	waiting(t, n, 2)
	good := append(append([]*fleet.Outlet{}, all[:liar]...), all[liar+1:]...)
	offerAll(t, n, "s0", good)
	seen := 2 * len(good)
	observed(t, n, seen)
	for _, scan := range []string{"s1", "s2", "s3"} {
		offerAll(t, n, scan, all)
		seen += 2 * len(all)
		for _, l := range observed(t, n, seen) {
			want := events.CauseOK
			if l.Outlet == all[liar].Code() {
				want = events.CauseAuthFailed
			}
			if l.Verdict.Cause != want {
				t.Errorf("%s, %s: %s (%s), want %s", l.ScanID, l.Outlet, l.Verdict.Cause, l.Verdict.Detail, want)
			}
		}
		if t.Failed() {
			return
		}
	}
	if got := all[liar].Stats().FailedSignIns; got != 3 {
		t.Errorf("%d sign-ins at the one that lies in 3 scans", got)
	}
}

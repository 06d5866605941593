package smb_test

import (
	"context"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/fleet"
	"backupmonitor/services/internal/fleet/fault"
	"backupmonitor/services/internal/fleet/smbserver"
	"backupmonitor/services/prober/smb"
)

// request is a request of a look at one drive, and the step it belongs to.
type request struct {
	command smbserver.Command
	nth     int
	step    string
}

// requests are those of a look at one drive, in their order, but for that for
// the free space, which is asked for beside the listing.
func requests() []request {
	return []request{
		{smbserver.Negotiate, 1, smb.StepNegotiate},
		{smbserver.SessionSetup, 1, smb.StepSignIn},
		{smbserver.SessionSetup, 2, smb.StepSignIn},
		{smbserver.TreeConnect, 1, smb.StepShare},
		{smbserver.Create, 1, smb.StepFolder},
		{smbserver.QueryDirectory, 1, smb.StepList},
		{smbserver.QueryDirectory, 2, smb.StepList},
	}
}

// hostility is a fault that no look may take for an answer.
type hostility struct {
	act    fault.Act
	cause  events.Cause
	detail string // is part of what is said
}

func hostilities() []hostility {
	const protocol, timeout = events.CauseProtocolError, events.CauseTimeout
	return []hostility{
		{fault.Silence(), timeout, "did not answer in time"},
		{fault.Mute(), timeout, "did not answer in time"},
		{fault.Drip(50 * time.Millisecond), timeout, "did not answer in time"},
		{fault.HangUp(), protocol, "the connection"}, // closed; or reset, if our next request came before that and was not read
		{fault.Reset(), protocol, "the server reset the connection"},
		{fault.Length(0), protocol, "is not SMB"},
		{fault.Length(40), protocol, "is not SMB"},
		{fault.Length(66), protocol, ""}, // ends within a field, and what follows is no frame
		{fault.Length(16<<20 - 1), protocol, "too large"},
		{fault.NextCommand(8), protocol, "chained"},
		{fault.NextCommand(64), protocol, "chained"},
		{fault.NextCommand(1<<32 - 8), protocol, "chained"},
		{fault.Truncate(0), protocol, "is not SMB"},
		{fault.Truncate(63), protocol, "is not SMB"},
		{fault.Truncate(68), protocol, ""},
		{fault.Refuse(smbserver.StatusInternalError), protocol, "internal error"},
	}
}

// checkNothingSeen: of a look that was broken off nothing may remain.
func checkNothingSeen(t *testing.T, r smb.Result) {
	t.Helper()
	for _, d := range r.Drives {
		if d.Error == nil || len(d.Files) != 0 || len(d.FilesAfter) != 0 || d.FileCount != 0 {
			t.Errorf("%s: %d files, error %+v", d.Share, d.FileCount, d.Error)
		}
	}
	if v := judge(r); v.Conclusive || v.Status != events.Failed || v.File != nil {
		t.Errorf("judged %s, file %+v", v.Cause, v.File)
	}
}

// faulty runs a good outlet with faults.
func faulty(t testing.TB, faults ...fault.Fault) *fleet.Outlet {
	t.Helper()
	o := outlet(t, fleet.Good, nil)
	if err := o.Change(func(truth *fleet.Truth) { truth.Faults = faults }); err != nil {
		t.Fatal(err)
	}
	return o
}

// gone waits until an outlet has no connection and no session left.
func gone(t testing.TB, o *fleet.Outlet) {
	t.Helper()
	until(t, func() bool { s := o.Stats(); return s.Connections == 0 && s.OpenSessions == 0 })
}

func until(t testing.TB, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatal("it did not happen")
		case <-tick.C:
		}
	}
}

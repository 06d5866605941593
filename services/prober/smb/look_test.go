package smb_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/fleet"
	"backupmonitor/services/internal/verdict"
	"backupmonitor/services/prober/smb"
)

// TestEveryKindOfOutlet looks at outlets of every preset, and must find what
// was put there.
func TestEveryKindOfOutlet(t *testing.T) {
	t.Parallel()
	for _, preset := range fleet.Presets() {
		t.Run(string(preset), func(t *testing.T) {
			t.Parallel()
			o := outlet(t, preset, nil)
			within := patience
			if preset == fleet.NeverAnswers || preset == fleet.Drips {
				within = time.Second
			}
			results := look(t, within, bothModes(o.Addr(), account()))
			for _, mode := range events.Modes() {
				want, ok := o.Expect(mode)
				if !ok {
					t.Fatalf("%s: nothing is known of it", mode)
				}
				got := judge(results[mode])
				if got.Cause != want.Cause {
					t.Errorf("%s: found %s (%s), want %s", mode, got.Cause, got.Detail, want.Cause)
				}
				if want.Share != "" && got.DriveLetter != verdict.Letter(want.Share) {
					t.Errorf("%s: drive %q decided, want %q", mode, got.DriveLetter, verdict.Letter(want.Share))
				}
				if got.Conclusive && want.File != nil && (got.File == nil || !sameFile(*got.File, *want.File)) {
					t.Errorf("%s: chose %+v, want %+v", mode, got.File, *want.File)
				}
			}
		})
	}
}

func sameFile(a events.File, b fleet.File) bool {
	return a.Name == b.Name && a.Bytes == b.Size && a.Modified.Equal(b.Modified.Truncate(100)) && a.Created.Equal(b.Created.Truncate(100))
}

func TestReasonsOfRefusals(t *testing.T) {
	t.Parallel()
	cases := []struct {
		preset         fleet.Preset
		step, ntStatus string
		detail         string
	}{
		{fleet.WrongPassword, smb.StepSignIn, "0xC000006D", "the server refused to sign in backupmonitor: wrong user name or password"},
		{fleet.LockedOut, smb.StepSignIn, "0xC0000234", "the server refused to sign in backupmonitor: the account is locked out"},
		{fleet.ExpiredAccount, smb.StepSignIn, "0xC0000071", "the server refused to sign in backupmonitor: the password has expired"},
		{fleet.NotListening, smb.StepConnect, "", "ADDR refused the connection"},
		{fleet.NeverAnswers, smb.StepNegotiate, "", "the server did not answer in time while opening the SMB connection"},
	}
	for _, c := range cases {
		t.Run(string(c.preset), func(t *testing.T) {
			t.Parallel()
			o := outlet(t, c.preset, nil)
			within := patience
			if c.preset == fleet.NeverAnswers {
				within = time.Second
			}
			for mode, r := range look(t, within, bothModes(o.Addr(), account())) {
				want := strings.Replace(c.detail, "ADDR", o.Addr(), 1)
				if r.Error == nil || r.Error.Step != c.step || r.Error.NTStatus != c.ntStatus || r.Error.Detail != want {
					t.Errorf("%s: %+v, want step %s, status %s, %q", mode, r.Error, c.step, c.ntStatus, want)
				}
				if len(r.Drives) != 0 {
					t.Errorf("%s: drives are reported: %+v", mode, r.Drives)
				}
			}
			if n := o.Stats().FailedSignIns; n > 1 {
				t.Errorf("%d attempts to sign in, want one at most", n)
			}
		})
	}
}

func TestNoSuchHost(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"no-such-outlet.invalid", "", "a:b:c", ":445"} {
		r := look(t, patience, bothModes(address, account()))[events.DDrive]
		if r.Error == nil || r.Error.Step != smb.StepConnect || r.Error.Detail == "" {
			t.Errorf("%q: %+v", address, r.Error)
		} else if r.Error.Code != events.CauseUnreachable && r.Error.Code != events.CauseTimeout {
			t.Errorf("%q is %s", address, r.Error.Code)
		}
	}
}

// TestOneSessionForBothModes also bounds how often a look waits for the line.
func TestOneSessionForBothModes(t *testing.T) {
	t.Parallel()
	o := outlet(t, fleet.Good, nil)
	if err := o.Change(func(truth *fleet.Truth) { truth.Latency = 50 * time.Millisecond }); err != nil {
		t.Fatal(err)
	}
	for mode, r := range look(t, patience, bothModes(o.Addr(), account())) {
		if v := judge(r); v.Cause != events.CauseOK {
			t.Errorf("%s: %s, %s", mode, v.Cause, v.Detail)
		}
		if r.Traffic.Turns > 12 || r.Traffic.Turns < 6 || r.Traffic.Received < r.Traffic.Turns {
			t.Errorf("%s: traffic %+v, want at most 12 turns", mode, r.Traffic)
		}
	}
	if s := o.Stats(); s.Sessions != 1 || s.Accepted != 1 {
		t.Errorf("%d sessions on %d connections, want one", s.Sessions, s.Accepted)
	}
}

func TestOneSessionForEachCredential(t *testing.T) {
	t.Parallel()
	o := outlet(t, fleet.Good, nil)
	target := bothModes(o.Addr(), account())
	target.Places[1].Credential.Password = "another"
	results := look(t, patience, target)
	if v := judge(results[events.DDrive]); v.Cause != events.CauseOK {
		t.Errorf("the right password: %s, %s", v.Cause, v.Detail)
	}
	if v := judge(results[events.IBStorage]); v.Cause != events.CauseAuthFailed {
		t.Errorf("the wrong password: %s, %s", v.Cause, v.Detail)
	}
	if s := o.Stats(); s.Sessions != 1 || s.FailedSignIns != 1 || s.Accepted != 2 {
		t.Errorf("%d sessions, %d refusals, %d connections", s.Sessions, s.FailedSignIns, s.Accepted)
	}
}

func TestServerClock(t *testing.T) {
	t.Parallel()
	const year = 365 * 24 * time.Hour
	for _, offset := range []time.Duration{0, year, -year, -90 * time.Minute} {
		t.Run(offset.String(), func(t *testing.T) {
			t.Parallel()
			o := outlet(t, fleet.Good, nil)
			if err := o.Change(func(truth *fleet.Truth) { truth.ClockOffset = offset }); err != nil {
				t.Fatal(err)
			}
			for mode, r := range look(t, patience, bothModes(o.Addr(), account())) {
				if d := (r.Clock.Skew - offset).Abs(); !r.Clock.Known() || d > 2*time.Second {
					t.Errorf("%s: skew %v, want %v", mode, r.Clock.Skew, offset)
				}
				if !r.Cutoff.Equal(r.Clock.Server) || len(r.Warnings) != 0 {
					t.Errorf("%s: cutoff %v at %v by the server's clock, warnings %q", mode, r.Cutoff, r.Clock.Server, r.Warnings)
				}
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		o := outlet(t, fleet.NoSystemTime, nil)
		for mode, r := range look(t, patience, bothModes(o.Addr(), account())) {
			if r.Clock.Known() || time.Since(r.Cutoff).Abs() > patience {
				t.Errorf("%s: clock %+v, cutoff %v", mode, r.Clock, r.Cutoff)
			}
			if !slices.Contains(r.Warnings, "the server sent no clock: ages are measured by ours") {
				t.Errorf("%s: it is not said that our clock was used: %q", mode, r.Warnings)
			}
		}
	})
}

// TestBackDated looks for a day of the past on a server whose clock is ahead:
// the day ends when it ended for the server.
func TestBackDated(t *testing.T) {
	t.Parallel()
	const ahead = 40 * 24 * time.Hour
	spec := fleet.Spec{Code: "S0001"}
	spec.Truth.ClockOffset = ahead
	day := time.Now().UTC().AddDate(0, 0, -3).Truncate(24 * time.Hour)
	end := day.Add(24 * time.Hour).Add(ahead)
	for _, f := range []struct {
		name string
		at   time.Time
	}{{"before.bak", end.Add(-time.Minute)}, {"after.bak", end.Add(time.Minute)}} {
		spec.Truth.Add(fleet.DShare, fleet.BackupFolder, fleet.File{Name: f.name, Size: 1 << 20, Created: f.at, Modified: f.at})
	}
	o := start(t, nil, spec)[0]
	r := smb.Request{ScanDate: events.DateOf(day, time.UTC), Began: time.Now(), Zone: time.UTC, Policy: policy()}
	got := smb.Look(t.Context(), smb.Options{}, bothModes(o.Addr(), account()), r)[0]
	if got.Cutoff.Sub(end).Abs() > 2*time.Second {
		t.Errorf("cutoff %v, want %v", got.Cutoff, end)
	}
	if len(got.Drives) != 1 {
		t.Fatalf("%+v", got)
	}
	d := got.Drives[0]
	if len(d.Files) != 1 || d.Files[0].Name != "before.bak" || len(d.FilesAfter) != 1 || d.FilesAfter[0].Name != "after.bak" || d.FileCount != 2 {
		t.Errorf("before the end of the day %+v, after it %+v", d.Files, d.FilesAfter)
	}
}

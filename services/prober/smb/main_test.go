package smb_test

import (
	"context"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"backupmonitor/events"
	"backupmonitor/services/internal/fleet"
	"backupmonitor/services/internal/fleet/smbserver"
	"backupmonitor/services/internal/verdict"
	"backupmonitor/services/prober/smb"
)

func TestMain(m *testing.M) {
	if address := os.Getenv(lookAtVariable); address != "" {
		os.Exit(lookAlone(address))
	}
	goleak.VerifyTestMain(m)
}

// patience is the deadline of looks that are to succeed, however busy the
// machine.
const patience = 60 * time.Second

func policy() events.Policy {
	return events.Policy{MaxAgeSeconds: 26 * 3600, MinSizeBytes: 1024, Patterns: []string{"*.bak"}}
}

// account is the credential of every outlet of a fleet.
func account() smb.Credential {
	return smb.NewCredential(fleet.DefaultUser, fleet.DefaultPassword, "")
}

// bothModes is a target as the settings have it by default.
func bothModes(address string, cred smb.Credential) smb.Target {
	return smb.Target{Address: address, Places: []smb.Place{
		{Mode: events.DDrive, Credential: cred, Shares: []string{fleet.DShare}, Folder: fleet.BackupFolder},
		{Mode: events.IBStorage, Credential: cred, Shares: fleet.USBShares(), Folder: fleet.BackupFolder},
	}}
}

// today asks for the day that began is on.
func today(began time.Time) smb.Request {
	return smb.Request{ScanDate: events.DateOf(began, time.UTC), Began: began, Zone: time.UTC, Policy: policy()}
}

// start runs outlets until the test ends.
func start(t testing.TB, intercept smbserver.Intercept, specs ...fleet.Spec) []*fleet.Outlet {
	t.Helper()
	return startWith(t, fleet.Options{}, intercept, specs...)
}

func startWith(t testing.TB, options fleet.Options, intercept smbserver.Intercept, specs ...fleet.Spec) []*fleet.Outlet {
	t.Helper()
	if intercept != nil {
		options.Intercept = func(*fleet.Outlet) smbserver.Intercept { return intercept }
	}
	f, err := fleet.Start(context.Background(), specs, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f.Outlets()
}

// outlet runs one outlet of a preset.
func outlet(t testing.TB, preset fleet.Preset, intercept smbserver.Intercept) *fleet.Outlet {
	t.Helper()
	return start(t, intercept, fleet.New(fleet.Plan{Code: "S0001", Preset: preset, Seed: 7, Now: time.Now()}))[0]
}

// look looks at a target within a time, and fails the test if it took much
// longer.
func look(t testing.TB, within time.Duration, target smb.Target) map[events.Mode]smb.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	began := time.Now()
	results := smb.Look(ctx, smb.Options{}, target, today(began))
	if took := time.Since(began); took > within+5*time.Second {
		t.Errorf("the look took %v, its deadline was %v", took, within)
	}
	byMode := map[events.Mode]smb.Result{}
	for _, r := range results {
		byMode[r.Mode] = r
	}
	return byMode
}

// judge makes an event of a result, as far as the verdict needs it.
func judge(r smb.Result) events.Verdict {
	return verdict.Judge(events.BackupObserved{
		Mode: r.Mode, ScanDate: events.DateOf(time.Now(), time.UTC), Today: true,
		Cutoff: r.Cutoff, Drives: r.Drives, Error: r.Error,
	}, policy())
}

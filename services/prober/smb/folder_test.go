package smb_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/fleet"
	"backupmonitor/services/internal/verdict"
	"backupmonitor/services/prober/smb"
)

// TestLargeFolder reads a folder in parts, and keeps little of it.
func TestLargeFolder(t *testing.T) {
	t.Parallel()
	const count = 60_000
	begin := time.Now().UTC().Add(-time.Hour)
	spec := fleet.Spec{Code: "S0001"}
	spec.Truth.Drives = map[string]fleet.Drive{fleet.DShare: {Folders: map[string]fleet.Folder{
		fleet.BackupFolder: {Source: fleet.Many{Count: count, Make: func(i int) fleet.File {
			at := begin.Add(-time.Duration((i*7919)%count) * time.Second)
			return fleet.File{Name: fmt.Sprintf("DB_with_a_longer_name_%06d.bak", i), Size: 2048, Created: at, Modified: at}
		}}},
	}}}
	o := start(t, nil, spec)[0]
	d := look(t, patience, bothModes(o.Addr(), account()))[events.DDrive].Drives[0]
	if d.Error != nil || d.FileCount != count || len(d.Files) != verdict.KeepBefore {
		t.Fatalf("%d files, kept %d: %+v", d.FileCount, len(d.Files), d.Error)
	}
	for i, f := range d.Files {
		if want := begin.Add(-time.Duration(i) * time.Second).Truncate(100); !f.Modified.Equal(want) {
			t.Errorf("file %d is of %v, want %v", i, f.Modified, want)
		}
	}
}

// TestFolders opens the root of a share, which may have no entry at all, a
// folder in a folder, and something that is a file.
func TestFolders(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC()
	f := fleet.File{Name: "DB.bak", Size: 4096, Created: now, Modified: now}
	spec := fleet.Spec{Code: "S0001"}
	spec.Truth.Add("d$", `Data\Backup Full`, f)
	spec.Truth.Add("e$", "", f)
	spec.Truth.Drives["f$"] = fleet.Drive{}
	o := start(t, nil, spec)[0]
	cases := []struct {
		share, folder string
		cause         events.Cause
		detail        string
	}{
		{"d$", `Data\Backup Full`, events.CauseOK, ""},
		{"d$", "/data/BACKUP FULL/", events.CauseOK, ""},
		{"D$", `Data\Other`, events.CauseFolderMissing, `signed in, but D: has no Data\Other folder`},
		{"d$", `Other\Backup Full`, events.CauseFolderMissing, `signed in, but D: has no Other\Backup Full folder`},
		{"d$", `Data\Backup Full\DB.bak`, events.CauseFolderMissing, `signed in, but D:\Data\Backup Full\DB.bak is a file, not a folder`},
		{"e$", "", events.CauseOK, ""},
		{"f$", "", events.CauseNoBackup, ""},
	}
	for _, c := range cases {
		t.Run(c.share+c.folder, func(t *testing.T) {
			t.Parallel()
			r := look(t, patience, smb.Target{Address: o.Addr(), Places: []smb.Place{
				{Mode: events.DDrive, Credential: account(), Shares: []string{c.share}, Folder: c.folder},
			}})[events.DDrive]
			v := judge(r)
			if v.Cause != c.cause {
				t.Errorf("%s, %s; want %s", v.Cause, v.Detail, c.cause)
			}
			if e := r.Drives[0].Error; c.detail != "" && (e == nil || e.Detail != c.detail) {
				t.Errorf("%+v, want %q", e, c.detail)
			}
		})
	}
}

// TestSpaceAndSteps checks the numbers that stand beside the files.
func TestSpaceAndSteps(t *testing.T) {
	t.Parallel()
	o := outlet(t, fleet.Good, nil)
	var traced []string
	options := smb.Options{Trace: func(step, detail string, d time.Duration) {
		traced = append(traced, step)
		if detail == "" || d < 0 {
			t.Errorf("step %s: detail %q, %v", step, detail, d)
		}
	}}
	results := smb.Look(t.Context(), options, bothModes(o.Addr(), account()), today(time.Now()))
	truth := o.Truth()
	for _, r := range results {
		var steps []string
		for _, s := range r.Steps {
			steps = append(steps, s.Name)
			if s.DurationMS < 0 || s.DurationMS > 60_000 || math.IsNaN(s.DurationMS) {
				t.Errorf("%s: step %+v", r.Mode, s)
			}
		}
		if want := "connect negotiate sign_in share folder list"; strings.Join(steps, " ") != want {
			t.Errorf("%s: steps %q, want %q", r.Mode, steps, want)
		}
		for _, d := range r.Drives {
			if d.Error != nil {
				continue
			}
			want, _ := truth.Drive(d.Share)
			if d.FreeBytes == nil || d.TotalBytes == nil || *d.FreeBytes != uint64(want.Free)&^4095 || *d.TotalBytes != uint64(want.Total)&^4095 {
				t.Errorf("%s: free %v, total %v; want %d, %d", d.Share, d.FreeBytes, d.TotalBytes, want.Free, want.Total)
			}
		}
	}
	for _, step := range []string{smb.StepConnect, smb.StepNegotiate, smb.StepSignIn, smb.StepShare, smb.StepFolder, smb.StepList} {
		if !slices.Contains(traced, step) {
			t.Errorf("step %s was not traced: %q", step, traced)
		}
	}
}

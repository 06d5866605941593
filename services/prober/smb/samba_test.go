package smb_test

import (
	"fmt"
	"path/filepath"
	"reflect"
	"syscall"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/fleet"
	"backupmonitor/services/internal/sambatest"
	"backupmonitor/services/internal/verdict"
	"backupmonitor/services/prober/smb"
)

// TestSambaAndFleetAgree puts the same files on a real Samba and on a
// simulated outlet: a look must see the same.
func TestSambaAndFleetAgree(t *testing.T) {
	t.Parallel()
	samba := sambatest.Start(t, sambatest.Config{})
	now := time.Now().UTC().Truncate(time.Second)
	spec := fleet.Spec{Code: "S0001"}
	put := func(share, folder, name string, size int64, age time.Duration) {
		at := now.Add(-age)
		spec.Truth.Add(share, folder, fleet.File{Name: name, Size: size, Created: at, Modified: at})
		sambatest.Write(t, filepath.Join(samba.Dir(t, 0, share), folder, name), size, at)
	}
	for i := range 40 {
		put("d$", fleet.BackupFolder, fmt.Sprintf("DB_%02d.bak", i), int64(i)<<20, time.Duration(i*7%40)*time.Hour)
	}
	put("d$", fleet.BackupFolder, "später.BAK", 1<<30, -48*time.Hour)
	put("d$", fleet.BackupFolder, "DB_99.bak.tmp", 1<<30, 0)
	put("e$", "Other", "DB.bak", 1<<30, 0)
	put("f$", fleet.BackupFolder, "Ünïcødé 日本語 🗄.bak", 4096, time.Hour)
	put("h$", fleet.BackupFolder, "DB_small.bak", 100, time.Hour)
	o := start(t, nil, spec)[0]

	real := look(t, patience, bothModes(samba.Addr(0), smb.NewCredential(samba.User, samba.Password, "")))
	simulated := look(t, patience, bothModes(o.Addr(), account()))
	for _, mode := range events.Modes() {
		a, b := comparable(real[mode]), comparable(simulated[mode])
		if !reflect.DeepEqual(a, b) {
			t.Errorf("%s: Samba shows\n%+v\nthe fleet\n%+v", mode, a, b)
		}
		va, vb := judge(real[mode]), judge(simulated[mode])
		if va.Cause != events.CauseOK || vb.Cause != events.CauseOK || va.DriveLetter != vb.DriveLetter || va.File.Name != vb.File.Name {
			t.Errorf("%s: Samba is %+v, the fleet %+v", mode, va, vb)
		}
	}
	if d := real[events.DDrive].Drives[0]; d.FileCount != 41 || len(d.Files) != verdict.KeepBefore || len(d.FilesAfter) != 1 {
		t.Errorf("drive D of Samba: %+v", d)
	}
	if n := o.Stats().Sessions; n != 1 {
		t.Errorf("%d sessions", n)
	}
}

// comparable leaves out what two machines differ in: their disks, and when a
// file was made, which no program can set.
func comparable(r smb.Result) []events.Drive {
	drives := append([]events.Drive{}, r.Drives...)
	for i := range drives {
		drives[i].FreeBytes, drives[i].TotalBytes = nil, nil
		for _, files := range [][]events.File{drives[i].Files, drives[i].FilesAfter} {
			for j := range files {
				files[j].Created = time.Time{}
			}
		}
	}
	return drives
}

func TestSambaRefuses(t *testing.T) {
	t.Parallel()
	samba := sambatest.Start(t, sambatest.Config{})
	sambatest.Write(t, filepath.Join(samba.Dir(t, 0, "d$"), fleet.BackupFolder), 4096, time.Now())
	right := smb.NewCredential(samba.User, samba.Password, "")
	cases := []struct {
		name           string
		cred           smb.Credential
		mode           events.Mode
		cause          events.Cause
		step, ntStatus string
	}{
		{"wrong password", smb.NewCredential(samba.User, "wrong", ""), events.DDrive, events.CauseAuthFailed, smb.StepSignIn, "0xC000006D"},
		{"unknown user", smb.NewCredential("nobody-knows", "wrong", ""), events.DDrive, events.CauseAuthFailed, smb.StepSignIn, "0xC000006D"},
		{"a file for a folder", right, events.DDrive, events.CauseFolderMissing, smb.StepList, ""},
		{"no USB drive", right, events.IBStorage, events.CauseDriveMissing, smb.StepShare, "0xC00000CC"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := look(t, patience, bothModes(samba.Addr(0), c.cred))[c.mode]
			v := judge(r)
			e := r.Error
			if e == nil {
				e = r.Drives[0].Error
			}
			if v.Cause != c.cause || e == nil || e.Step != c.step || e.NTStatus != c.ntStatus {
				t.Errorf("%s, %s: %+v", v.Cause, v.Detail, e)
			}
		})
	}
}

// TestSambaGuest: a server that takes every account for a guest's.
// TestSambaVouches: what a real server answers about an account of a domain is
// signed, and counts.
func TestSambaVouches(t *testing.T) {
	t.Parallel()
	samba := sambatest.Start(t, sambatest.Config{})
	for password, want := range map[string]smb.Answer{samba.Password: smb.AnswerAccepted, "wrong": smb.AnswerRefused} {
		o := smb.SignIn(t.Context(), smb.Options{}, smb.NewCredential(samba.User, password, "SHOPS"), samba.Addr(0))
		if o.Answer != want {
			t.Errorf("answer %d, want %d: %+v", o.Answer, want, o)
		}
	}
}

func TestSambaGuest(t *testing.T) {
	t.Parallel()
	samba := sambatest.Start(t, sambatest.Config{Options: []string{"map to guest = Bad User", "server signing = auto", "guest account = nobody"}})
	sambatest.Write(t, filepath.Join(samba.Dir(t, 0, "d$"), fleet.BackupFolder, "DB.bak"), 4096, time.Now())
	r := look(t, patience, bothModes(samba.Addr(0), smb.NewCredential("nobody-knows", "wrong", "")))[events.DDrive]
	if r.Error == nil || r.Error.Code != events.CauseAuthFailed {
		t.Errorf("%+v, %+v", r.Error, r.Drives)
	}
}

// TestSambaSpace compares free and total bytes with what the system itself
// says of the disk.
func TestSambaSpace(t *testing.T) {
	t.Parallel()
	samba := sambatest.Start(t, sambatest.Config{})
	dir := samba.Dir(t, 0, "d$")
	sambatest.Write(t, filepath.Join(dir, fleet.BackupFolder, "DB.bak"), 4096, time.Now())
	d := look(t, patience, bothModes(samba.Addr(0), smb.NewCredential(samba.User, samba.Password, "")))[events.DDrive].Drives[0]
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		t.Fatal(err)
	}
	if d.FreeBytes == nil || d.TotalBytes == nil {
		t.Fatalf("no space: %+v", d)
	}
	block := uint64(fs.Bsize)
	if total := fs.Blocks * block; !near(*d.TotalBytes, total) {
		t.Errorf("total %d, the system says %d", *d.TotalBytes, total)
	}
	// Others use the disk meanwhile, and a server may count what is kept for
	// the administrator.
	if *d.FreeBytes < fs.Bavail*block*9/10 || *d.FreeBytes > fs.Bfree*block*11/10 {
		t.Errorf("free %d, the system says %d to %d", *d.FreeBytes, fs.Bavail*block, fs.Bfree*block)
	}
}

func near(a, b uint64) bool { return a > b/100*99 && a < b/100*101 }

// TestSambaLargeFolder reads thousands of real files.
func TestSambaLargeFolder(t *testing.T) {
	t.Parallel()
	const count = 5000
	samba := sambatest.Start(t, sambatest.Config{})
	begin := time.Now().UTC().Truncate(time.Second).Add(-time.Hour)
	for i := range count {
		at := begin.Add(-time.Duration((i*7919)%count) * time.Second)
		sambatest.Write(t, filepath.Join(samba.Dir(t, 0, "d$"), fleet.BackupFolder, fmt.Sprintf("DB_%05d.bak", i)), 2048, at)
	}
	d := look(t, patience, bothModes(samba.Addr(0), smb.NewCredential(samba.User, samba.Password, "")))[events.DDrive].Drives[0]
	if d.Error != nil || d.FileCount != count || len(d.Files) != verdict.KeepBefore {
		t.Fatalf("%d files, kept %d: %+v", d.FileCount, len(d.Files), d.Error)
	}
	for i, f := range d.Files {
		if want := begin.Add(-time.Duration(i) * time.Second); !f.Modified.Equal(want) {
			t.Errorf("file %d is of %v, want %v", i, f.Modified, want)
		}
	}
}

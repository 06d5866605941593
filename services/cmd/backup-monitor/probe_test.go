package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"backupmonitor/services/internal/sambatest"
)

// TestProbeExplainsAndWritesNothing: one look at a real Samba.
func TestProbeExplainsAndWritesNothing(t *testing.T) {
	t.Parallel()
	samba := sambatest.Start(t, sambatest.Config{})
	now := time.Now()
	sambatest.Write(t, filepath.Join(samba.Dir(t, 0, "d$"), "BackupFull", "new.bak"), 5000, now.Add(-time.Hour))
	sambatest.Write(t, filepath.Join(samba.Dir(t, 0, "d$"), "BackupFull", "ahead.bak"), 5000, now.Add(300*time.Hour))
	s := newSettings(t, settings{"USER": samba.User, "PASS": samba.Password, "PROBE_TIMEOUT": "30s"})
	code, stdout, stderr := command(t, s, "", "probe", "X1", "--address", samba.Addr(0), "-v")
	if code != exitFailures { // there is no USB drive
		t.Errorf("exit code %d: %s", code, stderr)
	}
	for _, want := range []string{
		"connect", "negotiate", "sign_in", "signed in as " + samba.User, "share", "folder", "list",
		"d_drive: Successful (ok)", "new.bak  5000 bytes", "on D:", "at most 26h old, at least 1024 bytes",
		"the server's clock says", "GiB free", "ahead.bak", "after the limit: does not count",
		"ib_storage: Failed (drive_missing)", "there is no share e$",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is not in\n%s", want, stdout)
		}
	}
	if strings.Contains(stdout+stderr, samba.Password) {
		t.Error("the password is shown")
	}
	if _, err := os.Stat(s["DATA_DIR"]); err == nil {
		t.Error("a look at an address made a data directory")
	}
	if code, stdout, _ := command(t, s, "", "probe", "X1", "--address", samba.Addr(0), "--mode", "d_drive"); code != 0 || strings.Contains(stdout, "sign_in") {
		t.Errorf("one mode, not verbose: %d\n%s", code, stdout)
	}
}

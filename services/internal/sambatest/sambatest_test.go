package sambatest_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"backupmonitor/services/internal/sambatest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestOutletsByAddress looks with smbclient at two outlets of one server, which hold different files.
func TestOutletsByAddress(t *testing.T) {
	t.Parallel()
	smbclient := sambatest.Program(t, "smbclient")
	s := sambatest.Start(t, sambatest.Config{Addresses: []string{"127.0.0.1", "127.9.8.7"}})
	at := time.Date(2026, 3, 1, 22, 15, 0, 0, time.UTC)
	sambatest.Write(t, filepath.Join(s.Dir(t, 0, "d$"), "BackupFull", "first.bak"), 5<<30, at)
	sambatest.Write(t, filepath.Join(s.Dir(t, 1, "d$"), "BackupFull", "second.bak"), 4096, at)

	for i, want := range []string{"first.bak", "second.bak"} {
		out, err := look(t, smbclient, s, i, "d$", s.Password)
		if err != nil || !strings.Contains(out, want) || strings.Count(out, ".bak") != 1 {
			t.Errorf("outlet %d: %v, want only %s in:\n%s", i, err, want, out)
		}
	}
	if out, err := look(t, smbclient, s, 1, "e$", s.Password); err == nil || !strings.Contains(out, "NT_STATUS_BAD_NETWORK_NAME") {
		t.Errorf("share without a directory: %v\n%s", err, out)
	}
	if out, err := look(t, smbclient, s, 1, "d$", "wrong"); err == nil || !strings.Contains(out, "NT_STATUS_LOGON_FAILURE") {
		t.Errorf("wrong password: %v\n%s", err, out)
	}
}

func look(t *testing.T, smbclient string, s *sambatest.Server, i int, share, password string) (string, error) {
	t.Helper()
	host, port, err := net.SplitHostPort(s.Addr(i))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, smbclient, "//"+host+"/"+share, "-p", port, "-U", s.User+"%"+password, "-c", `ls BackupFull\*`)
	cmd.Env = append(os.Environ(), "TZ=UTC")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

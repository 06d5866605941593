// Package sambatest runs a real Samba server for tests: one smbd on a free port of loopback, standing for any number of
// outlets at addresses of 127.0.0.0/8. What an outlet's share holds is a directory below [Server.Root].
//
// It needs the programs smbd and pdbedit. Where they are missing the test is skipped with the reason, unless
// REQUIRE_REAL=1 makes that a failure. It runs as any user: the port is high, all of its files are its own, and the one
// account is that of the user who runs the test.
package sambatest

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// Config is what a server is to stand for; the zero value is one outlet at 127.0.0.1 with the usual drives.
type Config struct {
	// Addresses are addresses in 127.0.0.0/8, one for each outlet; empty means 127.0.0.1.
	Addresses []string
	// Shares are the shares of every outlet; empty means d$, e$, f$, g$, h$ and i$. A share whose directory is missing
	// is refused like one that does not exist, as a USB drive that is not plugged in.
	Shares []string
	// Options are further lines of the global section of smb.conf.
	Options []string
	// ShareOptions are further lines of the section of a share.
	ShareOptions map[string][]string
}

// Server is a running smbd. It is stopped when the test ends.
type Server struct {
	// User and Password are the one account.
	User, Password string
	// Root holds the directory <address>/<share> for each share there is.
	Root string
	// Port is the same for all addresses.
	Port      int
	addresses []string
	conf      string // smb.conf
}

// Start runs a server until the test ends. It fails the test if smbd does not come up, with what smbd said.
func Start(t testing.TB, config Config) *Server {
	t.Helper()
	smbd, pdbedit := find(t, "smbd"), find(t, "pdbedit")
	if len(config.Addresses) == 0 {
		config.Addresses = []string{"127.0.0.1"}
	}
	if len(config.Shares) == 0 {
		config.Shares = []string{"d$", "e$", "f$", "g$", "h$", "i$"}
	}
	s := &Server{Password: "samba-test", Root: t.TempDir(), addresses: config.Addresses}
	const attempts = 3 // another process may take the port between its choice and smbd's start
	for attempt := 1; ; attempt++ {
		err := s.run(t, config, smbd, pdbedit)
		if err == nil {
			return s
		}
		if attempt == attempts {
			t.Fatalf("start Samba: %v", err)
		}
		t.Logf("start Samba, attempt %d: %v", attempt, err)
	}
}

// Addr is where outlet i listens, as host:port.
func (s *Server) Addr(i int) string {
	return net.JoinHostPort(s.addresses[i], strconv.Itoa(s.Port))
}

// Dir makes the directory of a share of outlet i, if need be, and gives its path.
func (s *Server) Dir(t testing.TB, i int, share string) string {
	t.Helper()
	dir := filepath.Join(s.Root, s.addresses[i], share)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatalf("make share directory: %v", err)
	}
	return dir
}

// Accounts runs pdbedit, Samba's program for accounts and the policy for them, on the server's accounts.
func (s *Server) Accounts(t testing.TB, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), find(t, "pdbedit"), append([]string{"--configfile=" + s.conf}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("pdbedit %q: %v: %s", args, err, out)
	}
}

// Write makes a file of that size and time, and the directories above it. The file takes no room on the disk.
func Write(t testing.TB, path string, size int64, modified time.Time) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatalf("make directory: %v", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatalf("make file: %v", err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatalf("size file: %v", err)
	}
	if err := os.Chtimes(path, modified, modified); err != nil {
		t.Fatalf("date file: %v", err)
	}
}

// Program gives the path of a program of Samba, such as smbclient. Without it the test is skipped, or fails with
// REQUIRE_REAL=1.
func Program(t testing.TB, name string) string {
	t.Helper()
	return find(t, name)
}

func find(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath(filepath.Join("/usr/sbin", name))
	}
	switch {
	case err == nil:
	case os.Getenv("REQUIRE_REAL") == "1":
		t.Fatalf("%s is needed: %v", name, err)
	default:
		t.Skipf("%s is not installed", name)
	}
	return path
}

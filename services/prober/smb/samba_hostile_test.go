package smb_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/fleet"
	"backupmonitor/services/internal/sambatest"
	"backupmonitor/services/prober/smb"
)

// TestSambaAccounts: a real server tells why it lets an account in no more.
func TestSambaAccounts(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		spoil            func(t *testing.T, s *sambatest.Server)
		ntStatus, detail string
	}{
		"disabled": {func(t *testing.T, s *sambatest.Server) {
			s.Accounts(t, "--modify", "--user="+s.User, "--account-control=[D]")
		},
			"0xC0000072", "the account is disabled"},
		"locked out": {func(t *testing.T, s *sambatest.Server) {
			s.Accounts(t, "--account-policy=bad lockout attempt", "--value=2")
			for range 3 {
				look(t, patience, dOnlyAs(s.Addr(0), smb.NewCredential(s.User, "wrong", "")))
			}
		}, "0xC0000234", "the account is locked out"},
		"password expired": {func(t *testing.T, s *sambatest.Server) {
			s.Accounts(t, "--account-policy=maximum password age", "--value=1")
		}, "0xC0000071", "the password has expired"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := sambatest.Start(t, sambatest.Config{Options: []string{"passdb backend = tdbsam:" + filepath.Join(t.TempDir(), "passdb.tdb")}})
			sambatest.Write(t, filepath.Join(s.Dir(t, 0, "d$"), fleet.BackupFolder, "DB.bak"), 4096, time.Now())
			right := dOnlyAs(s.Addr(0), smb.NewCredential(s.User, s.Password, ""))
			if v := judge(look(t, patience, right)[events.DDrive]); v.Cause != events.CauseOK {
				t.Fatalf("before: %s: %s", v.Cause, v.Detail)
			}
			c.spoil(t, s)
			var e *events.LookError
			until(t, func() bool { // a password expires only after a second
				e = lookError(look(t, patience, right)[events.DDrive])
				return e != nil
			})
			if e.Code != events.CauseAuthFailed || e.NTStatus != c.ntStatus || !strings.HasSuffix(e.Detail, c.detail) {
				t.Errorf("%+v, want %s: %s", e, c.ntStatus, c.detail)
			}
		})
	}
}

// dOnlyAs is dOnly with another account.
func dOnlyAs(address string, cred smb.Credential) smb.Target {
	target := bothModes(address, cred)
	target.Places = target.Places[:1]
	return target
}

// TestSambaDenies: a share that is there and lets this account not in.
func TestSambaDenies(t *testing.T) {
	t.Parallel()
	s := sambatest.Start(t, sambatest.Config{ShareOptions: map[string][]string{"d$": {"valid users = nobody-else"}}})
	sambatest.Write(t, filepath.Join(s.Dir(t, 0, "d$"), fleet.BackupFolder, "DB.bak"), 4096, time.Now())
	e := lookError(look(t, patience, dOnlyAs(s.Addr(0), smb.NewCredential(s.User, s.Password, "")))[events.DDrive])
	if e == nil || e.Code != events.CauseAccessDenied || e.Step != smb.StepShare || e.NTStatus != "0xC0000022" {
		t.Errorf("%+v", e)
	}
}

// TestSambaDeniesTheFolder: the share lets the account in, the folder does not.
func TestSambaDeniesTheFolder(t *testing.T) {
	t.Parallel()
	var options map[string][]string
	if os.Geteuid() == 0 { // whom no mode keeps out
		options = map[string][]string{"d$": {"force user = nobody"}}
	}
	s := sambatest.Start(t, sambatest.Config{ShareOptions: options})
	dir := s.Dir(t, 0, "d$")
	sambatest.Write(t, filepath.Join(dir, fleet.BackupFolder, "DB.bak"), 4096, time.Now())
	for path := dir; len(path) >= len(filepath.Dir(s.Root)); path = filepath.Dir(path) {
		if err := os.Chmod(path, 0o755); err != nil { // others must get as far as the folder
			t.Fatal(err)
		}
	}
	folder := filepath.Join(dir, fleet.BackupFolder)
	if err := os.Chmod(folder, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(folder, 0o700) }) // so that it can be removed
	e := lookError(look(t, patience, dOnlyAs(s.Addr(0), smb.NewCredential(s.User, s.Password, "")))[events.DDrive])
	if e == nil || e.Code != events.CauseAccessDenied || e.Step != smb.StepFolder ||
		e.Detail != "signed in, but the server denied "+s.User+` access while opening D:\BackupFull` {
		t.Errorf("%+v", e)
	}
}

// TestSambaIsFull: a server that serves no more connections shuts the door
// before a word is said, and opens it again when there is room.
func TestSambaIsFull(t *testing.T) {
	t.Parallel()
	const most = 4 // a few of them are Samba's own
	s := sambatest.Start(t, sambatest.Config{Options: []string{fmt.Sprintf("max smbd processes = %d", most)}})
	sambatest.Write(t, filepath.Join(s.Dir(t, 0, "d$"), fleet.BackupFolder, "DB.bak"), 4096, time.Now())
	target := dOnlyAs(s.Addr(0), smb.NewCredential(s.User, s.Password, ""))
	isSeen := func() bool { return judge(look(t, patience, target)[events.DDrive]).Cause == events.CauseOK }
	until(t, isSeen)
	var others []net.Conn
	for range most {
		conn, err := net.Dial("tcp", s.Addr(0))
		if err != nil {
			t.Fatal(err)
		}
		others = append(others, conn)
	}
	defer func() {
		for _, conn := range others {
			_ = conn.Close() // a second time, as a rule
		}
	}()
	var e *events.LookError
	until(t, func() bool { e = lookError(look(t, patience, target)[events.DDrive]); return e != nil })
	if e.Code != events.CauseProtocolError || e.Step != smb.StepNegotiate || !strings.HasSuffix(e.Detail, "it may be full, or speak no SMB 2") {
		t.Errorf("%+v", e)
	}
	for _, conn := range others {
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
	}
	until(t, isSeen)
}

// TestSambaLongNames: names as long as a file system here can hold, 255 bytes,
// in many scripts.
func TestSambaLongNames(t *testing.T) {
	t.Parallel()
	s := sambatest.Start(t, sambatest.Config{})
	now := time.Now().UTC().Truncate(time.Second)
	want := map[string]bool{}
	for i, script := range []string{"x", "ß", "Ж", "Ω", "ع", "ש", "क", "ไ", "中", "한", "🗄", "e\u0301"} {
		name := strings.Repeat(script, (255-len(".bak"))/len(script)) + ".bak"
		want[name] = true
		sambatest.Write(t, filepath.Join(s.Dir(t, 0, "d$"), fleet.BackupFolder, name), 4096, now.Add(-time.Duration(i)*time.Minute))
	}
	d := look(t, patience, dOnlyAs(s.Addr(0), smb.NewCredential(s.User, s.Password, "")))[events.DDrive].Drives[0]
	if d.Error != nil || d.FileCount != len(want) {
		t.Fatalf("%d files, %+v", d.FileCount, d.Error)
	}
	for _, f := range d.Files {
		if !want[f.Name] {
			t.Errorf("%q", f.Name)
		}
	}
}

// TestSambaWhileWritten looks at a folder in which a backup is being written,
// and temporary files come and go: the backup of last night stays found.
func TestSambaWhileWritten(t *testing.T) {
	t.Parallel()
	s := sambatest.Start(t, sambatest.Config{})
	dir := filepath.Join(s.Dir(t, 0, "d$"), fleet.BackupFolder)
	const files = 1000
	for i := range files {
		sambatest.Write(t, filepath.Join(dir, fmt.Sprintf("log_%04d.trn", i)), 10, time.Now())
	}
	sambatest.Write(t, filepath.Join(dir, "DB_1.bak"), 1<<20, time.Now().Add(-3*time.Hour))
	done, written := make(chan struct{}), make(chan error)
	go func() {
		written <- func() error {
			backup, err := os.Create(filepath.Join(dir, "DB_2.bak"))
			if err != nil {
				return err
			}
			defer func() { _ = backup.Close() }()
			tick := time.NewTicker(200 * time.Microsecond)
			defer tick.Stop()
			for i := 0; ; i++ {
				select {
				case <-done:
					return nil
				case <-tick.C:
				}
				if _, err := backup.Write(make([]byte, 100)); err != nil {
					return err
				}
				temporary, moved := filepath.Join(dir, fmt.Sprintf("tmp_%d", i)), filepath.Join(dir, fmt.Sprintf("log_%04d.trn", i%files))
				if err := os.WriteFile(temporary, nil, 0o600); err != nil {
					return err
				}
				if err := os.Rename(temporary, moved); err != nil {
					return err
				}
			}
		}()
	}()
	target := dOnlyAs(s.Addr(0), smb.NewCredential(s.User, s.Password, ""))
	for range 10 {
		r := look(t, patience, target)[events.DDrive]
		v := judge(r)
		if v.Cause != events.CauseOK || r.Drives[0].FileCount > 2 || v.File.Name == "DB_2.bak" && v.File.Bytes < 1024 {
			t.Errorf("%s: %s: %+v", v.Cause, v.Detail, r)
		}
	}
	close(done)
	if err := <-written; err != nil {
		t.Error(err)
	}
}

// TestSambaSpeaksEveryDialect, encrypted too where there is encryption: what
// guards the conversation must not be in the way of an honest server.
func TestSambaSpeaksEveryDialect(t *testing.T) {
	t.Parallel()
	for _, encrypt := range []string{"off", "required"} {
		for _, dialect := range []string{"SMB2_02", "SMB2_10", "SMB3_00", "SMB3_02", "SMB3_11"} {
			if encrypt == "required" && dialect < "SMB3" {
				continue // there is none
			}
			t.Run(dialect+"/"+encrypt, func(t *testing.T) {
				t.Parallel()
				s := sambatest.Start(t, sambatest.Config{Options: []string{"server max protocol = " + dialect, "server smb encrypt = " + encrypt}})
				const files = 600 // more than one answer of the oldest dialect holds
				for i := range files {
					sambatest.Write(t, filepath.Join(s.Dir(t, 0, "d$"), fleet.BackupFolder, fmt.Sprintf("DB_%d.bak", i)), 4096, time.Now())
				}
				sambatest.Write(t, filepath.Join(s.Dir(t, 0, "h$"), fleet.BackupFolder, "DB.bak"), 4096, time.Now())
				for mode, r := range look(t, patience, bothModes(s.Addr(0), smb.NewCredential(s.User, s.Password, ""))) {
					if v := judge(r); v.Cause != events.CauseOK || mode == events.DDrive && r.Drives[0].FileCount != files {
						t.Errorf("%s: %s: %s", mode, v.Cause, v.Detail)
					}
				}
			})
		}
	}
}

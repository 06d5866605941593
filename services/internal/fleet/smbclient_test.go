package fleet_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"backupmonitor/services/internal/fleet"
	"backupmonitor/services/internal/sambatest"
)

// smbclient runs Samba's client against an address, and gives what it prints. Local time is UTC.
func smbclient(t *testing.T, addr, share, account string, args ...string) (string, error) {
	t.Helper()
	program := sambatest.Program(t, "smbclient")
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, append([]string{"//" + host + "/" + share, "-p", port, "-U", account}, args...)...)
	cmd.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func defaultAccount() string { return fleet.DefaultUser + "%" + fleet.DefaultPassword }

// line is what smbclient's ls prints of one entry.
type line struct {
	attributes string
	size       int64
	modified   time.Time // whole seconds
}

func parseLS(t *testing.T, out string) map[string]line {
	t.Helper()
	form := regexp.MustCompile(`(?m)^  (\S.*?) +([A-Z]*) +(\d+)  (\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4})$`)
	lines := map[string]line{}
	for _, match := range form.FindAllStringSubmatch(out, -1) {
		size, err := strconv.ParseInt(match[3], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		modified, err := time.Parse(time.ANSIC, match[4])
		if err != nil {
			t.Fatal(err)
		}
		lines[match[1]] = line{match[2], size, modified}
	}
	return lines
}

// TestSmbclientLists compares what Samba's client prints with the truth, in each protocol it speaks.
func TestSmbclientLists(t *testing.T) {
	t.Parallel()
	files := fleet.Files{
		{Name: "DB_B0001_20260314.bak", Size: 4 << 30, Modified: sample()}, {Name: "Größe 日本語 🗄.BAK", Size: 77, Modified: sample()},
		{Name: "empty.bak", Modified: time.Date(2001, 1, 2, 3, 4, 5, 0, time.UTC)},
	}
	for i := range 5000 {
		files = append(files, fleet.File{Name: fmt.Sprintf("log %05d.trn", i), Size: int64(i), Modified: sample().Add(time.Duration(i) * time.Minute)})
	}
	o := one(t, files)
	for _, protocol := range []string{"SMB2_02", "SMB2_10", "SMB3_00", "SMB3_02", "SMB3_11"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			out, err := smbclient(t, o.Addr(), "d$", defaultAccount(), "-m", protocol, "-c", `cd BackupFull; ls`)
			if err != nil {
				t.Fatalf("%v\n%.2000s", err, out)
			}
			lines := parseLS(t, out)
			if len(lines) != len(files)+2 || lines["."].attributes != "D" || lines[".."].attributes != "D" {
				t.Errorf("%d lines for %d files: %.500s", len(lines), len(files), out)
			}
			for _, file := range files {
				want := line{"A", file.Size, file.Modified.Truncate(time.Second)}
				if got := lines[file.Name]; got != want {
					t.Fatalf("%s is printed as %v, want %v", file.Name, got, want)
				}
			}
			if !strings.Contains(out, "1310720 blocks of size 4096. 786432 blocks available") {
				t.Errorf("space is wrong: %s", out[max(0, len(out)-200):])
			}
		})
	}
}

func TestSmbclientRest(t *testing.T) {
	t.Parallel()
	o := start(t, fleet.Options{}, fleet.Spec{Code: "B1", Truth: fleet.Truth{Drives: map[string]fleet.Drive{
		"d$": {Folders: map[string]fleet.Folder{
			"BackupFull": {Source: fleet.Files{{Name: "one.bak", Size: 70000, Modified: sample()}, {Name: "two.txt", Size: 1}}},
			`Data\Deep`:  {}, "Secret": {Refusal: 0xC0000022},
		}},
		"e$": {NoMedium: true}, "f$": {Refusal: 0xC0000022},
	}}}).Outlets()[0]
	get := t.TempDir() + "/one.bak"
	for name, test := range map[string]struct {
		share, account string
		args           []string
		want           string
		fails          bool
	}{
		"root":           {"d$", defaultAccount(), []string{"-c", "ls"}, "BackupFull", false},
		"implied folder": {"d$", defaultAccount(), []string{"-c", `ls DATA\*`}, "Deep", false},
		"any case":       {"D$", "BackupMonitor%" + fleet.DefaultPassword, []string{"-c", `ls backupfull\ONE.*`}, "one.bak", false},
		"question marks": {"d$", defaultAccount(), []string{"-c", `ls BackupFull\???.t?t`}, "two.txt", false},
		"old client":     {"d$", defaultAccount(), []string{"--option=client min protocol=NT1", "-c", "ls"}, "BackupFull", false},
		"all info":       {"d$", defaultAccount(), []string{"-c", `allinfo BackupFull\one.bak`}, "write_time:     Sat Mar 14 22:05:09 2026", false},
		"volume":         {"d$", defaultAccount(), []string{"-c", "volume"}, "Volume: |Outlet|", false},
		"content":        {"d$", defaultAccount(), []string{"-c", `get BackupFull\one.bak ` + get}, "of size 70000", false},
		"no match":       {"d$", defaultAccount(), []string{"-c", `ls BackupFull\*.none`}, "NT_STATUS_NO_SUCH_FILE", true},
		"no file":        {"d$", defaultAccount(), []string{"-c", `get BackupFull\none.bak /dev/null`}, "NT_STATUS_OBJECT_NAME_NOT_FOUND", true},
		"no folder":      {"d$", defaultAccount(), []string{"-c", `ls none\*`}, "NT_STATUS_OBJECT_NAME_NOT_FOUND", true},
		"no path":        {"d$", defaultAccount(), []string{"-c", `ls none\deeper\*`}, "NT_STATUS_OBJECT_PATH_NOT_FOUND", true},
		"no share":       {"x$", defaultAccount(), []string{"-c", "ls"}, "NT_STATUS_BAD_NETWORK_NAME", true},
		"no medium":      {"e$", defaultAccount(), []string{"-c", "ls"}, "NT_STATUS_NO_MEDIA_IN_DEVICE", true},
		"share denied":   {"f$", defaultAccount(), []string{"-c", "ls"}, "NT_STATUS_ACCESS_DENIED", true},
		"folder denied":  {"d$", defaultAccount(), []string{"-c", `ls Secret\*`}, "NT_STATUS_ACCESS_DENIED", true},
		"wrong password": {"d$", fleet.DefaultUser + "%wrong", []string{"-c", "ls"}, "NT_STATUS_LOGON_FAILURE", true},
		"wrong user":     {"d$", "nobody%" + fleet.DefaultPassword, []string{"-c", "ls"}, "NT_STATUS_LOGON_FAILURE", true},
		"nobody":         {"d$", "%", []string{"-c", "ls"}, "NT_STATUS_LOGON_FAILURE", true},
		"write":          {"d$", defaultAccount(), []string{"-c", `put /etc/hostname BackupFull\new`}, "NT_STATUS_ACCESS_DENIED", true},
		"delete":         {"d$", defaultAccount(), []string{"-c", `del BackupFull\one.bak`}, "NT_STATUS_ACCESS_DENIED", false},
		"rename":         {"d$", defaultAccount(), []string{"-c", `rename BackupFull\one.bak BackupFull\1.bak`}, "NT_STATUS_ACCESS_DENIED", true},
		"directory":      {"d$", defaultAccount(), []string{"-c", `mkdir New`}, "NT_STATUS_ACCESS_DENIED", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := smbclient(t, o.Addr(), test.share, test.account, test.args...)
			if !strings.Contains(out, test.want) || (err != nil) != test.fails {
				t.Errorf("%v, want %q in:\n%s", err, test.want, out)
			}
		})
	}
}

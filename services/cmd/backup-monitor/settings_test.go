package main

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"strings"
	"testing"
)

// TestSettingsAreTheLogs: the environment is the first state alone, the
// program says so, and applying it is a step of its own.
func TestSettingsAreTheLogs(t *testing.T) {
	t.Parallel()
	s := newSettings(t, settings{"BACKUP_MAX_AGE": "30h"})
	if _, stdout, _ := command(t, s, "", "settings"); !strings.Contains(stdout, "Nothing is stored yet") {
		t.Errorf("before the first start:\n%s", stdout)
	}
	_, stop := startUp(t, s)
	if code := stop(); code != 0 {
		t.Fatal(code)
	}
	other := maps.Clone(s)
	other["BACKUP_MAX_AGE"], other["SCAN_DAYS"] = "0", "Mon-Fri"
	for _, c := range []struct {
		args, want string
	}{
		{"settings", "BACKUP_MAX_AGE   30h0m0s"},
		{"settings apply --dry-run", "dry run: nothing was changed"},
		{"settings", "BACKUP_MAX_AGE   30h0m0s"},
		{"settings apply", "Now in force:"},
		{"settings", "BACKUP_MAX_AGE   0s"},
		{"settings", "SCAN_DAYS        Mon,Tue,Wed,Thu,Fri"},
		{"settings apply", "nothing was changed"},
		{"config", "first state only"},
	} {
		if code, stdout, stderr := command(t, other, "", strings.Fields(c.args)...); code != 0 || !strings.Contains(stdout, c.want) {
			t.Errorf("%s: %d\n%s%s, want %q", c.args, code, stdout, stderr, c.want)
		}
	}
}

// TestFailedStartKeepsNoSecret: a start that fails for its port has made no
// Admin whose password nobody saw.
func TestFailedStartKeepsNoSecret(t *testing.T) {
	t.Parallel()
	in, _ := startUp(t, newSettings(t, nil)) // takes a port
	s := newSettings(t, settings{"HTTP_ADDR": strings.TrimPrefix(in.base, "http://")})
	delete(s, "ADMIN_PASSWORD")
	if code, stdout, stderr := command(t, s, "", "up"); code != 1 || strings.Contains(stdout, "Password") {
		t.Fatalf("%d %s %s", code, stdout, stderr)
	}
	s["HTTP_ADDR"], s["OUTLETS_FILE"] = "127.0.0.1:0", outletsFile(t, "B1,not an address,")
	if code, stdout, stderr := command(t, s, "", "up"); code != 1 || strings.Contains(stdout, "Password") {
		t.Fatalf("%d %s %s", code, stdout, stderr)
	}
	s["ADMIN_PASSWORD"] = testPassword // accepted only if there is no Admin yet
	delete(s, "OUTLETS_FILE")
	startUp(t, s)
}

// TestReadingChangesNothing: without a running instance, commands that only
// read neither import OUTLETS_FILE nor look at anything.
func TestReadingChangesNothing(t *testing.T) {
	t.Parallel()
	s := newSettings(t, settings{"OUTLETS_FILE": outletsFile(t, "B0001,127.0.0.1:1,")})
	for _, args := range []string{"outlets list", "settings", "outlets import --dry-run " + s["OUTLETS_FILE"]} {
		if code, _, stderr := command(t, s, "", strings.Fields(args)...); code != 0 {
			t.Errorf("%s: %d %s", args, code, stderr)
		}
	}
	if code, _, stderr := command(t, s, "", "scan", "--date", "2026-02-30"); code != 1 {
		t.Errorf("%d %s", code, stderr)
	}
	if _, stdout, _ := command(t, s, "", "outlets", "list"); strings.Contains(stdout, "B0001") {
		t.Errorf("reading imported the outlets:\n%s", stdout)
	}
	for _, bad := range [][]string{{"scan", "--date", "x"}, {"scan", "--mode", "x"}, {"probe", "B1", "--mode", "x"}, {"outlets", "import", "none"}} {
		fresh := newSettings(t, nil)
		command(t, fresh, "", bad...)
		if _, err := os.Stat(fresh["DATA_DIR"]); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v made a data directory: %v", bad, err)
		}
	}
}

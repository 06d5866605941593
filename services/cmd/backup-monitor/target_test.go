package main

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"backupmonitor/services/internal/store/sqlserver/sqlservertest"
)

// TestReplayTakesNothingAway: what appears under the name meanwhile stays, and
// two replays into one name do not meet in one file.
func TestReplayTakesNothingAway(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "then.db")
	first, err := openTarget(t.Context(), "sqlite://"+path)
	if err != nil {
		t.Fatal(err)
	}
	second, err := openTarget(t.Context(), "sqlite://"+path)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := second.finish(true); err != nil {
		t.Fatal(err)
	}
	made, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.finish(true); err == nil || !strings.Contains(err.Error(), "has come to be meanwhile") {
		t.Errorf("error %v", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != string(made) {
		t.Errorf("the file is another, %v", err)
	}
	if _, err := openTarget(t.Context(), "sqlite://"+path); err == nil || !strings.Contains(err.Error(), "is there already") {
		t.Errorf("error %v", err)
	}
	if left, _ := filepath.Glob(path + ".*"); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

// TestReplayIntoSQLServer: into an empty database, once, and without a word of
// the password.
func TestReplayIntoSQLServer(t *testing.T) {
	t.Parallel()
	dsn := sqlservertest.Database(t)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal("no URL")
	}
	password, _ := u.User.Password()
	_, _, s := scannedFleet(t, 3)
	replay := func(code int, into string, want ...string) {
		t.Helper()
		got, stdout, stderr := command(t, s, "", "replay", "--into", into)
		if got != code {
			t.Errorf("exit code %d, want %d: %s%s", got, code, stdout, stderr)
		}
		for _, w := range want {
			if !strings.Contains(stdout+stderr, w) {
				t.Errorf("says\n%s%s\nwant %q", stdout, stderr, w)
			}
		}
		if strings.Contains(stdout+stderr, password) {
			t.Error("it tells the password")
		}
	}
	replay(0, dsn, "database "+u.Query().Get("database")+" on "+u.Host+" is as known at event")
	for _, has := range []string{"SELECT 1 / CASE WHEN COUNT(*) = 6 THEN 1 ELSE 0 END FROM MonitorHistory", "SELECT 1 / CASE WHEN COUNT(*) = 3 THEN 1 ELSE 0 END FROM D_Drive_Backup_Stat"} {
		sqlservertest.Exec(t, dsn, has)
	}
	replay(1, dsn, "has tables already")
	u.RawQuery = "encrypt=disable"
	replay(1, u.String(), "names no host or no database")
	replay(1, "sqlserver://jo:"+password+"@%zz", "is no address of a database")
}

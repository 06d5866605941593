package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"backupmonitor/services/internal/store/sqlserver/sqlservertest"
)

// oldRows are the tables of an older DBBAK, in words that every server takes:
// the words of then, a row of a day to come, an outlet that nobody registered.
func oldRows() []string {
	const columns = "(OutletServer NVARCHAR(50) NOT NULL, ScanDate DATE NOT NULL, Status NVARCHAR(50), LastBackupTaken DATETIME, BackupFile NVARCHAR(255), " +
		"BackupFileSize NVARCHAR(50), Duration NVARCHAR(50), ErrorDetails NVARCHAR(500)%s, PRIMARY KEY (OutletServer, ScanDate))"
	const into = "INSERT INTO %s VALUES "
	d, ib := fmt.Sprintf(into, "D_Drive_Backup_Stat"), fmt.Sprintf(into, "IB_Storage_Backup_Stat")
	return []string{
		"CREATE TABLE D_Drive_Backup_Stat " + fmt.Sprintf(columns, ""), "CREATE TABLE IB_Storage_Backup_Stat " + fmt.Sprintf(columns, ", DriveLetter NVARCHAR(10)"),
		d + "('B0001', '2024-07-02', 'Successful', '2024-07-01T23:10:00', 'a.bak', '2.45 GB', '1.2 s', 'N/A')",
		d + "('b0002', '2024-07-02', 'Error', NULL, 'N/A', 'N/A', 'N/A', 'timed out')",
		d + "('B0002', '2024-07-03', 'Error', NULL, 'N/A', 'N/A', 'N/A', 'timed out')",
		d + "('GONE', '2024-07-02', 'Successful', '2024-07-01T23:10:00', 'g.bak', '1.00 GB', '1.2 s', 'N/A')",
		d + "('B0001', '2199-01-01', 'Successful', NULL, 'z.bak', NULL, NULL, NULL)",
		ib + "('B0001', '2024-07-02', 'Successful', '2024-07-01T23:20:00', 'b.bak', '2.45 GB', '1.2 s', 'N/A', 'F')",
	}
}

// imported enters an older database without a running `up` and with one, again
// and again.
func imported(t *testing.T, from string, more func(t *testing.T, s settings)) {
	t.Helper()
	s := newSettings(t, settings{"OUTLETS_FILE": outletsFile(t, "B0001,127.0.0.1:1,One", "B0002,127.0.0.1:1,Two"), "LEGACY_TZ": "Europe/Berlin"})
	in, stop := startUp(t, s)
	run := func(args string, want ...string) {
		t.Helper()
		out := says(t, s, 0, "import-history --from "+from+args, want...)
		if strings.Contains(out, "Babel") {
			t.Errorf("it shows a password: %s", out)
		}
	}
	run(" --dry-run", "6 rows read: 5 would be entered (dry run: nothing was), 0 in the log already, 1 that cannot be entered left out.",
		"1 outlet with rows is not registered here: GONE (1).", `row of outlet "B0001" on 2199-01-01: its scan date is in the future`)
	if rows := in.rows("backup", "?date_from=2024-07-02&date_to=2024-07-02"); len(rows) != 0 {
		t.Errorf("a dry run entered %+v", rows)
	}
	run(" --registered-only", "6 rows read: 4 entered into the log, 0 in the log already, 1 of outlets that are not registered left out, 1 that cannot")
	in.caughtUp()
	rows := in.rows("backup", "?date_from=2024-07-02&date_to=2024-07-02")
	if len(rows) != 2 {
		t.Fatalf("rows %+v", rows)
	}
	taken := time.Date(2024, 7, 1, 21, 10, 0, 0, time.UTC) // summer time
	if r := rows[0]; r.OutletCode != "B0001" || r.Status != "Successful" || r.LastModified == nil || !r.LastModified.Equal(taken) || r.ErrorDetails != "" {
		t.Errorf("row %+v", r)
	}
	if r := rows[1]; r.Status != "Failed" || r.File != "" || r.ErrorDetails != "timed out" {
		t.Errorf("row %+v", r)
	}
	run("", "6 rows read: 1 entered into the log, 4 in the log already", "GONE (1)", "nothing is scanned for them")
	in.caughtUp()
	if rows := in.rows("backup", "?date_from=2024-07-02&date_to=2024-07-02"); len(rows) != 3 {
		t.Errorf("rows %+v", rows)
	}
	more(t, s)
	last := in.position()
	if code := stop(); code != 0 {
		t.Fatal(code)
	}
	run("", "6 rows read: 0 entered into the log, 5 in the log already")
	db := filepath.Join(s["DATA_DIR"], "backup-monitor.db")
	if n := ask(t, db, "SELECT COUNT(*) || ' ' || COUNT(DISTINCT EventID) FROM MonitorHistory"); n != "5 5" {
		t.Errorf("lines and events of history: %s, at %s", n, last)
	}
	if n := ask(t, db, "SELECT COUNT(*) FROM Outlets"); n != "2" {
		t.Errorf("%s outlets: one was invented", n)
	}
	// The tables of the log itself hold no history but what others wrote there.
	says(t, s, 0, "import-history --from "+db, "0 rows read: 0 entered")
	hurt(t, db, "INSERT INTO D_Drive_Backup_Stat (OutletServer, ScanDate, Status) VALUES ('B0001', '2019-01-01', 'Error')")
	says(t, s, 0, "import-history --from "+db, "1 row read: 1 entered")
}

// TestImportHistory from an SQLite file, which stays as it is.
func TestImportHistory(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "old.db")
	hurt(t, path, oldRows()...)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	imported(t, path, func(t *testing.T, s settings) {
		t.Helper()
		says(t, s, 0, "import-history --from sqlite://"+path, "5 in the log already")
	})
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("the older database is another, %v", err)
	}
}

// TestImportHistorySQLServer: the password is in the DSN, or comes by itself.
func TestImportHistorySQLServer(t *testing.T) {
	t.Parallel()
	dsn := sqlservertest.Database(t)
	sqlservertest.Exec(t, dsn, oldRows()...)
	imported(t, dsn, func(t *testing.T, s settings) {
		t.Helper()
		var password string
		bare := sqlservertest.With(t, dsn, func(u *url.URL) {
			password, _ = u.User.Password()
			u.User = url.User(u.User.Username())
		})
		code, out, errs := command(t, s, password+"\n", "import-history", "--from", bare)
		if code != 0 || !strings.Contains(out, "5 in the log already") {
			t.Errorf("code %d: %s%s", code, out, errs)
		}
		if code, out, errs := command(t, s, "wrong\n", "import-history", "--from", bare); code == 0 || strings.Contains(out+errs, "wrong\n") {
			t.Errorf("code %d: %s%s", code, out, errs)
		}
	})
}

// TestImportHistoryRefuses what it cannot read, in sentences, and never shows
// a password.
func TestImportHistoryRefuses(t *testing.T) {
	t.Parallel()
	s := newSettings(t, nil)
	text := filepath.Join(t.TempDir(), "no.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("this is no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for dsn, want := range map[string]string{
		"sqlserver://sa:s3cret@127.0.0.1:1?database=x":                "127.0.0.1",
		"sqlserver://sa:s3cret@127.0.0.1:1:2":                         "cannot be reached",
		"sqlserver://sa:s3cret%zz@h":                                  "--from",
		"sqlserver://h?password=s3cret":                               "--from",
		"sqlserver://sa:s3cret@h?TrustServerCertificate=true":         `no parameter "TrustServerCertificate"`,
		"sqlserver://sa:s3cret@h?encrypt=s3cret":                      "encrypt is",
		"sqlserver://sa:s3cret@h:1433/inst":                           "--from: ",
		"mysql://sa:s3cret@h/x":                                       "--from",
		"server=h;user id=sa;password=s3cret;database=DBBAK":          "connection string",
		filepath.Join(filepath.Dir(text), "nothing-here.db"):          "no such file",
		"sqlite://" + filepath.Join(filepath.Dir(text), "nothing.db"): "no such file",
		text: "no SQLite database",
	} {
		code, out, errs := command(t, s, "", "import-history", "--from", dsn)
		if code != 1 || !strings.Contains(errs, want) || strings.Contains(out+errs, "s3cret") {
			t.Errorf("%s: code %d, want %q: %s%s", dsn, code, want, out, errs)
		}
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(text), "nothing.db")); err == nil {
		t.Error("it made a database to read from")
	}
	empty := filepath.Join(t.TempDir(), "empty.db")
	hurt(t, empty, "CREATE TABLE other (x)")
	says(t, s, 0, "import-history --from "+empty, "0 rows read: 0 entered")
}

// TestImportHistoryNeedsRoom: as many rows of another database in the log make no
// room for those of this one; with more room the import goes on.
func TestImportHistoryNeedsRoom(t *testing.T) {
	t.Parallel()
	s := newSettings(t, settings{"EVENTS_MAX_BYTES": "1MiB"})
	for i, code := range []string{"A", "B"} {
		path := filepath.Join(t.TempDir(), "old.db")
		hurt(t, path, oldRows()[0], fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
			INSERT INTO D_Drive_Backup_Stat (OutletServer, ScanDate, Status, BackupFile) SELECT '%s' || i, '2024-07-02', 'Successful', '%s' FROM n`,
			code, strings.Repeat("long", 25)))
		if i == 0 {
			says(t, s, 0, "import-history --from "+path, "1000 rows read: 1000 entered into the log")
			continue
		}
		says(t, s, 1, "import-history --dry-run --from "+path, "1000 would be entered", "too little room", "set EVENTS_MAX_BYTES higher")
		says(t, s, 1, "import-history --from "+path, "too little room", "set EVENTS_MAX_BYTES higher", "nothing was entered")
		s["EVENTS_MAX_BYTES"] = "16MiB"
		says(t, s, 0, "import-history --from "+path, "1000 rows read: 1000 entered into the log, 0 in the log already")
	}
}

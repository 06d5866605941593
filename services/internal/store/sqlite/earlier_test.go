package sqlite_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
	"backupmonitor/services/internal/store/sqlite"
)

// TestEarlierRows: tables that were there are used as they are, and what
// older versions wrote into them is understood.
func TestEarlierRows(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "monitor.db")
	exec1(t, path, `CREATE TABLE D_Drive_Backup_Stat (OutletServer TEXT, ScanDate DATE, Status TEXT, LastBackupTaken DATETIME,
		BackupFile TEXT, BackupFileSize TEXT, Duration TEXT, ErrorDetails TEXT, Remark TEXT DEFAULT 'kept', PRIMARY KEY (OutletServer, ScanDate))`)
	const insert = "INSERT INTO D_Drive_Backup_Stat VALUES "
	exec1(t, path, insert+`('Café', '2025-03-01', 'Successful', '2025-02-28 23:10:00.500', 'a.bak', '2.45 GB', '1.20 s', 'N/A', 'kept')`)
	exec1(t, path, insert+`('OUT002', '2025-03-01', 'Error', 'N/A', 'N/A', 'N/A', 'N/A', 'timed out', 'kept')`)
	exec1(t, path, `CREATE TABLE Outlets (OutletCode TEXT PRIMARY KEY, IPAddress TEXT, OutletName TEXT, ActiveDepot TEXT, Region TEXT)`)
	exec1(t, path, `INSERT INTO Outlets VALUES ('café', '192.0.2.1', 'North', 'y', 'R1'), ('OUT002', '192.0.2.2', NULL, 'N', 'R2')`)
	s := open(t, path)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	exec1(t, path, insert+`('OUT003', '2025-03-01', 'Error', NULL, NULL, NULL, NULL, NULL, 'kept')`) // by another program, later

	rows := rowsOf(t, s, store.Query{Mode: events.DDrive})
	if len(rows) != 3 {
		t.Fatalf("%d rows, want 3", len(rows))
	}
	cafe, out2, out3 := rows[0], rows[1], rows[2]
	taken := time.Date(2025, 2, 28, 23, 10, 0, 0, time.UTC)
	if cafe.Status != events.Successful || !cafe.Conclusive || cafe.ErrorDetails != "" || cafe.LastBackupTaken == nil ||
		!cafe.LastBackupTaken.Equal(taken) || cafe.Server != "192.0.2.1" || cafe.OutletName != "North" || cafe.Evidence != events.EvidenceImported {
		t.Errorf("successful row read as %+v", cafe)
	}
	for _, r := range []store.Row{out2, out3} {
		if r.Status != events.Failed || r.Conclusive || r.Cause != "" || r.LastBackupTaken != nil || r.BackupFile != "" ||
			r.BackupFileSize != "" || r.Evidence != events.EvidenceImported || r.EventID != "" {
			t.Errorf("failed row read as %+v", r)
		}
	}
	if out2.ErrorDetails != "timed out" || out2.Server != "192.0.2.2" {
		t.Errorf("failed row read as %+v", out2)
	}
	if n := len(rowsOf(t, s, store.Query{Mode: events.DDrive, Status: events.Failed})); n != 2 {
		t.Errorf("%d failed rows, want 2", n)
	}
	sum, err := s.Summary(t.Context(), store.Query{Mode: events.DDrive})
	if err != nil || len(sum) != 1 || sum[0] != (store.DaySummary{ScanDate: "2025-03-01", Total: 3, Successful: 1, Failed: 2}) {
		t.Errorf("summary %+v, %v", sum, err)
	}

	var b store.Batch
	b.New = store.Checkpoint{Stream: "s", Seq: 3}
	for i, outlet := range []string{"CAFÉ", "out002", "OUT003"} {
		b.Looks = append(b.Looks, store.Look{
			EventID: outlet, Seq: uint64(i + 1), Stored: taken, Mode: events.DDrive, Outlet: outlet, ScanDate: "2025-03-01",
			Status: events.Failed, Cause: events.CauseTimeout, Evidence: events.EvidenceNone,
		})
	}
	b.Outlets = []store.Outlet{{Code: "Out002", Address: "192.0.2.22", Active: true, Source: events.SourceUser, Seq: 9}}
	if err := s.Apply(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	for i, r := range rowsOf(t, s, store.Query{Mode: events.DDrive}) {
		if r.EventID != "" || r.Outlet != rows[i].Outlet {
			t.Errorf("a look that saw nothing replaced the earlier row: %+v", r)
		}
	}
	b.Old, b.New.Seq, b.Outlets = b.New, 6, nil
	for i := range b.Looks {
		b.Looks[i].EventID += "2"
		b.Looks[i].Seq += 3
		b.Looks[i].Cause, b.Looks[i].Conclusive, b.Looks[i].Evidence = events.CauseStale, true, events.EvidenceFull
	}
	if err := s.Apply(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	rows = rowsOf(t, s, store.Query{Mode: events.DDrive})
	if len(rows) != 3 || rows[0].Outlet != "CAFÉ" || rows[1].Outlet != "out002" || rows[0].Cause != events.CauseStale {
		t.Errorf("after looks of the day: %+v", rows)
	}
	var kept int
	ask(t, path, "SELECT (SELECT COUNT(*) FROM D_Drive_Backup_Stat WHERE Remark = 'kept') * 10 + (SELECT COUNT(*) FROM Outlets WHERE OutletCode = 'Out002' AND Region = 'R2')", &kept)
	if kept != 31 {
		t.Errorf("columns that are not ours: %d, want those of 3 rows and 1 outlet kept", kept)
	}
}

// TestEarlierRowsOfOneKey: SQLite let older versions write one outlet's day
// twice; a look makes one row of them where their spellings meet.
func TestEarlierRowsOfOneKey(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "monitor.db")
	s := open(t, path)
	exec1(t, path, `CREATE TABLE D_Drive_Backup_Stat (OutletServer TEXT, ScanDate DATE, Status TEXT, LastBackupTaken DATETIME,
		BackupFile TEXT, BackupFileSize TEXT, Duration TEXT, ErrorDetails TEXT, PRIMARY KEY (OutletServer, ScanDate))`)
	exec1(t, path, "INSERT INTO D_Drive_Backup_Stat (OutletServer, ScanDate, Status) VALUES ('OUT1', '2025-03-01', 'Error'), ('out1', '2025-03-01', 'Error')")
	exec1(t, path, "CREATE TABLE Outlets (OutletCode TEXT PRIMARY KEY, IPAddress TEXT, OutletName TEXT, ActiveDepot TEXT)")
	exec1(t, path, "INSERT INTO Outlets VALUES ('OUT1', '', '', 'Y'), ('out1', '', '', 'Y')")
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := s.Apply(t.Context(), store.Batch{
		New: store.Checkpoint{Stream: "s", Seq: 2},
		Looks: []store.Look{{
			EventID: "e", Seq: 1, Mode: events.DDrive, Outlet: "out1", ScanDate: "2025-03-01", Status: events.Successful,
			Cause: events.CauseOK, Conclusive: true, Evidence: events.EvidenceFull,
		}},
		Outlets: []store.Outlet{{Code: "out1", Active: true, Source: events.SourceUser, Seq: 2}},
	})
	if err != nil {
		t.Fatal(err)
	}
	rows := rowsOf(t, s, store.Query{Mode: events.DDrive})
	outlets, err := s.ActiveOutlets(t.Context())
	if err != nil || len(outlets) != 1 || len(rows) != 1 || rows[0].Outlet != "out1" || rows[0].Status != events.Successful {
		t.Errorf("rows %+v, outlets %+v, %v", rows, outlets, err)
	}
}

// TestEarlierRowsOfNoDay: SQLite lets a column hold anything. What is no scan date
// keeps no other row from being read, and is counted and read by itself.
func TestEarlierRowsOfNoDay(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "old.db")
	exec1(t, path, `CREATE TABLE D_Drive_Backup_Stat (OutletServer TEXT, ScanDate DATE, Status TEXT, LastBackupTaken DATETIME,
		BackupFile TEXT, BackupFileSize TEXT, Duration TEXT, ErrorDetails TEXT)`)
	exec1(t, path, `INSERT INTO D_Drive_Backup_Stat (OutletServer, ScanDate, Status, LastBackupTaken, Duration) VALUES
		('A1', NULL, 'Error', NULL, NULL), ('A2', 20250301, 'Error', 5, 1.5), ('A3', '', NULL, X'00FF', X'01'),
		(NULL, '2025-03-01', 7, NULL, NULL), ('A5', '2025-03-01', 'Error', NULL, NULL), ('A6', 'N/A', 'Error', NULL, NULL), ('A7', 2025.5, 'Error', NULL, NULL)`)
	e, err := sqlite.OpenEarlier(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}()
	days, err := e.EarlierDays(t.Context(), events.DDrive)
	if want := []store.EarlierDay{{ScanDate: "", Rows: 4}, {ScanDate: "2025-03-01", Rows: 2}, {ScanDate: "N/A", Rows: 1}}; err != nil || !slices.Equal(days, want) {
		t.Fatalf("days %+v, %v; want %+v", days, err, want)
	}
	for _, span := range []struct {
		from, to events.Date
		want     string
	}{{"", "", "[A1  A2 20250301 A3  A7 2025.5]"}, {"2025-03-01", "N/A", "[ 2025-03-01 A5 2025-03-01 A6 N/A]"}} {
		rows, err := e.EarlierRows(t.Context(), events.DDrive, span.from, span.to)
		var got []string
		for _, r := range rows {
			got = append(got, r.Outlet+" "+string(r.ScanDate))
		}
		slices.Sort(got)
		if err != nil || fmt.Sprint(got) != span.want {
			t.Errorf("from %q: %q, %v; want %s", span.from, got, err, span.want)
		}
	}
}

// TestUserPutInByHand: an administrator's INSERT is enough.
func TestUserPutInByHand(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "monitor.db")
	s := open(t, path)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	exec1(t, path, "INSERT INTO UserManager (UserID, UserName, UserType, Password, Status) VALUES ('Jo', 'Jo', 's ', 'hash ', 'y')")
	u, err := s.User(t.Context(), "Jo")
	if err != nil || u.Type != "S" || !u.Active || u.PasswordHash != "hash" || u.LoginFalseAttempt != 0 {
		t.Fatalf("%+v, %v", u, err)
	}
	if n, err := s.SignInFailed(t.Context(), "Jo", nil); err != nil || n != 1 {
		t.Fatalf("count %d, %v", n, err)
	}
	if ok, err := s.SignedIn(t.Context(), "Jo", time.Now(), 5); err != nil || !ok {
		t.Fatalf("signed in %t, %v", ok, err)
	}
}

// TestTimesOfATokenThatCannotBeRead close it: whatever they were, they were to
// end it.
func TestTimesOfATokenThatCannotBeRead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "monitor.db")
	s := open(t, path)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, column := range []string{"ExpiresAt", "RevokedAt"} {
		for i, text := range []string{"10000-01-01 11:59:59.000000", "N/A", ""} {
			id := fmt.Sprint(column, i)
			if err := s.AddAPIToken(t.Context(), store.APIToken{ID: id, Name: "x", Scope: "read", Hash: "h", CreatedAt: time.Now()}); err != nil {
				t.Fatal(err)
			}
			exec1(t, path, fmt.Sprintf("UPDATE MonitorAPIToken SET %s = '%s' WHERE TokenID = '%s'", column, text, id))
			token, err := s.APIToken(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			at := map[string]*time.Time{"ExpiresAt": token.ExpiresAt, "RevokedAt": token.RevokedAt}[column]
			if at == nil || at.After(time.Now()) {
				t.Errorf("%s %q is read as %v", column, text, at)
			}
		}
	}
	if _, err := s.APITokens(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestPreviousVersion: a database of this program's version 1 has no days
// counted.
func TestPreviousVersion(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "monitor.db")
	s := open(t, path)
	first, err := os.ReadFile("migrations/001_tables.sql")
	if err != nil {
		t.Fatal(err)
	}
	exec1(t, path, string(first))
	exec1(t, path, "CREATE TABLE MonitorSchema (Version INTEGER NOT NULL PRIMARY KEY, AppliedAt TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP)")
	exec1(t, path, "INSERT INTO MonitorSchema (Version) VALUES (1)")
	for _, day := range []string{"2025-03-01", "2025-03-02"} {
		for i, outlet := range []string{"OUT1", "OUT2", "OUT3"} {
			status, evidence := "Successful", 3
			if i == 2 {
				status, evidence = "Failed", 0
			}
			exec1(t, path, fmt.Sprintf("INSERT INTO D_Drive_Backup_Stat (OutletServer, ScanDate, Status) VALUES ('%s', '%s', '%s')", outlet, day, status))
			exec1(t, path, fmt.Sprintf(`INSERT INTO MonitorStat (Mode, OutletKey, ScanDate, OutletServer, EventID, Seq, Evidence, Cause, Conclusive)
				VALUES ('d_drive', '%[1]s', '%[2]s', '%[1]s', '%[1]s%[2]s', 1, %[3]d, 'ok', 1)`, outlet, day, evidence))
		}
	}
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	sum, err := s.Summary(t.Context(), store.Query{Mode: events.DDrive})
	want := []store.DaySummary{
		{ScanDate: "2025-03-02", Total: 3, Successful: 2, Failed: 1, NotObserved: 1}, {ScanDate: "2025-03-01", Total: 3, Successful: 2, Failed: 1, NotObserved: 1},
	}
	if err != nil || !slices.Equal(sum, want) {
		t.Errorf("summary %+v, %v; want %+v", sum, err, want)
	}
	var counted int
	ask(t, path, "SELECT COUNT(*) FROM MonitorDay WHERE Counted = 1", &counted)
	if counted != 1 {
		t.Errorf("%d days are counted, want all but the newest", counted)
	}
}

// TestKeptDays: in a database of version 3, which does not keep how far a day's
// counts reach, that is found out.
func TestKeptDays(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "monitor.db")
	s := open(t, path)
	for _, name := range []string{"001_tables.sql", "002_days.sql", "003_access.sql"} {
		text, err := os.ReadFile("migrations/" + name)
		if err != nil {
			t.Fatal(err)
		}
		exec1(t, path, string(text))
	}
	exec1(t, path, "CREATE TABLE MonitorSchema (Version INTEGER NOT NULL PRIMARY KEY, AppliedAt TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP)")
	exec1(t, path, "INSERT INTO MonitorSchema (Version) VALUES (1), (2), (3)")
	for _, r := range []struct {
		outlet, day, stands, said string
		seq                       int
		evidence                  int
	}{
		{"OUT1", "2025-03-01", "Successful", "Successful", 3, 3},
		{"OUT2", "2025-03-01", "Failed", "Failed", 9, 0},
		{"OUT1", "2025-03-02", "Successful", "Failed", 4, 3}, // another program has changed it
		{"OUT1", "2025-03-03", "Successful", "Successful", 5, 3},
		{"OUT2", "2025-03-03", "Failed", "", 0, 2},       // from before the log
		{"OUT1", "2025-03-04", "Failed", "Failed", 7, 3}, // the newest, which is not counted
	} {
		id := ""
		if r.said != "" {
			id = fmt.Sprint("e", r.seq)
			exec1(t, path, fmt.Sprintf(`INSERT INTO MonitorHistory (Seq, EventID, Stored, Mode, OutletKey, OutletServer, ScanDate, Status, Cause, Conclusive, Evidence)
				VALUES (%d, '%s', '2025-03-05T00:00:00Z', 'd_drive', '%[3]s', '%[3]s', '%s', '%s', '', 1, %d)`, r.seq, id, r.outlet, r.day, r.said, r.evidence))
		}
		exec1(t, path, fmt.Sprintf("INSERT INTO D_Drive_Backup_Stat (OutletServer, ScanDate, Status) VALUES ('%s', '%s', '%s')", r.outlet, r.day, r.stands))
		exec1(t, path, fmt.Sprintf(`INSERT INTO MonitorStat (Mode, OutletKey, ScanDate, OutletServer, EventID, Seq, Evidence, Cause, Conclusive)
			VALUES ('d_drive', '%[1]s', '%[2]s', '%[1]s', '%[3]s', %[4]d, %[5]d, '', 1)`, r.outlet, r.day, id, r.seq, r.evidence))
		exec1(t, path, fmt.Sprintf(`INSERT INTO MonitorDay (Mode, ScanDate, Total, Successful, NotObserved, Counted)
			VALUES ('d_drive', '%s', 1, 1, 0, %t) ON CONFLICT DO UPDATE SET Total = 2, NotObserved = 1`, r.day, r.day != "2025-03-04"))
	}
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for day, want := range map[string]int{"2025-03-01": 9, "2025-03-02": 0, "2025-03-03": 0, "2025-03-04": 0} {
		var last int
		ask(t, path, fmt.Sprintf("SELECT COALESCE(LastSeq, 0) FROM MonitorDay WHERE ScanDate = '%s'", day), &last)
		if last != want {
			t.Errorf("the counts of %s reach from %d, want %d", day, last, want)
		}
	}
	for seq, want := range map[uint64][]store.DaySummary{
		8: {{ScanDate: "2025-03-04", Total: 1, Failed: 1}, {ScanDate: "2025-03-03", Total: 1, Successful: 1}, {ScanDate: "2025-03-02", Total: 1, Failed: 1},
			{ScanDate: "2025-03-01", Total: 1, Successful: 1}},
		9: {{ScanDate: "2025-03-04", Total: 1, Failed: 1}, {ScanDate: "2025-03-03", Total: 1, Successful: 1}, {ScanDate: "2025-03-02", Total: 1, Failed: 1},
			{ScanDate: "2025-03-01", Total: 2, Successful: 1, Failed: 1, NotObserved: 1}},
	} {
		if sum, err := s.Summary(t.Context(), store.Query{Mode: events.DDrive, AsOf: &seq}); err != nil || !slices.Equal(sum, want) {
			t.Errorf("as of %d: %+v, %v; want %+v", seq, sum, err, want)
		}
	}
}

package sqlserver_test

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
	"backupmonitor/services/internal/store/sqlserver/sqlservertest"
)

// TestKeptDays: in a database of version 2, which does not keep how far a day's
// counts reach, that is found out.
func TestKeptDays(t *testing.T) {
	t.Parallel()
	dsn := sqlservertest.Database(t)
	var past []string
	for _, name := range []string{"001_tables.sql", "002_access.sql"} {
		text, err := os.ReadFile("migrations/" + name)
		if err != nil {
			t.Fatal(err)
		}
		past = append(past, strings.Split(string(text), "\nGO\n")...)
	}
	past = append(past, "CREATE TABLE dbo.MonitorSchema (Version INT NOT NULL PRIMARY KEY, AppliedAt DATETIME2(0) NOT NULL DEFAULT SYSUTCDATETIME())",
		"INSERT INTO dbo.MonitorSchema (Version) VALUES (1), (2)")
	for _, r := range []struct {
		outlet, day, stands, said string
		seq, evidence             int
	}{
		{"OUT1", "2025-03-01", "Successful", "Successful", 3, 3},
		{"OUT2", "2025-03-01", "Failed", "Failed", 9, 0},
		{"OUT1", "2025-03-02", "Successful", "Failed", 4, 3}, // another program has changed it
		{"OUT1", "2025-03-03", "Successful", "Successful", 5, 3},
		{"OUT2", "2025-03-03", "Failed", "", 0, 2},       // from before the log
		{"OUT1", "2025-03-04", "Failed", "Failed", 7, 3}, // the newest, which is not counted
	} {
		if r.said != "" {
			past = append(past, fmt.Sprintf(`INSERT INTO dbo.MonitorHistory (Seq, EventHash, EventID, Stored, Mode, OutletKey, OutletServer, ScanDate, Status,
				Cause, Conclusive, Evidence) VALUES (%d, '%[1]d', 'e', '2025-03-05', 'd_drive', '%[2]s', '%[2]s', '%s', '%s', '', 1, %d)`,
				r.seq, r.outlet, r.day, r.said, r.evidence))
		}
		past = append(past, fmt.Sprintf("INSERT INTO dbo.D_Drive_Backup_Stat (OutletServer, ScanDate, Status) VALUES ('%s', '%s', '%s')", r.outlet, r.day, r.stands),
			fmt.Sprintf(`INSERT INTO dbo.MonitorStat (Mode, OutletKey, ScanDate, OutletServer, EventID, Seq, Evidence, Cause, Conclusive)
				VALUES ('d_drive', '%[1]s', '%[2]s', '%[1]s', '%[3]s', %[4]d, %[5]d, '', 1)`, r.outlet, r.day, strings.Repeat("e", min(1, r.seq)), r.seq, r.evidence))
	}
	past = append(past, `INSERT INTO dbo.MonitorDay (Mode, ScanDate, Total, Successful, NotObserved, Counted)
		VALUES ('d_drive', '2025-03-01', 2, 1, 1, 1), ('d_drive', '2025-03-02', 1, 1, 0, 1), ('d_drive', '2025-03-03', 2, 1, 0, 1), ('d_drive', '2025-03-04', 0, 0, 0, 0)`)
	sqlservertest.Exec(t, dsn, past...)
	s := open(t, dsn)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	// What is kept is told from what is folded by the total, which the history has not.
	sqlservertest.Exec(t, dsn, "UPDATE dbo.MonitorDay SET Total = Total + 100")
	for seq, kept := range map[uint64]int{8: 1, 9: 102} {
		want := []store.DaySummary{
			{ScanDate: "2025-03-04", Total: 1, Failed: 1}, {ScanDate: "2025-03-03", Total: 1, Successful: 1}, {ScanDate: "2025-03-02", Total: 1, Failed: 1},
			{ScanDate: "2025-03-01", Total: kept, Successful: 1, Failed: kept - 1, NotObserved: cmp.Compare(kept, 1)},
		}
		if sum, err := s.Summary(t.Context(), store.Query{Mode: events.DDrive, AsOf: &seq}); err != nil || !slices.Equal(sum, want) {
			t.Errorf("as of %d: %+v, %v; want %+v", seq, sum, err, want)
		}
	}
}

// TestEarlierRowsOfNoDay: where the scan dates are texts, what is none of them keeps
// no other row from being read, and is counted and read by itself.
func TestEarlierRowsOfNoDay(t *testing.T) {
	t.Parallel()
	dsn := sqlservertest.Database(t)
	sqlservertest.Exec(t, dsn, `CREATE TABLE dbo.D_Drive_Backup_Stat (OutletServer NVARCHAR(50), ScanDate VARCHAR(20), Status NVARCHAR(50),
			LastBackupTaken DATETIME, BackupFile NVARCHAR(255), BackupFileSize NVARCHAR(50), Duration NVARCHAR(50), ErrorDetails NVARCHAR(500))`,
		`INSERT INTO dbo.D_Drive_Backup_Stat (OutletServer, ScanDate, Status) VALUES ('A1', NULL, 'Error'), ('A2', 'N/A', 'Error'), ('A3', '2025-03-01', 'Error')`)
	s := open(t, dsn)
	days, err := s.EarlierDays(t.Context(), events.DDrive)
	slices.SortFunc(days, func(a, b store.EarlierDay) int { return cmp.Compare(a.ScanDate, b.ScanDate) })
	if want := []store.EarlierDay{{ScanDate: "", Rows: 2}, {ScanDate: "2025-03-01", Rows: 1}}; err != nil || !slices.Equal(days, want) {
		t.Fatalf("days %+v, %v; want %+v", days, err, want)
	}
	for _, d := range days {
		rows, err := s.EarlierRows(t.Context(), events.DDrive, d.ScanDate, d.ScanDate)
		if err != nil || len(rows) != d.Rows || rows[0].ScanDate != d.ScanDate {
			t.Errorf("of %q: %+v, %v", d.ScanDate, rows, err)
		}
	}
}

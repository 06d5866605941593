package sqlserver_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
	"backupmonitor/services/internal/store/sqlserver/sqlservertest"
)

// statTable is the D drive's as another program may have made it.
func statTable(key, taken, file, more string) string {
	return fmt.Sprintf(`CREATE TABLE D_Drive_Backup_Stat (OutletServer %s NOT NULL, ScanDate DATE NOT NULL, Status NVARCHAR(50), LastBackupTaken DATETIME %s,
		BackupFile %s, BackupFileSize NVARCHAR(50), Duration NVARCHAR(50), ErrorDetails NVARCHAR(500) %s, PRIMARY KEY (OutletServer, ScanDate))`, key, taken, file, more)
}

// TestTablesThatCannotBeUsed are refused with the column's name before anything
// is made: else the first event that does not fit would stop all behind it.
func TestTablesThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	dsn := sqlservertest.Database(t)
	for name, x := range map[string]struct{ made, want string }{
		"narrow key":       {statTable("VARCHAR(20)", "NULL", "NVARCHAR(255)", ""), "OutletServer of dbo.D_Drive_Backup_Stat has 20 characters and needs 50"},
		"a key of numbers": {statTable("INT", "NULL", "NVARCHAR(255)", ""), "OutletServer of dbo.D_Drive_Backup_Stat is of type int"},
		"a time there must be": {
			statTable("NVARCHAR(50)", "NOT NULL", "NVARCHAR(255)", ""), "LastBackupTaken of dbo.D_Drive_Backup_Stat does not take NULL",
		},
		"a column of others": {
			statTable("NVARCHAR(50)", "NULL", "NVARCHAR(255)", ", Region INT NOT NULL"), "region of dbo.D_Drive_Backup_Stat does not take NULL and has no default",
		},
		"narrow outlets": {
			"CREATE TABLE Outlets (OutletCode NVARCHAR(10) NOT NULL PRIMARY KEY, IPAddress NVARCHAR(50), OutletName NVARCHAR(100), ActiveDepot CHAR(1))",
			"OutletCode of dbo.Outlets has 10 characters and needs 50",
		},
		"no column": {
			"CREATE TABLE Outlets (OutletCode NVARCHAR(50) NOT NULL PRIMARY KEY, IPAddress NVARCHAR(50), OutletName NVARCHAR(100))",
			"ActiveDepot of dbo.Outlets is not there",
		},
	} {
		sqlservertest.Exec(t, dsn, x.made)
		s := open(t, dsn)
		err := s.Migrate(t.Context())
		if !errors.Is(err, store.ErrRefused) || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(x.want)) {
			t.Errorf("%s: error %v, want that %s", name, err, x.want)
		}
		if reason := store.Reason(err, ""); reason == "" || strings.Contains(reason, "dbo") {
			t.Errorf("%s: reason %q", name, reason)
		}
		if err := s.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "version 0") {
			t.Errorf("%s: the database is %v, want it untouched", name, err)
		}
		sqlservertest.Exec(t, dsn, "DROP TABLE IF EXISTS D_Drive_Backup_Stat", "DROP TABLE IF EXISTS Outlets")
	}
}

// TestTablesThatAreUsedAsTheyAre: texts that must be there are written empty, a
// default is left to the server, and an id that is too long for us is that of a
// user all the same.
func TestTablesThatAreUsedAsTheyAre(t *testing.T) {
	t.Parallel()
	dsn := sqlservertest.Database(t)
	long := strings.Repeat("x", 35)
	sqlservertest.Exec(t, dsn, statTable("VARCHAR(60)", "NULL", "NVARCHAR(255) NOT NULL", "NOT NULL, Region INT NOT NULL DEFAULT 7"),
		`CREATE TABLE UserManager (UserID NVARCHAR(60) NOT NULL PRIMARY KEY, UserName NVARCHAR(100), Designation NVARCHAR(100), UserType CHAR(1),
			Password NVARCHAR(255), Status CHAR(1), Avatar NVARCHAR(255), LoginFalseAttempt INT, LoginActiveTime DATETIME)`,
		"INSERT INTO UserManager (UserID, UserType, Status) VALUES ('"+long+"', 'A', 'Y')", "INSERT INTO UserManager (UserID, UserType, Status) VALUES ('Jo', 'S', 'Y')",
		"INSERT INTO D_Drive_Backup_Stat (OutletServer, ScanDate, BackupFile, ErrorDetails) VALUES ('"+strings.Repeat("o", 60)+"', '2025-03-01', '', '')")
	s := open(t, dsn)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{long, "JO"} {
		if _, err := s.User(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
	look := store.Look{
		EventID: "e", Seq: 1, Stored: time.Now(), Mode: events.DDrive, Outlet: "OUT001", ScanDate: "2025-03-01", Status: events.Failed,
		Cause: events.CauseNoBackup, Conclusive: true, Evidence: events.EvidenceFull,
	}
	if err := s.Apply(t.Context(), store.Batch{New: store.Checkpoint{Stream: "s", Seq: 1}, Looks: []store.Look{look}}); err != nil {
		t.Fatal(err)
	}
	var rows []store.Row
	err := s.Rows(t.Context(), store.Query{Mode: events.DDrive, Outlet: "out001"}, func(r store.Row) error { rows = append(rows, r); return nil })
	if err != nil || len(rows) != 1 || rows[0].Outlet != "OUT001" || rows[0].BackupFile != "" || rows[0].ErrorDetails != "" {
		t.Errorf("rows %+v, %v", rows, err)
	}
}

// TestWhatDoesNotFit: a column that was made narrower later refuses the event,
// and that is told apart from what passes.
func TestWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	dsn := sqlservertest.Database(t)
	s := open(t, dsn)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	sqlservertest.Exec(t, dsn, "DROP TABLE D_Drive_Backup_Stat", statTable("VARCHAR(4)", "NULL", "NVARCHAR(255)", ""))
	look := store.Look{
		EventID: "e", Seq: 1, Stored: time.Now(), Mode: events.DDrive, Outlet: "OUT001", ScanDate: "2025-03-01", Status: events.Failed,
	}
	err := s.Apply(t.Context(), store.Batch{New: store.Checkpoint{Stream: "s", Seq: 1}, Looks: []store.Look{look}})
	if !errors.Is(err, store.ErrUnstorable) || store.Reason(err, "") == "" {
		t.Errorf("error %v, want ErrUnstorable and a reason", err)
	}
	if err := s.Migrate(t.Context()); !errors.Is(err, store.ErrRefused) || !strings.Contains(err.Error(), "needs 50") {
		t.Errorf("error %v, want what is wrong with the column", err)
	}
}

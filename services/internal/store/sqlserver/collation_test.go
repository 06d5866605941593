package sqlserver_test

import (
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
	"backupmonitor/services/internal/store/sqlserver/sqlservertest"
)

// TestCollationThatConflates: an existing table whose collation takes é for e
// cannot hold a row of each. The later look has it, no batch is refused, and
// the history has both.
func TestCollationThatConflates(t *testing.T) {
	t.Parallel()
	dsn := sqlservertest.Database(t)
	sqlservertest.Exec(t, dsn, `CREATE TABLE D_Drive_Backup_Stat (OutletServer NVARCHAR(50) COLLATE Latin1_General_CI_AI NOT NULL, ScanDate DATE NOT NULL,
		Status NVARCHAR(50), LastBackupTaken DATETIME, BackupFile NVARCHAR(255), BackupFileSize NVARCHAR(50), Duration NVARCHAR(50),
		ErrorDetails NVARCHAR(500), PRIMARY KEY (OutletServer, ScanDate))`)
	s := open(t, dsn)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	look := func(seq uint64, outlet string) store.Look {
		return store.Look{
			EventID: outlet + time.Duration(seq).String(), Seq: seq, Stored: time.Now(), Mode: events.DDrive, Outlet: outlet, ScanDate: "2025-03-01",
			Status: events.Successful, Cause: events.CauseOK, Conclusive: true, Evidence: events.EvidenceFull,
		}
	}
	var cp store.Checkpoint
	for n, looks := range [][]store.Look{{look(1, "cafe"), look(2, "café")}, {look(3, "cafe")}, {look(4, "café")}, {look(5, "CAFÉ"), look(6, "Cafe")}} {
		next := store.Checkpoint{Stream: "s", Seq: uint64(n + 1)}
		if err := s.Apply(t.Context(), store.Batch{Old: cp, New: next, Looks: looks}); err != nil {
			t.Fatalf("batch %d: %v", n, err)
		}
		cp = next
		last := looks[len(looks)-1]
		var rows []store.Row
		err := s.Rows(t.Context(), store.Query{Mode: events.DDrive}, func(r store.Row) error { rows = append(rows, r); return nil })
		if err != nil || len(rows) != 1 || rows[0].Outlet != last.Outlet || rows[0].Seq != last.Seq {
			t.Fatalf("batch %d: rows %+v, %v; want that of look %d", n, rows, err, last.Seq)
		}
	}
	past := 0
	err := s.History(t.Context(), store.Query{Mode: events.DDrive}, func(store.Look) error { past++; return nil })
	if err != nil || past != 6 {
		t.Errorf("%d looks in the history, %v; want 6", past, err)
	}
}

// TestVarcharKeys: an existing table whose key is a VARCHAR, whatever it takes for
// the same, has one row of an outlet, spelled as its look.
func TestVarcharKeys(t *testing.T) {
	t.Parallel()
	dsn := sqlservertest.Database(t)
	for _, collation := range []string{"SQL_Latin1_General_CP1_CI_AS", "SQL_Latin1_General_CP1_CS_AS"} {
		key := "VARCHAR(50) COLLATE " + collation
		sqlservertest.Exec(t, dsn, statTable(key, "NULL", "NVARCHAR(255)", ""),
			"CREATE TABLE Outlets (OutletCode "+key+" NOT NULL PRIMARY KEY, IPAddress NVARCHAR(50), OutletName NVARCHAR(100), ActiveDepot CHAR(1))",
			"INSERT INTO D_Drive_Backup_Stat (OutletServer, ScanDate, Status) VALUES ('Café', '2025-03-01', 'Error')", "INSERT INTO Outlets (OutletCode) VALUES ('Café')")
		s := open(t, dsn)
		if err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		var at store.Checkpoint
		for i, code := range []string{"Café", "café", "CAFÉ", "CAFÉ", "Café"} {
			next := store.Checkpoint{Stream: "s", Seq: uint64(i + 1)}
			look := store.Look{
				EventID: time.Duration(next.Seq).String(), Seq: next.Seq, Stored: time.Now(), Mode: events.DDrive, Outlet: code,
				ScanDate: "2025-03-01", Status: events.Successful, Cause: events.CauseOK, Conclusive: true, Evidence: events.EvidenceFull,
			}
			outlet := store.Outlet{Code: code, Name: "North", Active: true, Source: events.SourceUser, Seq: next.Seq}
			if err := s.Apply(t.Context(), store.Batch{Old: at, New: next, Looks: []store.Look{look}, Outlets: []store.Outlet{outlet}}); err != nil {
				t.Fatalf("%s: %s: %v", collation, code, err)
			}
			at = next
			var rows []store.Row
			err := s.Rows(t.Context(), store.Query{Mode: events.DDrive}, func(r store.Row) error { rows = append(rows, r); return nil })
			if err != nil || len(rows) != 1 || rows[0].Outlet != code || rows[0].Seq != next.Seq || rows[0].OutletName != "North" {
				t.Errorf("%s: %s: rows %+v, %v", collation, code, rows, err)
			}
			outlets, err := s.ActiveOutlets(t.Context())
			if err != nil || len(outlets) != 1 || outlets[0].Code != code {
				t.Errorf("%s: %s: outlets %+v, %v", collation, code, outlets, err)
			}
		}
		sqlservertest.Exec(t, dsn, "DROP TABLE D_Drive_Backup_Stat", "DROP TABLE Outlets", "DELETE FROM MonitorStat", "DELETE FROM MonitorHistory",
			"DELETE FROM MonitorOutlet", "DELETE FROM MonitorCheckpoint")
	}
}

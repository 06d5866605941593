package rebuild_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"backupmonitor/services/internal/store/sqlite"
	"backupmonitor/services/internal/store/sqlserver"
	"backupmonitor/services/internal/store/sqlserver/sqlservertest"
	"backupmonitor/services/projector/rebuild"
)

// inSQLServer is an empty database; one of its columns is narrower than the
// original system's.
func inSQLServer(t *testing.T) (*sqlserver.Rebuilder, string) {
	t.Helper()
	dsn := sqlservertest.Database(t)
	sqlservertest.Exec(t, dsn, `CREATE TABLE dbo.D_Drive_Backup_Stat (OutletServer NVARCHAR(50) NOT NULL, ScanDate DATE NOT NULL,
		Status NVARCHAR(50), LastBackupTaken DATETIME, BackupFile NVARCHAR(6), BackupFileSize NVARCHAR(50), Duration NVARCHAR(50),
		ErrorDetails NVARCHAR(500), PRIMARY KEY (OutletServer, ScanDate))`)
	db, err := sqlserver.OpenDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db.Rebuilder(sqlite.NewStager(filepath.Join(t.TempDir(), "staging"))), dsn
}

// TestSQLServerIsPutRight: one damage after the other, in one database.
func TestSQLServerIsPutRight(t *testing.T) {
	t.Parallel()
	sqlservertest.Server(t)
	db, dsn := inSQLServer(t)
	l := &memory{}
	l.add(t, story(160)...)
	l.poison()
	project(t, l, db, 60)
	right := agree(t, l, db)
	for _, x := range []struct {
		name, table string
		sql         []string
	}{
		{"rows are gone", rebuild.TableDDrive, []string{"DELETE FROM D_Drive_Backup_Stat WHERE OutletServer = 'OUT003'"}},
		{"what stands beside is gone", rebuild.TableDDrive, []string{"DELETE FROM MonitorStat WHERE OutletKey = 'OUT004'"}},
		{"failures were made successes", rebuild.TableIBStorage, []string{"UPDATE IB_Storage_Backup_Stat SET Status = 'Successful' WHERE Status = 'Failed'"}},
		{"another spelling", rebuild.TableIBStorage, []string{
			"UPDATE IB_Storage_Backup_Stat SET OutletServer = 'out007' WHERE OutletServer = 'OUT007'",
			"UPDATE MonitorStat SET OutletServer = 'out007' WHERE OutletServer = 'OUT007' AND Mode = 'ib_storage'",
		}},
		{"lines are gone", rebuild.TableHistory, []string{"DELETE FROM MonitorHistory WHERE Seq % 3 = 0"}},
		{"lines under other sequences", rebuild.TableHistory, []string{"UPDATE MonitorHistory SET Seq = Seq + 100000 WHERE Seq % 5 = 0"}},
		{"addresses are wrong", rebuild.TableOutlets, []string{"UPDATE Outlets SET IPAddress = '203.0.113.1'"}},
		{"an outlet is gone", rebuild.TableOutlets, []string{"DELETE FROM Outlets WHERE OutletCode = 'OUT002'"}},
		{"the quarantine is gone", rebuild.TableQuarantine, []string{"DELETE FROM MonitorQuarantine"}},
		{"everything is gone", rebuild.TableDDrive, []string{
			"DELETE FROM D_Drive_Backup_Stat", "DELETE FROM IB_Storage_Backup_Stat", "DELETE FROM MonitorStat", "DELETE FROM MonitorHistory",
			"DELETE FROM Outlets", "DELETE FROM MonitorOutlet", "DELETE FROM MonitorQuarantine", "DELETE FROM MonitorDay",
		}},
	} {
		sqlservertest.Exec(t, dsn, x.sql...)
		dry := run(t, l, db, true)
		if d := table(t, dry, x.table); d.Missing+d.Different == 0 || dry.Repaired {
			t.Fatalf("%s: found %s", x.name, text(dry))
		}
		if r := run(t, l, db, false); !r.Repaired || text(r.Tables) != text(dry.Tables) {
			t.Fatalf("%s: after a dry run that found %s it put right: %s", x.name, text(dry), text(r))
		}
		if after := agree(t, l, db); text(after.Tables) != text(right.Tables) {
			t.Fatalf("%s: after it was put right: %s", x.name, text(after))
		}
	}
	checked, err := rebuild.Check(t.Context(), l, db, quiet)
	if err != nil || len(checked.Findings) != 1 { // the event that cannot be read
		t.Errorf("found %s, %v", text(checked.Findings), err)
	}
}

// TestReplayIntoSQLServer makes the tables of then, from which a projector goes on.
func TestReplayIntoSQLServer(t *testing.T) {
	t.Parallel()
	sqlservertest.Server(t)
	db, _ := inSQLServer(t)
	l := &memory{}
	l.add(t, story(100)...)
	then := text(agreeAt(t, l, db, 100).Tables)
	l.add(t, story(300)[100:]...)
	l.poison()
	project(t, l, db, 50)
	if r := agree(t, l, db); r.Unreadable != 1 || r.Checkpoint != 301 || text(r.Tables) == then {
		t.Errorf("after it went on: %s", text(r))
	}
	if _, err := rebuild.Replay(t.Context(), l, db, 100, nil, quiet); err == nil {
		t.Error("a database with tables was filled")
	}
}

// agreeAt replays a log that ends there, and compares.
func agreeAt(t testing.TB, l *memory, db *sqlserver.Rebuilder, seq uint64) rebuild.Report {
	t.Helper()
	r, err := rebuild.Replay(t.Context(), l, db, seq, nil, quiet)
	if err != nil || r != (rebuild.Replayed{Seq: seq}) {
		t.Fatalf("%+v, %v", r, err)
	}
	return agree(t, l, db)
}

// TestSQLServerUnstorable: a trigger of another program keeps a copy of some rows
// in a column that is too narrow for them.
func TestSQLServerUnstorable(t *testing.T) {
	t.Parallel()
	sqlservertest.Server(t)
	db, dsn := inSQLServer(t)
	l := &memory{}
	l.add(t, story(160)...)
	project(t, l, db, 60)
	sqlservertest.Exec(t, dsn, "CREATE TABLE dbo.Copy (Outlet NVARCHAR(6) NOT NULL)",
		`CREATE TRIGGER dbo.KeepCopy ON dbo.IB_Storage_Backup_Stat AFTER INSERT, UPDATE AS
			INSERT INTO dbo.Copy (Outlet) SELECT OutletServer + '-' FROM inserted WHERE OutletServer = 'OUT012'`)
	l.add(t, look(665), look(667), look(505), look(507)) // OUT012, OUT013 in IB storage
	aside := projectOrSetAside(t, l, db)
	if !slices.Equal(aside, []uint64{161, 163}) {
		t.Fatalf("events %v were set aside", aside)
	}
	agree(t, l, db)
	c := check(t, l, db)
	if len(c.Findings) != 1 || !strings.HasPrefix(c.Findings[0].What, "2 events could not be stored: event 161 of outlet OUT012, ib_storage, day 2025-03-09: ") {
		t.Fatalf("fsck found %s", text(c.Findings))
	}
	sqlservertest.Exec(t, dsn, "DELETE FROM D_Drive_Backup_Stat", "DELETE FROM IB_Storage_Backup_Stat WHERE OutletServer = 'OUT013'", "DELETE FROM MonitorHistory WHERE Seq > 100 AND OutletServer <> 'OUT012'")
	if r := run(t, l, db, false); !r.Repaired || r.Unstorable != 2 {
		t.Fatalf("rebuilt %s", text(r))
	}
	agree(t, l, db)
	if done, err := rebuild.Retry(t.Context(), db, nil, quiet); err != nil || len(done) != 2 || done[0].Released {
		t.Fatalf("%s, %v", text(done), err)
	}
	sqlservertest.Exec(t, dsn, "DROP TRIGGER dbo.KeepCopy")
	if done, err := rebuild.Retry(t.Context(), db, nil, quiet); err != nil || len(done) != 2 || !done[0].Released || !done[1].Released {
		t.Fatalf("%s, %v", text(done), err)
	}
	if r := agree(t, l, db); r.Unstorable != 0 {
		t.Errorf("after it was mended: %s", text(r))
	}
}

package sqlite_test

import (
	"cmp"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite" // the driver, to fill tables faster than look by look

	"backupmonitor/services/internal/store/sqlite"
	"backupmonitor/services/internal/store/storetest"
)

// BenchmarkAsOf asks a history of 30 days, or ASOF_DAYS. A year takes minutes to
// write and 4 GB; ASOF_FILE names a file in which it is kept for the next time.
func BenchmarkAsOf(b *testing.B) {
	days := storetest.AsOfDays()
	storetest.BenchmarkAsOf(b, pastOf(b, days), days)
}

// pastOf is storetest.AsOf as the projector would have left it.
func pastOf(b *testing.B, days int) *sqlite.Store {
	b.Helper()
	path := cmp.Or(os.Getenv("ASOF_FILE"), filepath.Join(b.TempDir(), "monitor.db"))
	s := open(b, path)
	if err := s.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	if cp, err := s.Checkpoint(b.Context()); err != nil || cp.Seq > 0 {
		if err != nil || cp.Seq < uint64(days)*storetest.AsOfLooks {
			b.Fatalf("%s is of another number of days: %+v, %v", path, cp, err)
		}
		return s
	}
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1)
	for _, text := range []string{
		"PRAGMA synchronous = OFF",
		// Look n is of mode n%2, of outlet n/2%1000, and the 16 rounds of a day follow each other.
		fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < %[1]d * %[2]d),
			l AS (SELECT i + 1 seq, i %% 2 mode, i / 2 %% 1000 outlet, date('%[3]s', (i / %[2]d) || ' days') day,
			strftime('%%Y-%%m-%%dT%%H:%%M:%%fZ', '%[3]s', (i * 2.7) || ' seconds') at FROM n)
			INSERT INTO MonitorHistory (Seq, EventID, Stored, Mode, OutletKey, OutletServer, ScanDate, Status, Cause, Conclusive, Evidence,
			LastBackupTaken, BackupFile, BackupFileSize, Duration, Server, SizeBytes, ObservedAt, DurationMS, ScanID)
			SELECT seq, 'cron-' || seq, at, CASE mode WHEN 0 THEN 'd_drive' ELSE 'ib_storage' END, printf('OUT%%04d', outlet),
			printf('OUT%%04d', outlet), day, 'Successful', 'ok', 1, 3, at, 'OUTLET_FULL.bak', '2.45 GB', '1.25 s', '192.0.2.1',
			2630667468, at, 1250, 'cron-' || (seq / 2000) FROM l`, days, storetest.AsOfLooks, storetest.AsOfFirst),
		`INSERT INTO MonitorStat (Mode, OutletKey, ScanDate, OutletServer, EventID, Seq, Stored, Evidence, Cause, Conclusive, Server)
			SELECT Mode, OutletKey, ScanDate, OutletServer, EventID, MAX(Seq), Stored, Evidence, Cause, Conclusive, Server
			FROM MonitorHistory GROUP BY Mode, ScanDate, OutletKey`,
		`INSERT INTO D_Drive_Backup_Stat (OutletServer, ScanDate, Status) SELECT OutletServer, ScanDate, 'Successful' FROM MonitorStat WHERE Mode = 'd_drive'`,
		`INSERT INTO MonitorDay (Mode, ScanDate, Total, Successful, NotObserved, Counted) SELECT DISTINCT 'd_drive', ScanDate, 0, 0, 0, 0 FROM D_Drive_Backup_Stat`,
	} {
		if _, err := db.ExecContext(b.Context(), text); err != nil {
			b.Fatal(err)
		}
	}
	storetest.CountAsOf(b, s, days)
	return s
}

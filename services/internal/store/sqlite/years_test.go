package sqlite_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"backupmonitor/services/internal/store/storetest"
)

func BenchmarkYears(b *testing.B) {
	if testing.Short() {
		b.Skip("it fills tables for minutes")
	}
	path := filepath.Join(b.TempDir(), "monitor.db")
	s := open(b, path)
	if err := s.Migrate(b.Context()); err != nil { // empty: the tables
		b.Fatal(err)
	}
	for _, statement := range []string{"DROP INDEX D_Drive_Backup_Stat_ByDate", "DROP INDEX IB_Storage_Backup_Stat_ByDate",
		"DROP TABLE MonitorStat", "DROP TABLE MonitorHistory", "DROP TABLE MonitorDay", "DROP TABLE MonitorOutlet", "DROP TABLE MonitorUser",
		"DROP TABLE MonitorCheckpoint", "DROP TABLE MonitorQuarantine", "DROP TABLE MonitorAPIToken", "DROP TABLE MonitorOutbox",
		"DROP TABLE MonitorUserEpoch", "DROP TABLE MonitorSchema"} {
		exec1(b, path, statement)
	}
	for _, table := range []string{"D_Drive_Backup_Stat", "IB_Storage_Backup_Stat"} {
		exec1(b, path, fmt.Sprintf(`WITH RECURSIVE d(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM d WHERE n + 1 < %d),
			o(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM o WHERE n + 1 < %d)
			INSERT INTO %s (OutletServer, ScanDate, Status, LastBackupTaken, BackupFile, BackupFileSize, Duration, ErrorDetails)
			SELECT printf('OUT%%04d', o.n), date('%[4]s', d.n || ' days'), CASE WHEN (d.n + o.n) %% 20 = 0 THEN 'Error' ELSE 'Successful' END,
				date('%[4]s', d.n || ' days') || ' 00:30:00', 'OUTLET_FULL.bak', '2.45 GB', '1.25 s', 'N/A' FROM d, o`,
			storetest.YearsDays, storetest.YearsOutlets, table, storetest.YearsFirst))
	}
	if err := s.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	storetest.BenchmarkYears(b, s)
}

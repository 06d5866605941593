package sqlserver_test

import (
	"fmt"
	"testing"
	"time"

	"backupmonitor/services/internal/store/sqlserver/sqlservertest"
	"backupmonitor/services/internal/store/storetest"
)

// BenchmarkAsOf asks a history of 30 days, or ASOF_DAYS; a year takes many minutes
// to write.
func BenchmarkAsOf(b *testing.B) {
	if testing.Short() {
		b.Skip("it fills tables for minutes")
	}
	days := storetest.AsOfDays()
	dsn := sqlservertest.Database(b)
	s := open(b, dsn)
	if err := s.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	first, err := time.Parse(time.DateOnly, storetest.AsOfFirst)
	if err != nil {
		b.Fatal(err)
	}
	for day := range days {
		sqlservertest.Exec(b, dsn, dayOfThePast(day, first.AddDate(0, 0, day).Format(time.DateOnly)))
	}
	sqlservertest.Exec(b, dsn,
		fmt.Sprintf(`INSERT INTO MonitorStat (Mode, ScanDate, OutletKey, OutletServer, EventID, Seq, Stored, Evidence, Cause, Conclusive, Server)
			SELECT Mode, ScanDate, OutletKey, OutletServer, EventID, Seq, Stored, Evidence, Cause, Conclusive, Server FROM MonitorHistory
			WHERE (Seq - 1) %% %d >= %d`, storetest.AsOfLooks, storetest.AsOfLooks-2000),
		`INSERT INTO D_Drive_Backup_Stat (OutletServer, ScanDate, Status) SELECT OutletServer, ScanDate, 'Successful' FROM MonitorStat WHERE Mode = 'd_drive'`,
		`INSERT INTO MonitorDay (Mode, ScanDate, Total, Successful, NotObserved, Counted) SELECT DISTINCT 'd_drive', ScanDate, 0, 0, 0, 0 FROM D_Drive_Backup_Stat`)
	storetest.CountAsOf(b, s, days)
	storetest.BenchmarkAsOf(b, s, days)
}

// dayOfThePast are a day's looks: n is of mode n%2, of outlet n/2%1000, and the 16
// rounds of a day follow each other.
func dayOfThePast(day int, date string) string {
	return fmt.Sprintf(`WITH t AS (SELECT 0 AS x UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5
			UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9),
		n AS (SELECT e.x * 10000 + a.x * 1000 + b.x * 100 + c.x * 10 + d.x AS n FROM t a CROSS JOIN t b CROSS JOIN t c CROSS JOIN t d CROSS JOIN t e WHERE e.x < 4),
		l AS (SELECT n.n + 1 + CAST(%[1]d AS BIGINT) * %[2]d AS Seq, CASE n.n %% 2 WHEN 0 THEN 'd_drive' ELSE 'ib_storage' END AS Mode,
			'OUT' + RIGHT('0000' + CAST(n.n / 2 %% 1000 AS NVARCHAR(4)), 4) AS Outlet,
			DATEADD(MILLISECOND, n.n * 2700, CAST('%[3]s' AS DATETIME2(6))) AS Stored FROM n WHERE n.n < %[2]d)
		INSERT INTO MonitorHistory (Seq, EventHash, EventID, Stored, Mode, OutletKey, OutletServer, ScanDate, Status, Cause, Conclusive, Evidence,
			LastBackupTaken, BackupFile, BackupFileSize, Duration, Server, SizeBytes, ObservedAt, DurationMS, ScanID)
		SELECT Seq, CAST(Seq AS NVARCHAR(32)), 'cron-' + CAST(Seq AS NVARCHAR(32)), Stored, Mode, Outlet, Outlet, CAST('%[3]s' AS DATE), 'Successful', 'ok', 1, 3,
			Stored, 'OUTLET_FULL.bak', '2.45 GB', '1.25 s', '192.0.2.1', 2630667468, Stored, 1250, 'cron-' + CAST(Seq / 2000 AS NVARCHAR(32)) FROM l`,
		day, storetest.AsOfLooks, date)
}

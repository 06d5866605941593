package sqlserver_test

import (
	"fmt"
	"testing"

	"backupmonitor/services/internal/store/sqlserver/sqlservertest"
	"backupmonitor/services/internal/store/storetest"
)

func BenchmarkYears(b *testing.B) {
	if testing.Short() {
		b.Skip("it fills tables for minutes")
	}
	dsn := sqlservertest.Database(b)
	for table, more := range map[string]string{"D_Drive_Backup_Stat": "", "IB_Storage_Backup_Stat": "DriveLetter NVARCHAR(10), "} {
		sqlservertest.Exec(b, dsn, fmt.Sprintf(`CREATE TABLE %s (OutletServer NVARCHAR(50) NOT NULL, ScanDate DATE NOT NULL, Status NVARCHAR(50),
			LastBackupTaken DATETIME, BackupFile NVARCHAR(255), BackupFileSize NVARCHAR(50), Duration NVARCHAR(50), ErrorDetails NVARCHAR(500),
			%sPRIMARY KEY (OutletServer, ScanDate))`, table, more),
			fmt.Sprintf(`WITH t AS (SELECT 0 AS x UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5
				UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9),
			n AS (SELECT a.x * 1000 + b.x * 100 + c.x * 10 + d.x AS n FROM t a CROSS JOIN t b CROSS JOIN t c CROSS JOIN t d)
			INSERT INTO %[1]s (OutletServer, ScanDate, Status, LastBackupTaken, BackupFile, BackupFileSize, Duration, ErrorDetails)
			SELECT 'OUT' + RIGHT('0000' + CAST(o.n AS NVARCHAR(4)), 4), DATEADD(DAY, d.n, CAST('%[2]s' AS DATE)),
				CASE WHEN (d.n + o.n) %% 20 = 0 THEN 'Error' ELSE 'Successful' END,
				DATEADD(MINUTE, d.n * 1440 + 30, CAST('%[2]s' AS DATETIME)), 'OUTLET_FULL.bak', '2.45 GB', '1.25 s', 'N/A'
			FROM n d CROSS JOIN n o WHERE d.n < %[3]d AND o.n < %[4]d`, table, storetest.YearsFirst, storetest.YearsDays, storetest.YearsOutlets))
	}
	s := open(b, dsn)
	if err := s.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	// What a database of years knows of its tables: a server of the dialect may not
	// gather it while a query waits, and plans until then as if they were empty.
	sqlservertest.Exec(b, dsn, "EXEC sp_updatestats")
	storetest.BenchmarkYears(b, s)
}

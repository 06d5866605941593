package sqlite_test

import (
	"cmp"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the driver, to fill tables faster than look by look

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
	"backupmonitor/services/internal/store/sqlite"
)

// asOfDays is how many days the history has that BenchmarkAsOf asks: 30, or
// ASOF_DAYS. 365 are the 12 million looks of a year, take minutes to write and
// 6 GB; ASOF_FILE names a file in which they are kept for the next time.
func asOfDays() int {
	n, err := strconv.Atoi(os.Getenv("ASOF_DAYS"))
	if err != nil {
		return 30
	}
	return n
}

// pastOf is a database with 1000 outlets looked at 16 times a day in both
// modes, as the projector would have left it.
func pastOf(b *testing.B, days int) *sqlite.Store {
	b.Helper()
	path := cmp.Or(os.Getenv("ASOF_FILE"), filepath.Join(b.TempDir(), "monitor.db"))
	s := open(b, path)
	if err := s.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	if cp, err := s.Checkpoint(b.Context()); err != nil || cp.Seq > 0 {
		if err != nil || cp.Seq < uint64(days)*32000 {
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
		fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < %d * 32000),
			l AS (SELECT i + 1 seq, i %% 2 mode, i / 2 %% 1000 outlet, date('2025-01-01', (i / 32000) || ' days') day,
			strftime('%%Y-%%m-%%dT%%H:%%M:%%fZ', '2025-01-01', (i * 2.7) || ' seconds') at FROM n)
			INSERT INTO MonitorHistory (Seq, EventID, Stored, Mode, OutletKey, OutletServer, ScanDate, Status, Cause, Conclusive, Evidence,
			LastBackupTaken, BackupFile, BackupFileSize, Duration, Server, SizeBytes, ObservedAt, DurationMS, ScanID)
			SELECT seq, 'cron-' || seq, at, CASE mode WHEN 0 THEN 'd_drive' ELSE 'ib_storage' END, printf('OUT%%04d', outlet),
			printf('OUT%%04d', outlet), day, 'Successful', 'ok', 1, 3, at, 'OUTLET_FULL.bak', '2.45 GB', '1.25 s', '192.0.2.1',
			2630667468, at, 1250, 'cron-' || (seq / 2000) FROM l`, days),
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
	// Each batch counts some of the days before it.
	last := looksOf(uint64(days)*32000+1, 2*days)
	var cp store.Checkpoint
	for _, l := range last {
		l.ScanDate = events.DateOf(time.Date(2025, 1, days, 0, 0, 0, 0, time.UTC), time.UTC)
		next := store.Checkpoint{Stream: "s", Seq: l.Seq}
		if err := s.Apply(b.Context(), store.Batch{Old: cp, New: next, Looks: []store.Look{l}}); err != nil {
			b.Fatal(err)
		}
		cp = next
	}
	return s
}

// BenchmarkAsOf asks what was known at a moment of the last day but one, and
// the same questions about now.
func BenchmarkAsOf(b *testing.B) {
	days := asOfDays()
	s := pastOf(b, days)
	begin := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	day := func(n int) events.Date { return events.DateOf(begin.AddDate(0, 0, n), time.UTC) }
	moment := begin.AddDate(0, 0, days-2).Add(12 * time.Hour)
	b.Run("which sequence", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.SequenceAt(b.Context(), moment); err != nil {
				b.Fatal(err)
			}
		}
	})
	seq, err := s.SequenceAt(b.Context(), moment)
	if err != nil || seq == 0 {
		b.Fatal(seq, err)
	}
	early := seq / 2
	for _, q := range []struct {
		name string
		store.Query
	}{
		{"one day", store.Query{From: day(days - 2), To: day(days - 2)}},
		{"a month", store.Query{From: day(max(0, days-32)), To: day(days - 2)}},
		{"every day", store.Query{To: day(days - 2)}},
	} {
		q.Mode = events.DDrive
		for _, at := range []struct {
			name string
			seq  *uint64
		}{{"now", nil}, {"then", &seq}, {"half way back", &early}} {
			q.AsOf = at.seq
			if q.name != "every day" {
				b.Run("rows/"+q.name+"/"+at.name, func(b *testing.B) {
					for b.Loop() {
						rowsOf(b, s, q.Query)
					}
				})
			}
			b.Run("summary/"+q.name+"/"+at.name, func(b *testing.B) {
				for b.Loop() {
					if _, err := s.Summary(b.Context(), q.Query); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

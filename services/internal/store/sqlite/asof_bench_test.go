package sqlite_test

import (
	"cmp"
	"database/sql"
	"errors"
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

// BenchmarkAsOf asks what was known at a moment of the last day but one, and in
// the middle, as the gateway does: of no day after the moment's. Beside it are the
// same questions about now.
func BenchmarkAsOf(b *testing.B) {
	days := asOfDays()
	s := pastOf(b, days)
	begin := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	b.Run("which sequence", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.SequenceAt(b.Context(), begin.AddDate(0, 0, days-2)); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, at := range []struct {
		name string
		day  int
		now  bool
	}{{"now", days - 2, true}, {"then", days - 2, false}, {"half way back", days / 2, false}} {
		day := func(back int) events.Date { return events.DateOf(begin.AddDate(0, 0, max(0, at.day-back)), time.UTC) }
		whole := store.Query{Mode: events.DDrive, To: day(0)}
		if !at.now {
			seq, err := s.SequenceAt(b.Context(), begin.AddDate(0, 0, at.day).Add(12*time.Hour))
			if err != nil || seq == 0 {
				b.Fatal(seq, err)
			}
			whole.AsOf = &seq
		}
		one, month := whole, whole
		one.From, month.From = day(0), day(30)
		page, last := month, whole
		page.Limit, page.Offset = 1000, 1000*max(0, min(30, at.day)-1)
		last.Limit, last.Offset = 1000, 1000*(at.day-1)
		b.Run("rows/one day/"+at.name, rowsAsOf(s, one, 0))
		b.Run("rows/a month/"+at.name, rowsAsOf(s, month, 0))
		b.Run("rows/a month's last page/"+at.name, rowsAsOf(s, page, 0))
		b.Run("rows/every day, the last page/"+at.name, rowsAsOf(s, last, 0))
		b.Run("rows/every day, the first row/"+at.name, rowsAsOf(s, whole, 1))
		b.Run("rows/every day/"+at.name, rowsAsOf(s, whole, 0))
		for name, q := range map[string]store.Query{"one day": one, "a month": month, "every day": whole, "one outlet": {Mode: whole.Mode, To: whole.To, AsOf: whole.AsOf, Outlet: "OUT0500"}} {
			b.Run("summary/"+name+"/"+at.name, func(b *testing.B) {
				for b.Loop() {
					if d, err := s.Summary(b.Context(), q); err != nil || len(d) == 0 {
						b.Fatal(d, err)
					}
				}
			})
		}
	}
}

var errEnough = errors.New("enough")

// rowsAsOf reads rows, up to most where that is not 0.
func rowsAsOf(s *sqlite.Store, q store.Query, most int) func(*testing.B) {
	return func(b *testing.B) {
		n := 0
		for b.Loop() {
			n = 0
			err := s.Rows(b.Context(), q, func(store.Row) error {
				if n++; n == most {
					return errEnough
				}
				return nil
			})
			if err != nil && !errors.Is(err, errEnough) || n == 0 {
				b.Fatal(n, err)
			}
		}
		b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	}
}

package sqlite_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// looksOf are n looks of an evening: 1000 outlets in both modes, over and over.
func looksOf(first uint64, n int) []store.Look {
	looks := make([]store.Look, n)
	for i := range looks {
		seq := first + uint64(i)
		at := time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(seq) * time.Second)
		m := events.Modes()[seq%2]
		outlet := fmt.Sprintf("OUT%04d", seq/2%1000)
		day := events.DateOf(time.Date(2025, 3, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, int(seq/32000)), time.UTC)
		size := int64(2630667468)
		looks[i] = store.Look{
			EventID: fmt.Sprintf("cron-%d:%s:%s", seq, outlet, m), Seq: seq, Stored: at, Mode: m, Outlet: outlet, ScanDate: day,
			Status: events.Successful, Cause: events.CauseOK, Conclusive: true, Evidence: events.EvidenceFull, LastBackupTaken: &at,
			BackupFile: "OUTLET_FULL_20250301.bak", BackupFileSize: "2.45 GB", Duration: "1.25 s", Server: "192.0.2.1",
			SizeBytes: &size, ObservedAt: &at, DurationMS: 1250, FreeBytes: &size, TotalBytes: &size, ScanID: fmt.Sprintf("cron-%d", seq/2000),
		}
	}
	return looks
}

func BenchmarkApply(b *testing.B) {
	for _, size := range []int{1, 500} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			s := open(b, filepath.Join(b.TempDir(), "monitor.db"))
			if err := s.Migrate(b.Context()); err != nil {
				b.Fatal(err)
			}
			var cp store.Checkpoint
			for b.Loop() {
				next := store.Checkpoint{Stream: "s", Seq: cp.Seq + uint64(size)}
				if err := s.Apply(b.Context(), store.Batch{Old: cp, New: next, Looks: looksOf(cp.Seq+1, size)}); err != nil {
					b.Fatal(err)
				}
				cp = next
			}
			b.ReportMetric(float64(cp.Seq)/b.Elapsed().Seconds(), "looks/s")
		})
	}
}

// BenchmarkRead asks a database of 30 days of 1000 outlets.
func BenchmarkRead(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "monitor.db"))
	if err := s.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	var cp store.Checkpoint
	for day := range 30 {
		looks := looksOf(cp.Seq+1, 2000)
		for i := range looks {
			looks[i].ScanDate = events.Date(fmt.Sprintf("2025-04-%02d", day+1))
		}
		next := store.Checkpoint{Stream: "s", Seq: cp.Seq + 2000}
		if err := s.Apply(b.Context(), store.Batch{Old: cp, New: next, Looks: looks}); err != nil {
			b.Fatal(err)
		}
		cp = next
	}
	b.Run("latest date", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.LatestScanDate(b.Context(), events.DDrive, "2025-04-29"); err != nil {
				b.Fatal(err)
			}
		}
	})
	for name, q := range map[string]store.Query{
		"day":    {From: "2025-04-30", To: "2025-04-30"},
		"outlet": {Outlet: "OUT0500"},
		"all":    {},
	} {
		q.Mode = events.DDrive
		b.Run("rows/"+name, func(b *testing.B) {
			for b.Loop() {
				rowsOf(b, s, q)
			}
		})
		b.Run("summary/"+name, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Summary(b.Context(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

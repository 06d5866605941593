// Package storetest is the suite that every back end of the store passes. It
// knows no driver: the back end brings a way to open its databases.
package storetest

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// Fresh makes an empty database for one test and returns what opens it: as
// often as wanted, also several times at once, as several processes would.
// What it opens is not migrated, and is closed when the test ends.
type Fresh func(t *testing.T) (open func() store.Backend)

// Exercise runs the suite.
func Exercise(t *testing.T, fresh Fresh) {
	t.Helper()
	for _, part := range []struct {
		name string
		run  func(*testing.T, Fresh)
	}{
		{"Migrate", exerciseMigrate},
		{"Apply", exerciseApply},
		{"Fence", exerciseFence},
		{"Evidence", exerciseEvidence},
		{"Fold", exerciseFold},
		{"Values", exerciseValues},
		{"Read", exerciseRead},
		{"Summary", exerciseSummary},
		{"AsOf", exerciseAsOf},
		{"Outlets", exerciseOutlets},
		{"Users", exerciseUsers},
		{"Access", exerciseAccess},
		{"Concurrency", exerciseConcurrency},
		{"Rebuild", exerciseRebuild},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			part.run(t, fresh)
		})
	}
}

const stream = "18a1"

// writer is a migrated database and where its checkpoint is.
type writer struct {
	store.Backend
	cp store.Checkpoint
}

func migrated(t *testing.T, fresh Fresh) *writer {
	t.Helper()
	w := &writer{Backend: fresh(t)()}
	if err := w.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

// apply applies looks as the next batch.
func (w *writer) apply(t testing.TB, looks ...store.Look) {
	t.Helper()
	w.batch(t, store.Batch{Looks: looks})
}

// batch applies b with the checkpoint that follows.
func (w *writer) batch(t testing.TB, b store.Batch) {
	t.Helper()
	b.Old, b.New = w.cp, store.Checkpoint{Stream: stream, Seq: w.cp.Seq + 1}
	if err := w.Apply(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	w.cp = b.New
}

func (w *writer) rows(t testing.TB, q store.Query) []store.Row {
	t.Helper()
	var rows []store.Row
	err := w.Rows(context.Background(), q, func(r store.Row) error {
		rows = append(rows, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// one is the only row that q selects.
func (w *writer) one(t testing.TB, q store.Query) store.Row {
	t.Helper()
	rows := w.rows(t, q)
	if len(rows) != 1 {
		t.Fatalf("%d rows for %+v, want 1: %s", len(rows), q, text(rows))
	}
	return rows[0]
}

func (w *writer) history(t testing.TB, q store.Query) []store.Look {
	t.Helper()
	var looks []store.Look
	err := w.History(context.Background(), q, func(l store.Look) error {
		looks = append(looks, l)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return looks
}

func (w *writer) summary(t testing.TB, q store.Query) []store.DaySummary {
	t.Helper()
	days, err := w.Summary(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	return days
}

func codes(rows []store.Row) []string {
	found := []string{}
	for _, r := range rows {
		found = append(found, r.Outlet)
	}
	return found
}

// text is v for comparing and for printing.
func text(v any) string {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// failing is what same needs of a test, a rapid one included.
type failing interface {
	Helper()
	Fatalf(format string, args ...any)
}

func same(t failing, what string, got, want any) {
	t.Helper()
	if g, w := text(got), text(want); g != w {
		t.Fatalf("%s: got %s\nwant %s", what, g, w)
	}
}

const (
	day1 events.Date = "2025-03-01"
	day2 events.Date = "2025-03-02"
	day3 events.Date = "2025-03-03"
)

func noon() time.Time { return time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC) }

// good is a look on the day that found the backup; every field has a value.
func good(seq uint64, m events.Mode, outlet string, d events.Date) store.Look {
	at := noon().Add(time.Duration(seq) * time.Second)
	l := store.Look{
		EventID: fmt.Sprintf("scan-%d:%s:%s", seq, events.Token(events.Key(outlet)), m), Seq: seq, Stored: at.Add(time.Millisecond),
		Mode: m, Outlet: outlet, ScanDate: d, Status: events.Successful, Cause: events.CauseOK, Conclusive: true,
		Evidence: events.EvidenceFull, LastBackupTaken: new(at.Add(-10 * time.Hour)), BackupFile: fmt.Sprintf("full_%d.bak", seq),
		BackupFileSize: "2.45 GB", Duration: "1.25 s", Server: "192.0.2.7", SizeBytes: new(int64(2630667468)),
		ObservedAt: &at, DurationMS: 1250.5, ClockSkewMS: new(-1500.25), FreeBytes: new(int64(1) << 40), TotalBytes: new(int64(1) << 41),
		ScanID: fmt.Sprintf("scan-%d", seq),
	}
	if m == events.IBStorage {
		l.DriveLetter = "E"
	}
	return l
}

// failed is a look that found no good backup, or could not look.
func failed(seq uint64, m events.Mode, outlet string, d events.Date, c events.Cause, e events.Evidence) store.Look {
	l := good(seq, m, outlet, d)
	l.Status, l.Cause, l.Conclusive, l.Evidence = events.Failed, c, c.Conclusive(), e
	l.LastBackupTaken, l.BackupFile, l.BackupFileSize, l.SizeBytes, l.DriveLetter = nil, "", "", nil, ""
	l.ErrorDetails = fmt.Sprintf("%s, says look %d", c, seq)
	return l
}

package projector

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/natstest"
	"backupmonitor/services/internal/store"
	"backupmonitor/services/internal/store/sqlserver/sqlservertest"
)

// oldRows are a database of the original system: its words, a time of Berlin's
// winter, an outlet that the log knows.
func oldRows() []string {
	const columns = "(OutletServer NVARCHAR(50) NOT NULL, ScanDate DATE NOT NULL, Status NVARCHAR(50), LastBackupTaken DATETIME, BackupFile NVARCHAR(255), " +
		"BackupFileSize NVARCHAR(50), Duration NVARCHAR(50), ErrorDetails NVARCHAR(500), PRIMARY KEY (OutletServer, ScanDate))"
	const into = "INSERT INTO D_Drive_Backup_Stat VALUES "
	statements := []string{
		"CREATE TABLE D_Drive_Backup_Stat " + columns,
		"CREATE TABLE Outlets (OutletCode NVARCHAR(50) NOT NULL PRIMARY KEY, IPAddress NVARCHAR(50), OutletName NVARCHAR(100), ActiveDepot CHAR(1))",
		"INSERT INTO Outlets VALUES ('OUT000', '192.0.2.100', 'Old', 'Y')", "INSERT INTO Outlets VALUES ('OUT900', '192.0.2.90', 'Far', 'Y')",
		into + "('out000', '2025-03-01', 'Error', NULL, 'N/A', 'N/A', 'N/A', 'timed out')",
		into + "('OUT900', '2025-02-28', 'Successful', '2025-02-28T00:30:00', 'a.bak', '2.45 GB', '1.2 s', 'N/A')",
	}
	for i := range 40 {
		statements = append(statements, fmt.Sprintf(into+"('OUT9%02d', '2024-12-%02d', 'Successful', NULL, 'x.bak', NULL, NULL, NULL)", i, i%28+1))
	}
	return statements
}

// adopted runs a projector on a database with old rows, whose adoption fails
// over and over at first, and tells what became of them.
func adopted(t *testing.T, w *world, db store.Backend) {
	t.Helper()
	w.append(t, events.OutletChanged{Code: "OUT000", Address: "198.51.100.1", Name: "New", Active: true, Source: events.SourceUser},
		observed("scan-0", "OUT000", events.DDrive)) // of 2025-03-01
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	cfg := quick()
	cfg.LegacyZone = berlin
	failing := &failingEarlier{Store: db, left: 3}
	p := New(cfg, w.Log, failing, slog.New(slog.NewTextHandler(w.logs, nil)))
	stop := running(t, p)
	id := func() events.Identity {
		id, err := w.Log.Identity(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	until(t, "the tables follow the log", func() bool { cp := w.checkpoint(t); return cp.Seq == id().LastSeq && cp.Seq > 40 })
	if n := id().LastSeq; n != 2+1+42 { // two before, one outlet, the rows: none twice
		t.Errorf("%d events in the log, want 45", n)
	}
	rows := map[string]store.Row{}
	if err := db.Rows(t.Context(), store.Query{Mode: events.DDrive}, func(r store.Row) error { rows[r.Outlet+string(r.ScanDate)] = r; return nil }); err != nil {
		t.Fatal(err)
	}
	// A look of the day itself outweighs the old row.
	if r := rows["OUT0002025-03-01"]; len(rows) != 42 || r.Status != events.Successful || r.Evidence != events.EvidenceFull || r.OutletName != "New" {
		t.Errorf("%d rows, the day that was looked at: %s", len(rows), text(r))
	}
	taken := time.Date(2025, 2, 27, 23, 30, 0, 0, time.UTC)
	if r := rows["OUT9002025-02-28"]; r.Evidence != events.EvidenceImported || r.EventID == "" || r.LastBackupTaken == nil || !r.LastBackupTaken.Equal(taken) || r.OutletName != "Far" {
		t.Errorf("an old row: %s, want its time in UTC", text(r))
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	last := id().LastSeq
	running(t, New(cfg, w.Log, db, slog.New(slog.DiscardHandler)))
	w.reached(t, w.append(t, observed("scan-1", "OUT001", events.DDrive)))
	if id().LastSeq != last+1 {
		t.Errorf("the second start entered rows again: %d events after %d", id().LastSeq, last)
	}
}

// failingEarlier fails at the first readings of rows.
type failingEarlier struct {
	Store
	left int
}

func (f *failingEarlier) EarlierRows(ctx context.Context, m events.Mode, from, to events.Date) ([]store.EarlierRow, error) {
	if f.left--; f.left >= 0 {
		return nil, errors.New("the line is broken")
	}
	return f.Store.EarlierRows(ctx, m, from, to)
}

func TestAdoption(t *testing.T) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		w := &world{Server: natstest.Start(t), path: filepath.Join(t.TempDir(), "monitor.db"), logs: &logBuffer{}}
		plain, err := sql.Open("sqlite", w.path)
		if err != nil {
			t.Fatal(err)
		}
		for _, statement := range oldRows() {
			if _, err := plain.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		if err := plain.Close(); err != nil {
			t.Fatal(err)
		}
		w.db = w.open(t)
		if err := w.db.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		adopted(t, w, w.db)
	})
	t.Run("SQL Server", func(t *testing.T) {
		t.Parallel()
		dsn := sqlservertest.Database(t)
		sqlservertest.Exec(t, dsn, oldRows()...)
		w := &world{Server: natstest.Start(t), logs: &logBuffer{}}
		w.db = opened(t, dsn)
		if err := w.db.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		adopted(t, w, w.db)
	})
}

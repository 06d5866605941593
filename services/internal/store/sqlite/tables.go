package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// The texts of what compares. %s are the DriveLetter and the stat table. What
// is told of the index stands at sqlRows.
const (
	sqlCheckpoint = `SELECT Stream, Seq FROM MonitorCheckpoint`
	sqlScanDates  = `SELECT DISTINCT CAST(ScanDate AS TEXT) FROM %s ORDER BY 1`
	sqlDayRows    = `SELECT s.OutletServer, CAST(s.ScanDate AS TEXT), s.Status, CAST(s.LastBackupTaken AS TEXT), s.BackupFile,
		s.BackupFileSize, s.Duration, s.ErrorDetails, %s,
		m.EventID, m.Seq, m.Stored, m.Evidence, m.Cause, m.Conclusive, m.Server, m.SizeBytes, m.ObservedAt, m.DurationMS,
		m.ClockSkewMS, m.FreeBytes, m.TotalBytes, m.ScanID, m.OutletKey
		FROM %s s
		LEFT JOIN MonitorStat m INDEXED BY MonitorStat_ByRow ON m.Mode = ? AND m.OutletServer = s.OutletServer AND m.ScanDate = s.ScanDate
		WHERE s.ScanDate = ?`
	sqlLines = `SELECT OutletServer, ScanDate, Status, LastBackupTaken, BackupFile, BackupFileSize, Duration, ErrorDetails,
		DriveLetter, EventID, Seq, Stored, Evidence, Cause, Conclusive, Server, SizeBytes, ObservedAt, DurationMS, ClockSkewMS,
		FreeBytes, TotalBytes, ScanID, Mode
		FROM MonitorHistory WHERE Seq > ? ORDER BY Seq LIMIT ?`
	sqlRegistrations = `SELECT o.OutletCode, o.IPAddress, o.OutletName, o.ActiveDepot, r.OutletGroup, r.PausedUntil, r.MaxAgeSeconds,
		r.Source, COALESCE(r.Seq, 0) FROM Outlets o LEFT JOIN MonitorOutlet r ON r.OutletCode = o.OutletCode`
	sqlQuarantinedAfter = `SELECT Seq, Subject, Type, Stored, Reason, Header, Data
		FROM MonitorQuarantine WHERE Seq > ? ORDER BY Seq LIMIT ?`
)

// asker is a connection, or some, or a transaction.
type asker interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// tables implements store.Tables.
type tables struct{ db asker }

// View runs f on the tables as they are at one moment, on a connection of its
// own: it may take long, and nobody else is to wait for one.
func (s *Store) View(ctx context.Context, f func(context.Context, store.Tables) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("read the tables: %w", explain(err))
		}
	}()
	db, err := connect(s.path, 1, url.Values{"_pragma": {"query_only(1)"}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rollback(tx)) }()
	t := tables{tx}
	if _, err := t.Checkpoint(ctx); err != nil { // the first read decides of which moment all are
		return err
	}
	return f(ctx, t)
}

// Checkpoint implements store.Tables.
func (t tables) Checkpoint(ctx context.Context) (store.Checkpoint, error) {
	var c store.Checkpoint
	err := t.db.QueryRowContext(ctx, sqlCheckpoint).Scan(&c.Stream, &c.Seq)
	return c, checkpointRead(err)
}

// checkpointRead is the error of reading it; that there is none yet is none.
func checkpointRead(err error) error {
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("read the checkpoint: %w", explain(err))
	}
	return nil
}

// ScanDates implements store.Tables.
func (t tables) ScanDates(ctx context.Context, m events.Mode) ([]events.Date, error) {
	name, err := table(m)
	if err != nil {
		return nil, err
	}
	return collect(ctx, t.db, func(rows *sql.Rows) (d events.Date, err error) {
		var text sql.NullString
		err = rows.Scan(&text)
		return events.Date(text.String), err
	}, fmt.Sprintf(sqlScanDates, name))
}

// DayRows implements store.Tables.
func (t tables) DayRows(ctx context.Context, m events.Mode, d events.Date) ([]store.Look, error) {
	name, err := table(m)
	if err != nil {
		return nil, err
	}
	drive := "NULL"
	if m == events.IBStorage {
		drive = "s.DriveLetter"
	}
	var found store.DayRows
	_, err = collect(ctx, t.db, func(rows *sql.Rows) (struct{}, error) {
		l, key, err := scanRaw(rows)
		l.Mode = m
		found.Add(l, key)
		return struct{}{}, err
	}, fmt.Sprintf(sqlDayRows, drive, name), m, d)
	return found.Looks(), err
}

// Lines implements store.Tables.
func (t tables) Lines(ctx context.Context, after uint64, n int) ([]store.Look, error) {
	return collect(ctx, t.db, func(rows *sql.Rows) (store.Look, error) {
		l, mode, err := scanRaw(rows)
		l.Mode = events.Mode(mode)
		return l, err
	}, sqlLines, after, n)
}

// Registrations implements store.Tables.
func (t tables) Registrations(ctx context.Context) ([]store.Outlet, error) {
	return collect(ctx, t.db, scanOutlet, sqlRegistrations)
}

// QuarantinedAfter implements store.Tables.
func (t tables) QuarantinedAfter(ctx context.Context, after uint64, n int) ([]store.Quarantined, error) {
	return collect(ctx, t.db, scanQuarantined, sqlQuarantinedAfter, after, n)
}

// collect reads all that a query gives.
func collect[T any](ctx context.Context, db asker, scan func(*sql.Rows) (T, error), query string, args ...any) (found []T, err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, explain(err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		x, err := scan(rows)
		if err != nil {
			return nil, explain(err)
		}
		found = append(found, x)
	}
	return found, explain(rows.Err())
}

// scanRaw reads a look as its columns have it, and one column more.
func scanRaw(rows *sql.Rows) (l store.Look, last string, err error) {
	var c columns
	var name sql.NullString
	err = rows.Scan(&l.Outlet, &l.ScanDate, &c.status, &c.taken, &c.file, &c.size, &c.duration, &c.details, &c.drive,
		&c.eventID, &c.seq, &c.stored, &c.evidence, &c.cause, &c.conclusive, &c.server,
		&c.sizeBytes, &c.observed, &c.durationMS, &c.skew, &c.free, &c.total, &c.scan, &name)
	if err != nil {
		return l, "", err
	}
	l.Status = events.Status(c.status.String)
	if l.LastBackupTaken = parseTime(c.taken); l.LastBackupTaken != nil {
		*l.LastBackupTaken = l.LastBackupTaken.Truncate(time.Second)
	}
	l.BackupFile, l.BackupFileSize, l.Duration = c.file.String, c.size.String, c.duration.String
	l.ErrorDetails, l.DriveLetter, l.Server, l.ScanID = c.details.String, c.drive.String, c.server.String, c.scan.String
	l.SizeBytes, l.FreeBytes, l.TotalBytes = readInt(c.sizeBytes), readInt(c.free), readInt(c.total)
	l.ObservedAt, l.DurationMS, l.ClockSkewMS = parseTime(c.observed), c.durationMS.Float64, readFloat(c.skew)
	l.EventID, l.Seq, l.Evidence = c.eventID.String, uint64(c.seq.Int64), events.Evidence(c.evidence.Int64)
	l.Cause, l.Conclusive = events.Cause(c.cause.String), c.conclusive.Bool
	if t := parseTime(c.stored); t != nil {
		l.Stored = *t
	}
	return l, name.String, nil
}

package sqlserver

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// The texts of what compares. {drive} and {table} are those of the mode.
const (
	sqlScanDates = `SELECT DISTINCT ScanDate FROM {table} ORDER BY ScanDate`
	sqlDayRows   = `SELECT s.OutletServer, s.ScanDate, s.Status, {taken}, s.BackupFile, s.BackupFileSize, s.Duration, s.ErrorDetails, {drive},
		m.EventID, m.Seq, m.Stored, m.Evidence, m.Cause, m.Conclusive, m.Server, m.SizeBytes, m.ObservedAt, m.DurationMS,
		m.ClockSkewMS, m.FreeBytes, m.TotalBytes, m.ScanID, m.OutletKey
		FROM {table} s
		LEFT JOIN dbo.MonitorStat m ON m.Mode = @mode AND m.ScanDate = s.ScanDate AND m.ScanDate = CAST(@date AS DATE)
			AND m.OutletServer = s.OutletServer COLLATE {bin}
		WHERE s.ScanDate = CAST(@date AS DATE)`
	sqlLines = `SELECT TOP (@rows) OutletServer, ScanDate, Status, LastBackupTaken, BackupFile, BackupFileSize, Duration, ErrorDetails,
		DriveLetter, EventID, Seq, Stored, Evidence, Cause, Conclusive, Server, SizeBytes, ObservedAt, DurationMS, ClockSkewMS,
		FreeBytes, TotalBytes, ScanID, Mode
		FROM dbo.MonitorHistory WHERE Seq > @after ORDER BY Seq`
	sqlRegistrations = `SELECT o.OutletCode, o.IPAddress, o.OutletName, o.ActiveDepot, r.OutletGroup, r.PausedUntil, r.MaxAgeSeconds,
		r.Source, COALESCE(r.Seq, 0)
		FROM dbo.Outlets o LEFT JOIN dbo.MonitorOutlet r ON r.OutletCode = o.OutletCode COLLATE {bin}`
	sqlQuarantinedAfter = `SELECT TOP (@rows) Seq, Subject, Type, Stored, Reason, Header, Data
		FROM dbo.MonitorQuarantine WHERE Seq > @after ORDER BY Seq`

	// sqlHoldCheckpoint keeps every projector waiting until the transaction ends.
	sqlHoldCheckpoint = `UPDATE dbo.MonitorCheckpoint SET Seq = Seq WHERE ID = 1`
)

// asker is a connection, or some, or a transaction.
type asker interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// tables implements store.Tables.
type tables struct {
	db     asker
	layout *layout
}

// View runs f on the tables as they are at one moment: in a snapshot, or, where
// the database allows none, while no batch is applied.
func (s *Store) View(ctx context.Context, f func(context.Context, store.Tables) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("read the tables: %w", explain(err))
		}
	}()
	l, err := s.tables(ctx)
	if err != nil {
		return err
	}
	_, snapshots, err := s.isolation(ctx)
	if err != nil {
		return err
	}
	pool := s.writer
	if snapshots {
		pool = s.snap
	}
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rollback(tx)) }()
	if !snapshots {
		if _, err := tx.ExecContext(ctx, sqlHoldCheckpoint); err != nil {
			return err
		}
	}
	t := tables{tx, l}
	if _, err := t.Checkpoint(ctx); err != nil { // the first read decides of which moment all are
		return err
	}
	return f(ctx, t)
}

// Checkpoint implements store.Tables.
func (t tables) Checkpoint(ctx context.Context) (store.Checkpoint, error) {
	var c store.Checkpoint
	err := t.db.QueryRowContext(ctx, sqlCheckpoint).Scan(&c.Stream, &c.Seq)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return store.Checkpoint{}, fmt.Errorf("read the checkpoint: %w", explain(err))
	}
	return c, nil
}

// ScanDates implements store.Tables.
func (t tables) ScanDates(ctx context.Context, m events.Mode) ([]events.Date, error) {
	name, err := table(m)
	if err != nil {
		return nil, err
	}
	return collect(ctx, t.db, scanDate, fill(sqlScanDates, "table", name))
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
	}, fill(sqlDayRows, "table", name, "drive", drive, "taken", t.layout.time(name, "s.", "LastBackupTaken")),
		sql.Named("mode", string(m)), sql.Named("date", string(d)))
	return found.Looks(), err
}

// Lines implements store.Tables.
func (t tables) Lines(ctx context.Context, after uint64, n int) ([]store.Look, error) {
	return collect(ctx, t.db, func(rows *sql.Rows) (store.Look, error) {
		l, mode, err := scanRaw(rows)
		l.Mode = events.Mode(mode)
		return l, err
	}, sqlLines, sql.Named("after", int64(after)), sql.Named("rows", n))
}

// Registrations implements store.Tables.
func (t tables) Registrations(ctx context.Context) ([]store.Outlet, error) {
	return collect(ctx, t.db, scanOutlet, fill(sqlRegistrations))
}

// QuarantinedAfter implements store.Tables.
func (t tables) QuarantinedAfter(ctx context.Context, after uint64, n int) ([]store.Quarantined, error) {
	return collect(ctx, t.db, scanQuarantined, sqlQuarantinedAfter, sql.Named("after", int64(after)), sql.Named("rows", n))
}

// scanRaw reads a look as its columns have it, and one column more.
func scanRaw(rows *sql.Rows) (l store.Look, last string, err error) {
	var c columns
	var more sql.NullString
	if err := rows.Scan(append(c.of(&l), &more)...); err != nil {
		return l, "", err
	}
	l.Status = events.Status(c.status.String)
	l.LastBackupTaken = readTime(c.taken, time.Second)
	l.BackupFile, l.BackupFileSize, l.Duration = c.file.String, c.size.String, c.duration.String
	l.ErrorDetails, l.DriveLetter = c.details.String, c.drive.String
	c.beside(&l)
	return l, more.String, nil
}

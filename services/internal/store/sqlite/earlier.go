package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// Exclusive runs f while nobody else is in Exclusive. A file has one process:
// its data directory is locked.
func (s *Store) Exclusive(ctx context.Context, f func(context.Context) error) error {
	select {
	case s.alone <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.alone }()
	return f(ctx)
}

const (
	sqlEarlierOutlets = `SELECT OutletCode, IPAddress, OutletName, ActiveDepot FROM Outlets ORDER BY OutletCode`
	sqlEarlierDays    = `SELECT CAST(ScanDate AS TEXT), COUNT(*) FROM %s GROUP BY CAST(ScanDate AS TEXT) ORDER BY 1`
	sqlEarlierRows    = `SELECT OutletServer, CAST(ScanDate AS TEXT), Status, CAST(LastBackupTaken AS TEXT), BackupFile, BackupFileSize,
		Duration, ErrorDetails, %s FROM %s WHERE ScanDate BETWEEN ? AND ? ORDER BY ScanDate, OutletServer`
)

// there tells whether the database has a table.
func (s *Store) there(ctx context.Context, table string) (bool, error) {
	var n int
	err := s.reader.QueryRowContext(ctx, "SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table' AND name = ? COLLATE NOCASE", table).Scan(&n)
	return n > 0, err
}

// earlier reads all rows of a query, where its table is there.
func earlier[T any](ctx context.Context, s *Store, table, query string, args []any, scan func(*sql.Rows) (T, error)) (found []T, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("read the earlier rows of %s: %w", table, explain(err))
		}
	}()
	if ok, err := s.there(ctx, table); err != nil || !ok {
		return nil, err
	}
	rows, err := s.reader.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		found = append(found, one)
	}
	return found, rows.Err()
}

// EarlierOutlets lists the table Outlets.
func (s *Store) EarlierOutlets(ctx context.Context) ([]store.EarlierOutlet, error) {
	return earlier(ctx, s, "Outlets", sqlEarlierOutlets, nil, func(rows *sql.Rows) (store.EarlierOutlet, error) {
		var code, address, name, active sql.NullString
		err := rows.Scan(&code, &address, &name, &active)
		return store.EarlierOutlet{Code: code.String, Address: address.String, Name: name.String, Active: isFlag(active)}, err
	})
}

// EarlierDays lists the scan dates of a mode, oldest first.
func (s *Store) EarlierDays(ctx context.Context, m events.Mode) ([]store.EarlierDay, error) {
	name, err := table(m)
	if err != nil {
		return nil, err
	}
	return earlier(ctx, s, name, fmt.Sprintf(sqlEarlierDays, name), nil, func(rows *sql.Rows) (store.EarlierDay, error) {
		var d store.EarlierDay
		return d, rows.Scan(&d.ScanDate, &d.Rows)
	})
}

// EarlierRows lists the rows of a mode from one scan date to another.
func (s *Store) EarlierRows(ctx context.Context, m events.Mode, from, to events.Date) ([]store.EarlierRow, error) {
	name, err := table(m)
	if err != nil {
		return nil, err
	}
	drive := "NULL"
	if m == events.IBStorage {
		drive = "DriveLetter"
	}
	query := fmt.Sprintf(sqlEarlierRows, drive, name)
	return earlier(ctx, s, name, query, []any{from, to}, func(rows *sql.Rows) (store.EarlierRow, error) {
		var outlet, status, taken, file, size, duration, details, drive sql.NullString
		var r store.EarlierRow
		err := rows.Scan(&outlet, &r.ScanDate, &status, &taken, &file, &size, &duration, &details, &drive)
		r.Outlet, r.Status, r.LastBackupTaken = outlet.String, status.String, parseTime(taken)
		r.BackupFile, r.BackupFileSize, r.Duration = file.String, size.String, duration.String
		r.ErrorDetails, r.DriveLetter = details.String, drive.String
		return r, err
	})
}

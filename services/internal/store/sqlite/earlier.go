package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

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
	sqlEarlierDays    = `SELECT CASE WHEN ` + sqlDated + ` THEN CAST(ScanDate AS TEXT) ELSE '' END, COUNT(*) FROM %s s WHERE %s GROUP BY 1 ORDER BY 1`
	sqlEarlierRows    = `SELECT OutletServer, COALESCE(CAST(ScanDate AS TEXT), ''), Status, CAST(LastBackupTaken AS TEXT), BackupFile, BackupFileSize,
		Duration, ErrorDetails, %s FROM %s s WHERE %s AND %s ORDER BY ScanDate, OutletServer`
	// sqlDated is true of rows whose scan date is a text: NULL and a number are
	// in no span of days.
	sqlDated   = `typeof(ScanDate) = 'text'`
	sqlInSpan  = sqlDated + ` AND ScanDate BETWEEN ? AND ?`
	sqlDayless = `(typeof(ScanDate) <> 'text' OR ScanDate = '')`
	// sqlNotOurs is true of rows that no event of a log stands behind.
	sqlNotOurs = `NOT EXISTS (SELECT 1 FROM MonitorStat m WHERE m.Mode = '%s' AND m.OutletServer = s.OutletServer AND m.ScanDate = s.ScanDate AND m.EventID <> '')`
)

// Earlier reads the rows from before the log in a file that it does not change.
type Earlier struct {
	path string
	db   *sql.DB
}

// OpenEarlier opens the file at path to be read alone. Whoever opens it closes
// it.
func OpenEarlier(ctx context.Context, path string) (*Earlier, error) {
	abs, err := filepath.Abs(path)
	if err == nil {
		_, err = os.Stat(abs)
	}
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	db, err := connect(abs, 1, url.Values{"mode": {"ro"}, "_pragma": {"query_only(1)"}})
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", abs, err)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*busyTimeout)
	defer cancel()
	var tables int
	if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", abs, explain(err)), db.Close())
	}
	return &Earlier{path: abs, db: db}, nil
}

// Close closes the file.
func (e *Earlier) Close() error {
	if err := e.db.Close(); err != nil {
		return fmt.Errorf("close database %s: %w", e.path, err)
	}
	return nil
}

func (s *Store) earlier() *Earlier { return &Earlier{path: s.path, db: s.reader} }

// EarlierOutlets lists the table Outlets.
func (s *Store) EarlierOutlets(ctx context.Context) ([]store.EarlierOutlet, error) {
	return s.earlier().EarlierOutlets(ctx)
}

// EarlierDays lists the scan dates of a mode, oldest first.
func (s *Store) EarlierDays(ctx context.Context, m events.Mode) ([]store.EarlierDay, error) {
	return s.earlier().EarlierDays(ctx, m)
}

// EarlierRows lists the rows of a mode from one scan date to another, or from ""
// to "" those of no day.
func (s *Store) EarlierRows(ctx context.Context, m events.Mode, from, to events.Date) ([]store.EarlierRow, error) {
	return s.earlier().EarlierRows(ctx, m, from, to)
}

// notOurs is the condition that a row of a mode is from before the log.
func (e *Earlier) notOurs(ctx context.Context, m events.Mode) (string, error) {
	ours, err := e.there(ctx, "MonitorStat")
	if err != nil || !ours {
		return "1 = 1", err
	}
	return fmt.Sprintf(sqlNotOurs, m), nil
}

// there tells whether the database has a table.
func (e *Earlier) there(ctx context.Context, table string) (bool, error) {
	var n int
	err := e.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table' AND name = ? COLLATE NOCASE", table).Scan(&n)
	return n > 0, err
}

// earlier reads all rows of a query, where its table is there.
func earlier[T any](ctx context.Context, e *Earlier, table, query string, args []any, scan func(*sql.Rows) (T, error)) (found []T, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("read the earlier rows of %s: %w", table, explain(err))
		}
	}()
	if ok, err := e.there(ctx, table); err != nil || !ok {
		return nil, err
	}
	rows, err := e.db.QueryContext(ctx, query, args...)
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
func (e *Earlier) EarlierOutlets(ctx context.Context) ([]store.EarlierOutlet, error) {
	return earlier(ctx, e, "Outlets", sqlEarlierOutlets, nil, func(rows *sql.Rows) (store.EarlierOutlet, error) {
		var code, address, name, active sql.NullString
		err := rows.Scan(&code, &address, &name, &active)
		return store.EarlierOutlet{Code: code.String, Address: address.String, Name: name.String, Active: isFlag(active)}, err
	})
}

// EarlierDays lists the scan dates of a mode, oldest first.
func (e *Earlier) EarlierDays(ctx context.Context, m events.Mode) ([]store.EarlierDay, error) {
	name, err := table(m)
	if err != nil {
		return nil, err
	}
	notOurs, err := e.notOurs(ctx, m)
	if err != nil {
		return nil, fmt.Errorf("read the scan dates of %s: %w", name, explain(err))
	}
	return earlier(ctx, e, name, fmt.Sprintf(sqlEarlierDays, name, notOurs), nil, func(rows *sql.Rows) (store.EarlierDay, error) {
		var d store.EarlierDay
		return d, rows.Scan(&d.ScanDate, &d.Rows)
	})
}

// EarlierRows lists the rows of a mode from one scan date to another, or from ""
// to "" those of no day.
func (e *Earlier) EarlierRows(ctx context.Context, m events.Mode, from, to events.Date) ([]store.EarlierRow, error) {
	name, err := table(m)
	if err != nil {
		return nil, err
	}
	drive := "NULL"
	if m == events.IBStorage {
		drive = "DriveLetter"
	}
	notOurs, err := e.notOurs(ctx, m)
	if err != nil {
		return nil, fmt.Errorf("read the earlier rows of %s: %w", name, explain(err))
	}
	span, args := sqlInSpan, []any{from, to}
	if to == "" {
		span, args = sqlDayless, nil
	}
	query := fmt.Sprintf(sqlEarlierRows, drive, name, span, notOurs)
	return earlier(ctx, e, name, query, args, func(rows *sql.Rows) (store.EarlierRow, error) {
		var outlet, status, taken, file, size, duration, details, drive sql.NullString
		var r store.EarlierRow
		err := rows.Scan(&outlet, &r.ScanDate, &status, &taken, &file, &size, &duration, &details, &drive)
		r.Outlet, r.Status, r.LastBackupTaken = outlet.String, status.String, parseTime(taken)
		r.BackupFile, r.BackupFileSize, r.Duration = file.String, size.String, duration.String
		r.ErrorDetails, r.DriveLetter = details.String, drive.String
		return r, err
	})
}

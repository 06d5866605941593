package sqlserver

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

const (
	sqlThere          = `SELECT CASE WHEN OBJECT_ID(@table) IS NULL THEN 0 ELSE 1 END, CASE WHEN COL_LENGTH(@table, @column) IS NULL THEN 0 ELSE 1 END`
	sqlEarlierOutlets = `SELECT OutletCode, IPAddress, OutletName, ActiveDepot FROM dbo.Outlets ORDER BY OutletCode`
	sqlEarlierDays    = `SELECT ScanDate, COUNT(*) FROM {table} s WHERE {notours} GROUP BY ScanDate ORDER BY ScanDate`
	sqlEarlierRows    = `SELECT OutletServer, ScanDate, Status, TRY_CONVERT(DATETIME2(3), LastBackupTaken), BackupFile,
		BackupFileSize, Duration, ErrorDetails, {drive} FROM {table} s
		WHERE ScanDate >= CAST(@from AS DATE) AND ScanDate <= CAST(@to AS DATE) AND {notours} ORDER BY ScanDate, OutletServer`
	// sqlNotOurs is true of rows that no event of a log stands behind.
	sqlNotOurs = `NOT EXISTS (SELECT 1 FROM dbo.MonitorStat m WHERE m.Mode = '{mode}' AND m.OutletServer = s.OutletServer COLLATE {bin} AND m.ScanDate = s.ScanDate AND m.EventID <> N'')`
)

// notOurs is the condition that a row of a mode is from before the log.
func (s *Store) notOurs(ctx context.Context, m events.Mode) (string, error) {
	ours, _, err := s.has(ctx, "dbo.MonitorStat", "EventID")
	if err != nil || !ours {
		return "1 = 1", err
	}
	return fill(sqlNotOurs, "mode", string(m)), nil
}

// has tells whether the database has a table, and that table a column.
func (s *Store) has(ctx context.Context, table, column string) (there, complete bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	err = s.writer.QueryRowContext(ctx, sqlThere, sql.Named("table", table), sql.Named("column", column)).Scan(&there, &complete)
	return there, complete, err
}

// EarlierOutlets lists the table Outlets.
func (s *Store) EarlierOutlets(ctx context.Context) (found []store.EarlierOutlet, err error) {
	ctx, cancel := context.WithTimeout(ctx, earlierTimeout)
	defer cancel()
	there, _, err := s.has(ctx, "dbo.Outlets", "OutletCode")
	if err == nil && there {
		found, err = collect(ctx, s.writer, func(rows *sql.Rows) (store.EarlierOutlet, error) {
			var code, address, name, active sql.NullString
			err := rows.Scan(&code, &address, &name, &active)
			return store.EarlierOutlet{Code: code.String, Address: address.String, Name: name.String, Active: isFlag(active)}, err
		}, sqlEarlierOutlets)
	}
	if err != nil {
		return nil, fmt.Errorf("read the earlier outlets: %w", explain(err))
	}
	return found, nil
}

// EarlierDays lists the scan dates of a mode, oldest first.
func (s *Store) EarlierDays(ctx context.Context, m events.Mode) (found []store.EarlierDay, err error) {
	ctx, cancel := context.WithTimeout(ctx, earlierTimeout)
	defer cancel()
	name, err := table(m)
	if err != nil {
		return nil, err
	}
	there, _, err := s.has(ctx, name, "OutletServer")
	var notOurs string
	if err == nil {
		notOurs, err = s.notOurs(ctx, m)
	}
	if err == nil && there {
		found, err = collect(ctx, s.writer, func(rows *sql.Rows) (store.EarlierDay, error) {
			var d store.EarlierDay
			return d, rows.Scan(day{&d.ScanDate}, &d.Rows)
		}, fill(sqlEarlierDays, "table", name, "notours", notOurs))
	}
	if err != nil {
		return nil, fmt.Errorf("read the earlier scan dates: %w", explain(err))
	}
	return found, nil
}

// EarlierRows lists the rows of a mode from one scan date to another.
func (s *Store) EarlierRows(ctx context.Context, m events.Mode, from, to events.Date) (found []store.EarlierRow, err error) {
	ctx, cancel := context.WithTimeout(ctx, earlierTimeout)
	defer cancel()
	name, err := table(m)
	if err != nil {
		return nil, err
	}
	there, drives, err := s.has(ctx, name, "DriveLetter")
	var notOurs string
	if err == nil {
		notOurs, err = s.notOurs(ctx, m)
	}
	if err == nil && there {
		drive := "NULL"
		if drives {
			drive = "DriveLetter"
		}
		args := []any{sql.Named("from", string(from)), sql.Named("to", string(to))}
		found, err = collect(ctx, s.writer, scanEarlier, fill(sqlEarlierRows, "table", name, "drive", drive, "notours", notOurs), args...)
	}
	if err != nil {
		return nil, fmt.Errorf("read the earlier rows: %w", explain(err))
	}
	return found, nil
}

func scanEarlier(rows *sql.Rows) (store.EarlierRow, error) {
	var outlet, status, file, size, duration, details, drive sql.NullString
	var taken sql.NullTime
	var r store.EarlierRow
	err := rows.Scan(&outlet, day{&r.ScanDate}, &status, &taken, &file, &size, &duration, &details, &drive)
	r.Outlet, r.Status, r.LastBackupTaken = outlet.String, status.String, readTime(taken, time.Second)
	r.BackupFile, r.BackupFileSize, r.Duration = file.String, size.String, duration.String
	r.ErrorDetails, r.DriveLetter = details.String, drive.String
	return r, err
}

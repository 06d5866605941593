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
	sqlEarlierDays    = `SELECT {day}, COUNT(*) FROM {table} s WHERE {notours} GROUP BY {day} ORDER BY {day}`
	sqlEarlierRows    = `SELECT OutletServer, {day}, Status, TRY_CONVERT(DATETIME2(3), LastBackupTaken), BackupFile,
		BackupFileSize, Duration, ErrorDetails, {drive} FROM {table} s
		WHERE {span} AND {notours} ORDER BY {day}, OutletServer`
	sqlInSpan  = `{day} >= CAST(@from AS DATE) AND {day} <= CAST(@to AS DATE)`
	sqlDayless = `{day} IS NULL`
	// sqlIsDate asks whether the scan dates of a table are dates.
	sqlIsDate = `SELECT COUNT(*) FROM sys.columns c JOIN sys.types y ON y.user_type_id = c.user_type_id
		WHERE c.object_id = OBJECT_ID(@table) AND c.name = 'ScanDate' AND y.name = 'date'`
	// sqlNotOurs is true of rows that no event of a log stands behind.
	sqlNotOurs = `NOT EXISTS (SELECT 1 FROM dbo.MonitorStat m WHERE m.Mode = '{mode}' AND m.OutletServer = s.OutletServer COLLATE {bin} AND m.ScanDate = {day} AND m.EventID <> N'')`
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

// earlierTable is a stat table of a mode as it is read.
type earlierTable struct {
	there, drives      bool
	name, day, notOurs string
}

// fill puts the table's name, its scan date and the condition that a row is from
// before the log into a statement.
func (t earlierTable) fill(statement string, pairs ...string) string {
	statement = fill(statement, append(pairs, "notours", t.notOurs)...)
	return fill(statement, "table", t.name, "day", t.day)
}

func (s *Store) earlierTable(ctx context.Context, m events.Mode) (t earlierTable, err error) {
	if t.name, err = table(m); err != nil {
		return t, err
	}
	if t.there, t.drives, err = s.has(ctx, t.name, "DriveLetter"); err != nil || !t.there {
		return t, err
	}
	if t.notOurs, err = s.notOurs(ctx, m); err != nil {
		return t, err
	}
	t.day, err = s.dayOf(ctx, t.name)
	return t, err
}

// dayOf reads the scan date of a table. Where it is no date, those that cannot be
// read as one are NULL.
func (s *Store) dayOf(ctx context.Context, table string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var isDate int
	if err := s.writer.QueryRowContext(ctx, sqlIsDate, sql.Named("table", table)).Scan(&isDate); err != nil {
		return "", err
	}
	if isDate == 0 {
		return "TRY_CONVERT(DATE, s.ScanDate, 23)", nil // yyyy-mm-dd
	}
	return "s.ScanDate", nil
}

// EarlierDays lists the scan dates of a mode, oldest first.
func (s *Store) EarlierDays(ctx context.Context, m events.Mode) (found []store.EarlierDay, err error) {
	ctx, cancel := context.WithTimeout(ctx, earlierTimeout)
	defer cancel()
	t, err := s.earlierTable(ctx, m)
	if err == nil && t.there {
		found, err = collect(ctx, s.writer, func(rows *sql.Rows) (store.EarlierDay, error) {
			var d store.EarlierDay
			return d, rows.Scan(day{&d.ScanDate}, &d.Rows)
		}, t.fill(sqlEarlierDays))
	}
	if err != nil {
		return nil, fmt.Errorf("read the earlier scan dates: %w", explain(err))
	}
	return found, nil
}

// EarlierRows lists the rows of a mode from one scan date to another, or from ""
// to "" those of no day.
func (s *Store) EarlierRows(ctx context.Context, m events.Mode, from, to events.Date) (found []store.EarlierRow, err error) {
	ctx, cancel := context.WithTimeout(ctx, earlierTimeout)
	defer cancel()
	t, err := s.earlierTable(ctx, m)
	if err == nil && t.there {
		drive := "NULL"
		if t.drives {
			drive = "DriveLetter"
		}
		span, args := sqlInSpan, []any{sql.Named("from", string(from)), sql.Named("to", string(to))}
		if to == "" {
			span, args = sqlDayless, nil
		}
		found, err = collect(ctx, s.writer, scanEarlier, t.fill(sqlEarlierRows, "drive", drive, "span", span), args...)
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

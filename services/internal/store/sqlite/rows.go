package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// pageRows is how many rows are read before the first is handed on: more than
// a day has, so that a day is of one moment.
const pageRows = 5000

// LatestScanDate is the latest scan date until last.
func (s *Store) LatestScanDate(ctx context.Context, m events.Mode, last events.Date) (events.Date, error) {
	name, err := table(m)
	if err != nil {
		return "", fmt.Errorf("read the latest scan date: %w", err)
	}
	var d sql.NullString
	if err := s.reader.QueryRowContext(ctx, fmt.Sprintf(sqlLatest, name), last).Scan(&d); err != nil {
		return "", fmt.Errorf("read the latest scan date: %w", explain(err))
	}
	return events.Date(d.String), nil
}

// Rows hands the selected rows to each, newest scan date first, then by
// outlet ignoring case.
func (s *Store) Rows(ctx context.Context, q store.Query, each func(store.Row) error) error {
	if q.AsOf != nil {
		return store.RowsAsOf(ctx, then{s}, q, each)
	}
	left, offset := q.Limit, q.Offset
	var after *store.Row
	for {
		n := pageRows
		if q.Limit > 0 {
			n = min(n, left)
		}
		page, err := s.page(ctx, q, after, n, offset)
		if err != nil {
			return fmt.Errorf("read rows: %w", explain(err))
		}
		for _, r := range page {
			if err := each(r); err != nil {
				return err
			}
		}
		left -= len(page)
		if len(page) < n || q.Limit > 0 && left == 0 {
			return nil
		}
		after, offset = &page[len(page)-1], 0
	}
}

// page reads the n rows that follow after, past offset.
func (s *Store) page(ctx context.Context, q store.Query, after *store.Row, n, offset int) (page []store.Row, err error) {
	query, args, err := rowsQuery(q, after)
	if err != nil {
		return nil, err
	}
	err = q.InTurn(ctx, func() (err error) {
		page, err = s.readRows(ctx, q.Mode, query, append(args, n, offset)...)
		return err
	})
	return page, err
}

// readRows reads all that a query of sqlRows or sqlThen gives.
func (s *Store) readRows(ctx context.Context, m events.Mode, query string, args ...any) (page []store.Row, err error) {
	rows, err := s.reader.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		r, err := scanRow(rows, m)
		if err != nil {
			return nil, err
		}
		page = append(page, r)
	}
	return page, rows.Err()
}

// The texts of what reads. %s are the stat table, its DriveLetter, and the
// conditions. Casts keep the driver from making times of texts. SQLite, which
// has no statistics of the tables here, is told the index: left to itself it
// reads all of MonitorStat for every row. (NOT INDEXED is the primary key;
// COALESCE keeps a condition on m from turning the join around.)
const (
	sqlLatest = `SELECT CAST(MAX(ScanDate) AS TEXT) FROM %s WHERE ScanDate <= ?`
	sqlRows   = `SELECT s.OutletServer, CAST(s.ScanDate AS TEXT), s.Status, CAST(s.LastBackupTaken AS TEXT), s.BackupFile,
		s.BackupFileSize, s.Duration, s.ErrorDetails, %s,
		m.EventID, m.Seq, m.Stored, m.Evidence, m.Cause, m.Conclusive, COALESCE(NULLIF(m.Server, ''), o.IPAddress),
		m.SizeBytes, m.ObservedAt, m.DurationMS, m.ClockSkewMS, m.FreeBytes, m.TotalBytes, m.ScanID, o.OutletName
		FROM %s s
		LEFT JOIN MonitorStat m INDEXED BY MonitorStat_ByRow ON m.Mode = ? AND m.OutletServer = s.OutletServer AND m.ScanDate = s.ScanDate
		LEFT JOIN MonitorOutlet r ON r.OutletKey = COALESCE(m.OutletKey, UPPER(s.OutletServer))
		LEFT JOIN Outlets o ON o.OutletCode = r.OutletCode%s
		ORDER BY s.ScanDate DESC, s.OutletServer COLLATE NOCASE, s.OutletServer LIMIT ? OFFSET ?`
	// An outlet's rows may have several spellings over the days.
	sqlSpellings = `s.OutletServer IN (SELECT OutletServer FROM MonitorStat NOT INDEXED WHERE Mode = ? AND OutletKey = ?
		UNION ALL SELECT ?)`
)

func rowsQuery(q store.Query, after *store.Row) (string, []any, error) {
	name, err := table(q.Mode)
	if err != nil {
		return "", nil, err
	}
	where, args := conditions(q)
	switch q.Status {
	case "":
	case events.Successful:
		where = append(where, "s.Status = 'Successful' COLLATE NOCASE")
	default:
		where = append(where, "s.Status IS NOT 'Successful' COLLATE NOCASE")
	}
	if q.Cause != "" {
		where, args = append(where, "COALESCE(m.Cause, '') = ?"), append(args, q.Cause)
	}
	if after != nil {
		where = append(where, "s.ScanDate <= ? AND (s.ScanDate < ? OR (s.OutletServer COLLATE NOCASE, s.OutletServer) > (?, ?))")
		args = append(args, after.ScanDate, after.ScanDate, after.Outlet, after.Outlet)
	}
	drive := "NULL"
	if q.Mode == events.IBStorage {
		drive = "s.DriveLetter"
	}
	return fmt.Sprintf(sqlRows, drive, name, whereText(where)), append([]any{q.Mode}, args...), nil
}

// conditions are those that rows and summaries share.
func conditions(q store.Query) (where []string, args []any) {
	if q.Outlet != "" {
		where = append(where, sqlSpellings)
		args = append(args, q.Mode, events.Key(q.Outlet), strings.TrimSpace(q.Outlet))
	}
	if q.From != "" {
		where, args = append(where, "s.ScanDate >= ?"), append(args, q.From)
	}
	if q.To != "" {
		where, args = append(where, "s.ScanDate <= ?"), append(args, q.To)
	}
	return where, args
}

func whereText(where []string) string {
	if len(where) == 0 {
		return ""
	}
	return "\n\t\tWHERE " + strings.Join(where, " AND ")
}

// andText is whereText for what has a condition already.
func andText(where []string) string {
	if len(where) == 0 {
		return ""
	}
	return " AND " + strings.Join(where, " AND ")
}

// columns are those of a look as they come from the database.
type columns struct {
	status, taken, file, size, duration, details, drive sql.NullString
	eventID, stored, cause, server, observed, scan      sql.NullString
	seq, evidence, sizeBytes, free, total               sql.NullInt64
	conclusive                                          sql.NullBool
	durationMS, skew                                    sql.NullFloat64
}

func scanRow(rows *sql.Rows, m events.Mode) (store.Row, error) {
	var r store.Row
	var c columns
	var name sql.NullString
	err := rows.Scan(&r.Outlet, &r.ScanDate, &c.status, &c.taken, &c.file, &c.size, &c.duration, &c.details, &c.drive,
		&c.eventID, &c.seq, &c.stored, &c.evidence, &c.cause, &c.conclusive, &c.server,
		&c.sizeBytes, &c.observed, &c.durationMS, &c.skew, &c.free, &c.total, &c.scan, &name)
	if err != nil {
		return r, err
	}
	r.Mode, r.OutletName = m, name.String
	c.into(&r.Look)
	return r, nil
}

func (c *columns) into(l *store.Look) {
	l.Status = store.ReadStatus(c.status.String)
	if l.LastBackupTaken = parseTime(c.taken); l.LastBackupTaken != nil {
		*l.LastBackupTaken = l.LastBackupTaken.Truncate(time.Second)
	}
	l.BackupFile, l.BackupFileSize, l.Duration = readText(c.file), readText(c.size), readText(c.duration)
	l.ErrorDetails, l.DriveLetter = readText(c.details), readText(c.drive)
	l.Server, l.SizeBytes, l.FreeBytes, l.TotalBytes = c.server.String, readInt(c.sizeBytes), readInt(c.free), readInt(c.total)
	l.ObservedAt, l.DurationMS, l.ClockSkewMS, l.ScanID = parseTime(c.observed), c.durationMS.Float64, readFloat(c.skew), c.scan.String
	if c.eventID.String == "" {
		l.Unjudged()
		return
	}
	l.EventID, l.Seq, l.Evidence = c.eventID.String, uint64(c.seq.Int64), events.Evidence(c.evidence.Int64)
	l.Cause, l.Conclusive = events.Cause(c.cause.String), c.conclusive.Bool
	if t := parseTime(c.stored); t != nil {
		l.Stored = *t
	}
}

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
	// pageRows is how many rows of the table are gone through before the first
	// is handed on: more than a day has, so that a day is of one moment.
	pageRows = 5000
	// pageFiltered is the same where most rows are left out.
	pageFiltered = 50_000
)

// LatestScanDate is the latest scan date until last.
func (s *Store) LatestScanDate(ctx context.Context, m events.Mode, last events.Date) (events.Date, error) {
	name, err := table(m)
	if err != nil {
		return "", fmt.Errorf("read the latest scan date: %w", err)
	}
	found, err := collect(ctx, s.writer, scanDate, fill(sqlLatest, "table", name), sql.Named("last", string(last)))
	if err != nil {
		return "", fmt.Errorf("read the latest scan date: %w", explain(err))
	}
	return found[0], nil // a MAX is one row
}

// Rows hands the selected rows to each, newest scan date first, then by
// outlet ignoring case. It goes through the table in windows of whole days: in
// them the server sorts a few thousand rows, and never the table.
func (s *Store) Rows(ctx context.Context, q store.Query, each func(store.Row) error) error {
	if q.AsOf != nil {
		return s.rowsThen(ctx, q, each)
	}
	sel, err := s.selected(ctx, q)
	if err != nil {
		return fmt.Errorf("read rows: %w", explain(err))
	}
	w := window{selection: sel, left: q.Limit, offset: q.Offset}
	for {
		page, more, err := w.inTurn(ctx)
		if err != nil {
			return fmt.Errorf("read rows: %w", explain(err))
		}
		for _, r := range page {
			if err := each(r); err != nil {
				return err
			}
		}
		if !more {
			return nil
		}
	}
}

// window is a walk through a stat table, back in time.
type window struct {
	selection     // To moves back
	left      int // rows still wanted; 0: all
	offset    int // rows still to be passed over
}

// inTurn is next when it is the query's turn.
func (w *window) inTurn(ctx context.Context) (page []store.Row, more bool, err error) {
	err = w.InTurn(ctx, func() (err error) {
		page, more, err = w.next(ctx)
		return err
	})
	return page, more, err
}

// next reads the rows of the next days, and tells whether there may be more.
func (w *window) next(ctx context.Context) (page []store.Row, more bool, err error) {
	days := w.selection
	var from events.Date
	if w.Outlet == "" { // one outlet's rows are few
		if from, err = w.begin(ctx); err != nil {
			return nil, false, err
		}
	}
	if from != "" {
		days.From = from
	}
	page, err = w.read(ctx, days)
	if err != nil {
		return nil, false, err
	}
	done := w.left > 0 && len(page) >= w.left
	if w.left > 0 {
		w.left -= len(page)
	}
	if done || from == "" {
		return page, false, nil
	}
	if err := w.pass(ctx, days, len(page)); err != nil {
		return nil, false, err
	}
	w.To, err = dayBefore(from)
	return page, err == nil && w.To >= w.From, err
}

// begin is the first day of the window that ends with w.To: "" where the rest
// of the table is within it.
func (w *window) begin(ctx context.Context) (events.Date, error) {
	size := max(pageRows, w.offset+w.left)
	if w.Status != "" || w.Cause != "" {
		size = max(pageFiltered, size)
	}
	where, args := w.dates()
	args = append(args, sql.Named("skip", size-1))
	found, err := read(ctx, w.store, scanDate, fill(sqlBeginning, "table", w.table, "where", whereText(where)), args...)
	if err != nil || len(found) == 0 {
		return "", err
	}
	return found[0], nil
}

func (w *window) read(ctx context.Context, days selection) (page []store.Row, err error) {
	text, args := days.rows()
	text, args = text+" OFFSET @offset ROWS", append(args, sql.Named("offset", w.offset))
	if w.left > 0 {
		text, args = text+" FETCH NEXT @left ROWS ONLY", append(args, sql.Named("left", w.left))
	}
	return read(ctx, w.store, rowOf(w.Mode), text, args...)
}

// pass notes how much of the offset the days have used up.
func (w *window) pass(ctx context.Context, days selection, got int) error {
	if w.offset == 0 {
		return nil
	}
	if got > 0 {
		w.offset = 0
		return nil
	}
	where, args := days.filters()
	found, err := read(ctx, w.store, scanCount, fill(sqlCount, "table", w.table, "where", whereText(where)), args...)
	for _, n := range found {
		w.offset -= min(n, w.offset)
	}
	return err
}

func dayBefore(d events.Date) (events.Date, error) {
	t, err := time.Parse(time.DateOnly, string(d))
	if err != nil {
		return "", fmt.Errorf("the database has %q for a date: %w", d, err)
	}
	return events.DateOf(t.AddDate(0, 0, -1), time.UTC), nil
}

func rowOf(m events.Mode) func(*sql.Rows) (store.Row, error) {
	return func(rows *sql.Rows) (store.Row, error) { return scanRow(rows, m) }
}

// The texts of what reads.
const (
	sqlLatest    = `SELECT MAX(ScanDate) FROM {table} WHERE ScanDate <= CAST(@last AS DATE)`
	sqlBeginning = `SELECT s.ScanDate FROM {table} s{where} ORDER BY s.ScanDate DESC
		OFFSET @skip ROWS FETCH NEXT 1 ROWS ONLY`
	sqlRows = `SELECT s.OutletServer, s.ScanDate, s.Status, {taken}, s.BackupFile,
		s.BackupFileSize, s.Duration, s.ErrorDetails, {drive},
		m.EventID, m.Seq, m.Stored, m.Evidence, m.Cause, m.Conclusive, COALESCE(NULLIF(m.Server, ''), o.IPAddress),
		m.SizeBytes, m.ObservedAt, m.DurationMS, m.ClockSkewMS, m.FreeBytes, m.TotalBytes, m.ScanID, o.OutletName
		FROM {table} s
		LEFT JOIN dbo.MonitorStat m ON m.Mode = @mode AND m.ScanDate = s.ScanDate{days} AND m.OutletServer = s.OutletServer COLLATE {bin}
		LEFT JOIN dbo.MonitorOutlet r ON r.OutletKey = COALESCE(m.OutletKey, UPPER(s.OutletServer) COLLATE {bin})
		LEFT JOIN dbo.Outlets o ON o.OutletCode = {code}{where}
		ORDER BY s.ScanDate DESC, COALESCE(m.OutletKey, UPPER(s.OutletServer) COLLATE {bin}), s.OutletServer COLLATE {bin}`
	sqlCount = `SELECT COUNT(*) FROM {table} s
		LEFT JOIN dbo.MonitorStat m ON m.Mode = @mode AND m.ScanDate = s.ScanDate AND m.OutletServer = s.OutletServer COLLATE {bin}{where}`
)

// columns are those of a look as they come from the database.
type columns struct {
	status, file, size, duration, details, drive sql.NullString
	eventID, cause, server, scan                 sql.NullString
	taken, stored, observed                      sql.NullTime
	seq, evidence, sizeBytes, free, total        sql.NullInt64
	conclusive                                   sql.NullBool
	durationMS, skew                             sql.NullFloat64
}

func scanRow(rows *sql.Rows, m events.Mode) (store.Row, error) {
	var r store.Row
	var c columns
	var name sql.NullString
	if err := rows.Scan(append(c.of(&r.Look), &name)...); err != nil {
		return r, err
	}
	r.Mode, r.OutletName = m, name.String
	c.into(&r.Look)
	return r, nil
}

// of is where the columns go, in the order of every query of looks.
func (c *columns) of(l *store.Look) []any {
	return []any{
		&l.Outlet, day{&l.ScanDate}, &c.status, &c.taken, &c.file, &c.size, &c.duration, &c.details, &c.drive,
		&c.eventID, &c.seq, &c.stored, &c.evidence, &c.cause, &c.conclusive, &c.server,
		&c.sizeBytes, &c.observed, &c.durationMS, &c.skew, &c.free, &c.total, &c.scan,
	}
}

func (c *columns) into(l *store.Look) {
	l.Status = store.ReadStatus(c.status.String)
	l.LastBackupTaken = readTime(c.taken, time.Second)
	l.BackupFile, l.BackupFileSize, l.Duration = readText(c.file), readText(c.size), readText(c.duration)
	l.ErrorDetails, l.DriveLetter = readText(c.details), readText(c.drive)
	c.beside(l)
	if l.EventID == "" {
		l.Unjudged()
	}
}

// beside are the columns that stand beside a row of the stat table.
func (c *columns) beside(l *store.Look) {
	l.Server, l.SizeBytes, l.FreeBytes, l.TotalBytes = c.server.String, readInt(c.sizeBytes), readInt(c.free), readInt(c.total)
	l.ObservedAt, l.DurationMS, l.ClockSkewMS = readTime(c.observed, time.Microsecond), c.durationMS.Float64, readFloat(c.skew)
	l.ScanID, l.EventID, l.Seq, l.Evidence = c.scan.String, c.eventID.String, uint64(c.seq.Int64), events.Evidence(c.evidence.Int64)
	l.Cause, l.Conclusive = events.Cause(c.cause.String), c.conclusive.Bool
	if t := readTime(c.stored, time.Microsecond); t != nil {
		l.Stored = *t
	}
}

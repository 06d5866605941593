package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// What was known at a sequence. A row that rests on a look from before it is
// the same then as now, because it is the best of all there are; only where it
// rests on a later one does the history say what stood there. %s are what is
// selected, the stat table, the conditions, and what follows them. CROSS JOIN
// keeps SQLite, which has no statistics here, from beginning with the history.
const (
	sqlStoodThen = `(SELECT t.Seq FROM MonitorHistory t INDEXED BY MonitorHistory_ByDay
		WHERE t.Mode = m.Mode AND t.ScanDate = CAST(m.ScanDate AS TEXT) AND t.OutletKey = m.OutletKey AND t.Seq <= ?
		ORDER BY t.Evidence DESC, t.Seq DESC LIMIT 1)`
	sqlThen = `SELECT %s
		FROM %s s
		CROSS JOIN MonitorStat m INDEXED BY MonitorStat_ByRow ON m.Mode = ? AND m.OutletServer = s.OutletServer AND m.ScanDate = s.ScanDate
		CROSS JOIN MonitorHistory h ON h.Seq = CASE WHEN m.Seq <= ? THEN m.Seq ELSE ` + sqlStoodThen + ` END%s`

	sqlThenColumns = `h.OutletServer, CAST(h.ScanDate AS TEXT), h.Status, h.LastBackupTaken, h.BackupFile, h.BackupFileSize,
		h.Duration, h.ErrorDetails, h.DriveLetter, h.EventID, h.Seq, h.Stored, h.Evidence, h.Cause, h.Conclusive,
		COALESCE(NULLIF(h.Server, ''), o.IPAddress), h.SizeBytes, h.ObservedAt, h.DurationMS, h.ClockSkewMS, h.FreeBytes,
		h.TotalBytes, h.ScanID, o.OutletName`
	sqlThenOutlet = `
		LEFT JOIN MonitorOutlet r ON r.OutletKey = m.OutletKey
		LEFT JOIN Outlets o ON o.OutletCode = r.OutletCode`
	sqlThenOrder = `
		ORDER BY s.ScanDate DESC, s.OutletServer COLLATE NOCASE, s.OutletServer LIMIT ? OFFSET ?`
	sqlThenDays = `
		GROUP BY s.ScanDate ORDER BY s.ScanDate DESC LIMIT ?`
	sqlThenCounts = `CAST(s.ScanDate AS TEXT), COUNT(*), COALESCE(SUM(h.Status = 'Successful' COLLATE NOCASE), 0),
		COALESCE(SUM(h.Evidence = 0), 0)`

	sqlLatestThen = `SELECT ScanDate FROM MonitorHistory INDEXED BY MonitorHistory_ByDay
		WHERE Mode = ? AND ScanDate <= ? AND Seq <= ? ORDER BY ScanDate DESC LIMIT 1`
	sqlNextStored = `SELECT Seq, Stored FROM MonitorHistory WHERE Seq >= ? ORDER BY Seq LIMIT 1`
	sqlLastStored = `SELECT COALESCE(MAX(Seq), 0) FROM MonitorHistory`
)

// thenQuery is what was known at *q.AsOf: %s columns, then what follows the
// conditions.
func thenQuery(q store.Query, columns, joins, tail string) (string, []any, error) {
	name, err := table(q.Mode)
	if err != nil {
		return "", nil, err
	}
	where, args := conditions(q)
	switch q.Status {
	case "":
	case events.Successful:
		where = append(where, "h.Status = 'Successful' COLLATE NOCASE")
	default:
		where = append(where, "h.Status IS NOT 'Successful' COLLATE NOCASE")
	}
	if q.Cause != "" {
		where, args = append(where, "h.Cause = ?"), append(args, q.Cause)
	}
	text := fmt.Sprintf(sqlThen, columns, name, joins+whereText(where)+tail)
	return text, append([]any{q.Mode, *q.AsOf, *q.AsOf}, args...), nil
}

// rowsThen hands on what was known at *q.AsOf. That never changes any more, so
// that pages may be counted off.
func (s *Store) rowsThen(ctx context.Context, q store.Query, each func(store.Row) error) error {
	text, args, err := thenQuery(q, sqlThenColumns, sqlThenOutlet, sqlThenOrder)
	if err != nil {
		return err
	}
	for offset, left := q.Offset, q.Limit; ; offset += pageRows {
		n := pageRows
		if q.Limit > 0 {
			n = min(n, left)
		}
		page, err := s.readRows(ctx, q.Mode, text, append(slices.Clip(args), n, offset)...)
		if err != nil {
			return explain(err)
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
	}
}

// daysThenQuery counts by day what was known at *q.AsOf.
func daysThenQuery(q store.Query) (string, []any, error) {
	limit := q.Limit
	if limit <= 0 {
		limit = -1 // SQLite: no limit
	}
	q.Status, q.Cause = "", ""
	text, args, err := thenQuery(q, sqlThenCounts, "", sqlThenDays)
	return text, append(args, limit), err
}

// LatestScanDateAsOf is the latest scan date until last that was known at a
// sequence.
func (s *Store) LatestScanDateAsOf(ctx context.Context, m events.Mode, seq uint64, last events.Date) (events.Date, error) {
	var d string
	err := s.reader.QueryRowContext(ctx, sqlLatestThen, m, last, seq).Scan(&d)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("read the latest scan date: %w", explain(err))
	}
	return events.Date(d), nil
}

// SequenceAt is the last sequence of the history that was stored by t.
func (s *Store) SequenceAt(ctx context.Context, t time.Time) (uint64, error) {
	var last uint64
	err := s.reader.QueryRowContext(ctx, sqlLastStored).Scan(&last)
	if err == nil {
		last, err = store.SearchSequence(last, t, func(from uint64) (seq uint64, stored time.Time, err error) {
			var text sql.NullString
			err = s.reader.QueryRowContext(ctx, sqlNextStored, from).Scan(&seq, &text)
			if at := parseTime(text); at != nil {
				stored = *at
			}
			return seq, stored, err
		})
	}
	if err != nil {
		return 0, fmt.Errorf("find what was stored by %s: %w", t.UTC().Format(time.RFC3339), explain(err))
	}
	return last, nil
}

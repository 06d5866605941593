package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// The texts that fold the history: {conditions} those on its outlet, dates and
// sequence, in %s the columns, what they need beside, and what follows. The
// index has each outlet's looks of a day together, so that its best is found in
// the one pass that reads them, by one number: evidence, then sequence. CROSS
// JOIN keeps SQLite, which has no statistics here, from beginning with all of
// the history. Dates are cast to the type that the index has.
const (
	sqlThen = `SELECT %[1]s
		FROM (SELECT MAX(t.Evidence * 1152921504606846976 + t.Seq) %% 1152921504606846976 AS Seq
			FROM MonitorHistory t INDEXED BY MonitorHistory_ByDay
			WHERE t.Mode = ? AND t.ScanDate IN (SELECT CAST(s.ScanDate AS TEXT) FROM MonitorDay s WHERE s.Mode = ?%[2]s)%[3]s AND t.Seq <= ?
			GROUP BY t.ScanDate, t.OutletKey) k
		CROSS JOIN MonitorHistory h ON h.Seq = k.Seq%[4]s`

	sqlThenColumns = `h.OutletServer, h.ScanDate, h.Status, h.LastBackupTaken, h.BackupFile, h.BackupFileSize,
		h.Duration, h.ErrorDetails, h.DriveLetter, h.EventID, h.Seq, h.Stored, h.Evidence, h.Cause, h.Conclusive,
		COALESCE(NULLIF(h.Server, ''), o.IPAddress), h.SizeBytes, h.ObservedAt, h.DurationMS, h.ClockSkewMS, h.FreeBytes,
		h.TotalBytes, h.ScanID, o.OutletName`
	sqlThenOutlet = `
		LEFT JOIN MonitorOutlet r ON r.OutletKey = h.OutletKey
		LEFT JOIN Outlets o ON o.OutletCode = r.OutletCode`
	sqlThenOrder = `
		ORDER BY h.ScanDate DESC, h.OutletServer COLLATE NOCASE, h.OutletServer`
	sqlThenDays = `
		GROUP BY h.ScanDate ORDER BY h.ScanDate DESC`
	sqlThenCounts = `h.ScanDate, COUNT(*), COALESCE(SUM(h.Status = 'Successful' COLLATE NOCASE), 0), COALESCE(SUM(h.Evidence = 0), 0)`

	sqlKeptDays = `SELECT CAST(s.ScanDate AS TEXT), s.Total, s.Successful, s.NotObserved, CASE WHEN s.Counted = 1 THEN s.LastSeq END
		FROM MonitorDay s WHERE s.Mode = ?%s ORDER BY s.ScanDate DESC`

	sqlNextStored = `SELECT Seq, Stored FROM MonitorHistory WHERE Seq >= ? ORDER BY Seq LIMIT 1`
	sqlLastStored = `SELECT COALESCE(MAX(Seq), 0) FROM MonitorHistory`
)

// then implements store.Past.
type then struct{ s *Store }

// thenQuery folds the history as of *q.AsOf: columns, and what follows.
func thenQuery(q store.Query, columns, tail string) (string, []any, error) {
	if _, err := table(q.Mode); err != nil {
		return "", nil, err
	}
	args := []any{q.Mode, q.Mode}
	dates, of := conditions(store.Query{From: q.From, To: q.To})
	args = append(args, of...)
	outlet := ""
	if q.Outlet != "" {
		outlet, args = " AND t.OutletKey = ?", append(args, events.Key(q.Outlet))
	}
	return fmt.Sprintf(sqlThen, columns, andText(dates), outlet, tail), append(args, *q.AsOf), nil
}

func rowsThenQuery(q store.Query) (string, []any, error) {
	var where []string
	var of []any
	switch q.Status {
	case "":
	case events.Successful:
		where = append(where, "h.Status = 'Successful' COLLATE NOCASE")
	default:
		where = append(where, "h.Status IS NOT 'Successful' COLLATE NOCASE")
	}
	if q.Cause != "" {
		where, of = append(where, "h.Cause = ?"), append(of, q.Cause)
	}
	text, args, err := thenQuery(q, sqlThenColumns, sqlThenOutlet+whereText(where)+sqlThenOrder)
	return text, append(args, of...), err
}

// KeptDays implements store.Past.
func (p then) KeptDays(ctx context.Context, q store.Query) ([]store.KeptDay, error) {
	where, args := conditions(store.Query{From: q.From, To: q.To})
	return collect(ctx, p.s.reader, func(rows *sql.Rows) (d store.KeptDay, err error) {
		var last sql.NullInt64
		err = rows.Scan(&d.ScanDate, &d.Total, &d.Successful, &d.NotObserved, &last)
		d.Failed, d.LastSeq = d.Total-d.Successful, uint64(last.Int64)
		return d, err
	}, fmt.Sprintf(sqlKeptDays, andText(where)), append([]any{q.Mode}, args...)...)
}

// DaysThen implements store.Past.
func (p then) DaysThen(ctx context.Context, q store.Query) (days []store.DaySummary, err error) {
	text, args, err := thenQuery(q, sqlThenCounts, sqlThenDays)
	if err != nil {
		return nil, err
	}
	err = q.InTurn(ctx, func() (err error) {
		days, err = collect(ctx, p.s.reader, scanDay, text, args...)
		return err
	})
	return days, err
}

// RowsThen implements store.Past.
func (p then) RowsThen(ctx context.Context, q store.Query) (page []store.Row, err error) {
	text, args, err := rowsThenQuery(q)
	if err != nil {
		return nil, err
	}
	err = q.InTurn(ctx, func() (err error) {
		page, err = p.s.readRows(ctx, q.Mode, text, args...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read rows: %w", explain(err))
	}
	return page, nil
}

// LatestScanDateAsOf is the latest scan date until last that was known at a
// sequence.
func (s *Store) LatestScanDateAsOf(ctx context.Context, m events.Mode, seq uint64, last events.Date) (events.Date, error) {
	d, err := store.LatestAsOf(ctx, then{s}, m, seq, last)
	if err != nil {
		return "", fmt.Errorf("read the latest scan date: %w", err)
	}
	return d, nil
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

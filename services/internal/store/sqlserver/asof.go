package sqlserver

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
// rests on a later one does the history say what stood there.
const (
	sqlThen = `SELECT {columns}
		FROM dbo.MonitorStat m
		CROSS APPLY (SELECT CASE WHEN m.Seq <= @asof THEN m.Seq ELSE (
			SELECT TOP (1) t.Seq FROM dbo.MonitorHistory t
			WHERE t.Mode = m.Mode AND t.ScanDate = m.ScanDate AND t.OutletKey = m.OutletKey AND t.Seq <= @asof
			ORDER BY t.Evidence DESC, t.Seq DESC) END AS Seq) k
		JOIN dbo.MonitorHistory h ON h.Seq = k.Seq{joins}
		WHERE m.Mode = @mode{where}`
	sqlThenColumns = `h.OutletServer, h.ScanDate, h.Status, h.LastBackupTaken, h.BackupFile, h.BackupFileSize,
		h.Duration, h.ErrorDetails, h.DriveLetter, h.EventID, h.Seq, h.Stored, h.Evidence, h.Cause, h.Conclusive,
		COALESCE(NULLIF(h.Server, ''), o.IPAddress), h.SizeBytes, h.ObservedAt, h.DurationMS, h.ClockSkewMS, h.FreeBytes,
		h.TotalBytes, h.ScanID, o.OutletName`
	sqlThenOutlet = `
		LEFT JOIN dbo.MonitorOutlet r ON r.OutletKey = m.OutletKey
		LEFT JOIN dbo.Outlets o ON o.OutletCode = r.OutletCode COLLATE {codes}`
	sqlThenPage = `
		ORDER BY m.ScanDate DESC, m.OutletKey OFFSET @skip ROWS FETCH NEXT @rows ROWS ONLY`
	sqlThenCounts = `{top} m.ScanDate, COUNT(*),
		SUM(CASE WHEN UPPER(h.Status) = 'SUCCESSFUL' THEN 1 ELSE 0 END), SUM(CASE WHEN h.Evidence = 0 THEN 1 ELSE 0 END)`
	sqlThenDays = `
		GROUP BY m.ScanDate ORDER BY m.ScanDate DESC`

	sqlLatestThen = `SELECT TOP (1) ScanDate FROM dbo.MonitorHistory
		WHERE Mode = @mode AND ScanDate <= CAST(@last AS DATE) AND Seq <= @asof ORDER BY ScanDate DESC`
	sqlLastStored = `SELECT COALESCE(MAX(Seq), 0) FROM dbo.MonitorHistory`
	sqlNextStored = `SELECT TOP (1) Seq, Stored FROM dbo.MonitorHistory WHERE Seq >= @from ORDER BY Seq`
)

// thenQuery is what was known at *q.AsOf: columns, what they need beside, and
// what follows the conditions.
func thenQuery(q store.Query, columns, joins, tail string) (string, []any, error) {
	if _, err := table(q.Mode); err != nil {
		return "", nil, err
	}
	args := []any{sql.Named("mode", string(q.Mode)), sql.Named("asof", int64(*q.AsOf))}
	where := ""
	for _, c := range []struct {
		text string
		is   bool
		args []any
	}{
		{" AND m.OutletKey = @key", q.Outlet != "", []any{sql.Named("key", events.Key(q.Outlet))}},
		{" AND m.ScanDate >= CAST(@from AS DATE)", q.From != "", []any{sql.Named("from", string(q.From))}},
		{" AND m.ScanDate <= CAST(@to AS DATE)", q.To != "", []any{sql.Named("to", string(q.To))}},
		{" AND UPPER(h.Status) = 'SUCCESSFUL'", q.Status == events.Successful, nil},
		{" AND UPPER(h.Status) <> 'SUCCESSFUL'", q.Status == events.Failed, nil},
		{" AND h.Cause = @cause", q.Cause != "", []any{sql.Named("cause", string(q.Cause))}},
	} {
		if c.is {
			where, args = where+c.text, append(args, c.args...)
		}
	}
	return fill(sqlThen, "columns", columns, "joins", joins, "where", where) + tail, args, nil
}

// rowsThen hands on what was known at *q.AsOf. That never changes any more, so
// that pages may be counted off.
func (s *Store) rowsThen(ctx context.Context, q store.Query, each func(store.Row) error) error {
	l, err := s.tables(ctx)
	if err != nil {
		return err
	}
	db, err := s.reading(ctx)
	if err != nil {
		return err
	}
	text, args, err := thenQuery(q, sqlThenColumns, fill(sqlThenOutlet, "codes", l.collation("dbo.Outlets", "OutletCode")), sqlThenPage)
	if err != nil {
		return err
	}
	for skip, left := q.Offset, q.Limit; ; skip += pageRows {
		n := pageRows
		if q.Limit > 0 {
			n = min(n, left)
		}
		page, err := readRows(ctx, db, q.Mode, text, append(slices.Clip(args), sql.Named("skip", skip), sql.Named("rows", n))...)
		if err != nil {
			return err
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
	top := ""
	if q.Limit > 0 {
		top = "TOP (@limit)"
	}
	text, args, err := thenQuery(q, fill(sqlThenCounts, "top", top), "", sqlThenDays)
	if q.Limit > 0 {
		args = append(args, sql.Named("limit", q.Limit))
	}
	return text, args, err
}

// LatestScanDateAsOf is the latest scan date until last that was known at a
// sequence.
func (s *Store) LatestScanDateAsOf(ctx context.Context, m events.Mode, seq uint64, last events.Date) (events.Date, error) {
	db, err := s.reading(ctx)
	if err != nil {
		return "", fmt.Errorf("read the latest scan date: %w", explain(err))
	}
	var d events.Date
	err = db.QueryRowContext(ctx, sqlLatestThen, sql.Named("mode", string(m)), sql.Named("last", string(last)), sql.Named("asof", int64(seq))).Scan(day{&d})
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("read the latest scan date: %w", explain(err))
	}
	return d, nil
}

// SequenceAt is the last sequence of the history that was stored by t.
func (s *Store) SequenceAt(ctx context.Context, t time.Time) (uint64, error) {
	var last uint64
	db, err := s.reading(ctx)
	if err == nil {
		err = db.QueryRowContext(ctx, sqlLastStored).Scan(&last)
	}
	if err == nil {
		last, err = store.SearchSequence(last, t, func(from uint64) (seq uint64, stored time.Time, err error) {
			err = db.QueryRowContext(ctx, sqlNextStored, sql.Named("from", int64(from))).Scan(&seq, &stored)
			return seq, stored.UTC(), err
		})
	}
	if err != nil {
		return 0, fmt.Errorf("find what was stored by %s: %w", t.UTC().Format(time.RFC3339), explain(err))
	}
	return last, nil
}

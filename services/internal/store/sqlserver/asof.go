package sqlserver

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// The texts that fold the history as of a sequence: each outlet's best look of a
// day has the highest number of evidence, then sequence. {days} are conditions on
// outlet and scan date, said of the history itself, so that one of its indexes
// serves them; {joins} and {where} are what the columns need beside and more
// conditions, on h. TOP keeps a server that takes the days for many from reading
// the whole history for them.
const (
	sqlThen = `SELECT {columns}
		FROM (
			SELECT MAX(CAST(t.Evidence AS BIGINT) * CAST(1152921504606846976 AS BIGINT) + t.Seq) % CAST(1152921504606846976 AS BIGINT) AS Seq
			FROM dbo.MonitorHistory t
			WHERE t.Mode = @mode{days} AND t.Seq <= @asof
			GROUP BY t.ScanDate, t.OutletKey
		) k
		CROSS APPLY (SELECT TOP (1) * FROM dbo.MonitorHistory l WHERE l.Seq = k.Seq) h{joins}{where}`
	sqlThenColumns = `h.OutletServer, h.ScanDate, h.Status, h.LastBackupTaken, h.BackupFile, h.BackupFileSize,
		h.Duration, h.ErrorDetails, h.DriveLetter, h.EventID, h.Seq, h.Stored, h.Evidence, h.Cause, h.Conclusive,
		COALESCE(NULLIF(h.Server, ''), o.IPAddress), h.SizeBytes, h.ObservedAt, h.DurationMS, h.ClockSkewMS, h.FreeBytes,
		h.TotalBytes, h.ScanID, o.OutletName`
	sqlThenOutlet = `
		LEFT JOIN dbo.MonitorOutlet r ON r.OutletKey = h.OutletKey
		LEFT JOIN dbo.Outlets o ON o.OutletCode = {code}`
	sqlThenOrder = `
		ORDER BY h.ScanDate DESC, h.OutletKey`
	sqlThenCounts = `h.ScanDate, COUNT(*), SUM(CASE WHEN UPPER(h.Status) = 'SUCCESSFUL' THEN 1 ELSE 0 END), SUM(CASE WHEN h.Evidence = 0 THEN 1 ELSE 0 END)`
	sqlThenDays   = `
		GROUP BY h.ScanDate ORDER BY h.ScanDate DESC`

	sqlKeptDays = `SELECT d.ScanDate, d.Total, d.Successful, d.NotObserved,
		CASE WHEN d.Counted = 1 THEN d.LastSeq END
		FROM dbo.MonitorDay d WHERE d.Mode = @mode{days} ORDER BY d.ScanDate DESC`

	sqlLastStored = `SELECT COALESCE(MAX(Seq), 0) FROM dbo.MonitorHistory`
	sqlNextStored = `SELECT TOP (1) Seq, Stored FROM dbo.MonitorHistory WHERE Seq >= @from ORDER BY Seq`
)

// then implements store.Past.
type then struct {
	store *Store
	code  string // r.OutletCode as the key of Outlets
}

func (s *Store) then(ctx context.Context) (*then, error) {
	l, err := s.tables(ctx)
	if err != nil {
		return nil, explain(err)
	}
	return &then{store: s, code: l.joined("dbo.Outlets", "OutletCode", "r.OutletCode")}, nil
}

// dated are the mode and the conditions on the scan date, of a table.
func dated(q store.Query, of string) (where string, args []any) {
	args = []any{sql.Named("mode", string(q.Mode))}
	if q.From != "" && q.From == q.To {
		return " AND " + of + ".ScanDate = CAST(@day AS DATE)", append(args, sql.Named("day", string(q.From)))
	}
	if q.From != "" {
		where, args = " AND "+of+".ScanDate >= CAST(@from AS DATE)", append(args, sql.Named("from", string(q.From)))
	}
	if q.To != "" {
		where, args = where+" AND "+of+".ScanDate <= CAST(@to AS DATE)", append(args, sql.Named("to", string(q.To)))
	}
	return where, args
}

// thenQuery folds the history as of *q.AsOf: columns, and what they need beside.
func thenQuery(q store.Query, columns, joins, where string) (string, []any) {
	days, args := dated(q, "t")
	args = append(args, sql.Named("asof", int64(*q.AsOf)))
	if q.Outlet != "" {
		days, args = days+" AND t.OutletKey = @key", append(args, sql.Named("key", events.Key(q.Outlet)))
	}
	return fill(sqlThen, "columns", columns, "days", days, "joins", joins, "where", where), args
}

// KeptDays implements store.Past.
func (p *then) KeptDays(ctx context.Context, q store.Query) ([]store.KeptDay, error) {
	days, args := dated(q, "d")
	found, err := read(ctx, p.store, func(rows *sql.Rows) (d store.KeptDay, err error) {
		var last sql.NullInt64
		err = rows.Scan(day{&d.ScanDate}, &d.Total, &d.Successful, &d.NotObserved, &last)
		d.Failed, d.LastSeq = d.Total-d.Successful, uint64(last.Int64)
		return d, err
	}, fill(sqlKeptDays, "days", days), args...)
	return found, explain(err)
}

// DaysThen implements store.Past.
func (p *then) DaysThen(ctx context.Context, q store.Query) (days []store.DaySummary, err error) {
	text, args := thenQuery(q, sqlThenCounts, "", "")
	err = q.InTurn(ctx, func() (err error) {
		days, err = read(ctx, p.store, scanSummary, text+sqlThenDays, args...)
		return err
	})
	return days, explain(err)
}

// RowsThen implements store.Past.
func (p *then) RowsThen(ctx context.Context, q store.Query) (page []store.Row, err error) {
	var where []string
	switch q.Status {
	case "":
	case events.Successful:
		where = append(where, "UPPER(h.Status) = 'SUCCESSFUL'")
	default:
		where = append(where, "UPPER(h.Status) <> 'SUCCESSFUL'")
	}
	if q.Cause != "" {
		where = append(where, "h.Cause = @cause")
	}
	text, args := thenQuery(q, sqlThenColumns, fill(sqlThenOutlet, "code", p.code), whereText(where))
	if q.Cause != "" {
		args = append(args, sql.Named("cause", string(q.Cause)))
	}
	err = q.InTurn(ctx, func() (err error) {
		page, err = read(ctx, p.store, rowOf(q.Mode), text+sqlThenOrder, args...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read rows: %w", explain(err))
	}
	return page, nil
}

// rowsThen hands on what was known at *q.AsOf.
func (s *Store) rowsThen(ctx context.Context, q store.Query, each func(store.Row) error) error {
	if _, err := table(q.Mode); err != nil {
		return fmt.Errorf("read rows: %w", err)
	}
	p, err := s.then(ctx)
	if err != nil {
		return fmt.Errorf("read rows: %w", err)
	}
	return store.RowsAsOf(ctx, p, q, each)
}

// daysThen counts by day what was known at *q.AsOf.
func (s *Store) daysThen(ctx context.Context, q store.Query) ([]store.DaySummary, error) {
	if _, err := table(q.Mode); err != nil {
		return nil, err
	}
	p, err := s.then(ctx)
	if err != nil {
		return nil, err
	}
	return store.DaysAsOf(ctx, p, q)
}

// LatestScanDateAsOf is the latest scan date until last that was known at a
// sequence.
func (s *Store) LatestScanDateAsOf(ctx context.Context, m events.Mode, seq uint64, last events.Date) (events.Date, error) {
	p, err := s.then(ctx)
	if err != nil {
		return "", fmt.Errorf("read the latest scan date: %w", err)
	}
	d, err := store.LatestAsOf(ctx, p, m, seq, last)
	if err != nil {
		return "", fmt.Errorf("read the latest scan date: %w", err)
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

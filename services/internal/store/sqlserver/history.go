package sqlserver

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

const (
	sqlPast = `SELECT TOP (@rows) h.OutletServer, h.ScanDate, h.Status, h.LastBackupTaken, h.BackupFile, h.BackupFileSize,
		h.Duration, h.ErrorDetails, h.DriveLetter, h.EventID, h.Seq, h.Stored, h.Evidence, h.Cause, h.Conclusive, h.Server, h.SizeBytes,
		h.ObservedAt, h.DurationMS, h.ClockSkewMS, h.FreeBytes, h.TotalBytes, h.ScanID, NULL
		FROM dbo.MonitorHistory h WHERE h.Mode = @mode AND h.Seq > @after{where} ORDER BY h.Seq`
	sqlSetAside = `SELECT {top} Seq, Subject, Type, Stored, Reason, NULL, NULL FROM dbo.MonitorQuarantine WHERE Seq <= @upTo ORDER BY Seq DESC`

	sqlSetAsideSeqs = `SELECT TOP (@limit) Seq FROM dbo.MonitorQuarantine WHERE Seq <= @upTo ORDER BY Seq DESC`
)

// History hands the looks behind the rows to each, in the order of the log.
func (s *Store) History(ctx context.Context, q store.Query, each func(store.Look) error) error {
	if _, err := table(q.Mode); err != nil {
		return fmt.Errorf("read the history: %w", err)
	}
	after := uint64(0)
	for {
		page, err := s.past(ctx, q, after)
		if err != nil {
			return fmt.Errorf("read the history: %w", explain(err))
		}
		for _, r := range page {
			if err := each(r.Look); err != nil {
				return err
			}
		}
		if len(page) < pageRows {
			return nil
		}
		after = page[len(page)-1].Seq
	}
}

func (s *Store) past(ctx context.Context, q store.Query, after uint64) ([]store.Row, error) {
	args := []any{sql.Named("rows", pageRows), sql.Named("mode", string(q.Mode)), sql.Named("after", int64(after))}
	where := ""
	for _, c := range []struct {
		text string
		is   bool
		arg  any
	}{
		{" AND h.OutletKey = @key", q.Outlet != "", sql.Named("key", events.Key(q.Outlet))},
		{" AND h.ScanDate >= CAST(@from AS DATE)", q.From != "", sql.Named("from", string(q.From))},
		{" AND h.ScanDate <= CAST(@to AS DATE)", q.To != "", sql.Named("to", string(q.To))},
	} {
		if c.is {
			where, args = where+c.text, append(args, c.arg)
		}
	}
	return read(ctx, s, rowOf(q.Mode), fill(sqlPast, "where", where), args...)
}

// Quarantine lists the newest quarantined events up to one, newest first, without
// Header and Data.
func (s *Store) Quarantine(ctx context.Context, upTo uint64, limit int) (found []store.Quarantined, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("read the quarantine: %w", explain(err))
		}
	}()
	top, args := "", []any{sql.Named("upTo", int64(min(upTo, math.MaxInt64)))}
	if limit > 0 {
		top, args = "TOP (@limit)", append(args, sql.Named("limit", limit))
	}
	return collect(ctx, s.writer, scanQuarantined, fill(sqlSetAside, "top", top), args...)
}

// QuarantinedSeqs are the sequences of the newest quarantined events up to one, newest
// first.
func (s *Store) QuarantinedSeqs(ctx context.Context, upTo uint64, limit int) ([]uint64, error) {
	scan := func(rows *sql.Rows) (seq uint64, err error) { return seq, rows.Scan(&seq) }
	found, err := collect(ctx, s.writer, scan, sqlSetAsideSeqs, sql.Named("upTo", int64(min(upTo, math.MaxInt64))), sql.Named("limit", limit))
	if err != nil {
		return nil, fmt.Errorf("read the quarantine: %w", explain(err))
	}
	return found, nil
}

func scanQuarantined(rows *sql.Rows) (q store.Quarantined, err error) {
	var stored sql.NullTime
	err = rows.Scan(&q.Seq, &q.Subject, &q.Type, &stored, &q.Reason, &q.Header, &q.Data)
	if t := readTime(stored, time.Microsecond); t != nil {
		q.Stored = *t
	}
	return q, err
}

package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"math"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

const sqlPast = `SELECT OutletServer, ScanDate, Status, LastBackupTaken, BackupFile, BackupFileSize, Duration, ErrorDetails,
	DriveLetter, EventID, Seq, Stored, Evidence, Cause, Conclusive, Server, SizeBytes, ObservedAt, DurationMS, ClockSkewMS,
	FreeBytes, TotalBytes, ScanID, NULL
	FROM MonitorHistory WHERE Mode = ? AND Seq > ?%s ORDER BY Seq LIMIT ?`

const sqlNewest = `SELECT Seq, Subject, Type, Stored, Reason, NULL, NULL FROM MonitorQuarantine WHERE Seq <= ? ORDER BY Seq DESC LIMIT ?`

const sqlNewestSeqs = `SELECT Seq FROM MonitorQuarantine WHERE Seq <= ? ORDER BY Seq DESC LIMIT ?`

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

func (s *Store) past(ctx context.Context, q store.Query, after uint64) (page []store.Row, err error) {
	args := []any{q.Mode, after}
	where := ""
	for _, c := range []struct {
		text string
		is   bool
		arg  any
	}{
		{" AND OutletKey = ?", q.Outlet != "", events.Key(q.Outlet)},
		{" AND ScanDate >= ?", q.From != "", q.From},
		{" AND ScanDate <= ?", q.To != "", q.To},
	} {
		if c.is {
			where, args = where+c.text, append(args, c.arg)
		}
	}
	return s.readRows(ctx, q.Mode, fmt.Sprintf(sqlPast, where), append(args, pageRows)...)
}

// Quarantine lists the newest quarantined events up to one, newest first, without
// Header and Data.
func (s *Store) Quarantine(ctx context.Context, upTo uint64, limit int) ([]store.Quarantined, error) {
	if limit <= 0 {
		limit = -1
	}
	found, err := collect(ctx, s.reader, scanQuarantined, sqlNewest, int64(min(upTo, math.MaxInt64)), limit)
	if err != nil {
		return nil, fmt.Errorf("read the quarantine: %w", err)
	}
	return found, nil
}

// QuarantinedSeqs are the sequences of the newest quarantined events up to one, newest
// first.
func (s *Store) QuarantinedSeqs(ctx context.Context, upTo uint64, limit int) ([]uint64, error) {
	found, err := collect(ctx, s.reader, func(rows *sql.Rows) (seq uint64, err error) { return seq, rows.Scan(&seq) }, sqlNewestSeqs, int64(min(upTo, math.MaxInt64)), limit)
	if err != nil {
		return nil, fmt.Errorf("read the quarantine: %w", err)
	}
	return found, nil
}

func scanQuarantined(rows *sql.Rows) (store.Quarantined, error) {
	var q store.Quarantined
	var stored sql.NullString
	err := rows.Scan(&q.Seq, &q.Subject, &q.Type, &stored, &q.Reason, &q.Header, &q.Data)
	if t := parseTime(stored); t != nil {
		q.Stored = *t
	}
	return q, err
}

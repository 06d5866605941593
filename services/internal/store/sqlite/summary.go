package sqlite

import (
	"context"
	"errors"
	"fmt"

	"backupmonitor/services/internal/store"
)

// Summary counts rows by scan date, newest first.
func (s *Store) Summary(ctx context.Context, q store.Query) (days []store.DaySummary, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("count rows by day: %w", explain(err))
		}
	}()
	limit := q.Limit
	if limit <= 0 {
		limit = -1 // SQLite: no limit
	}
	text, args, err := summaryQuery(q, limit)
	if err != nil {
		return nil, err
	}
	rows, err := s.reader.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var d store.DaySummary
		if err := rows.Scan(&d.ScanDate, &d.Total, &d.Successful, &d.NotObserved); err != nil {
			return nil, err
		}
		d.Failed = d.Total - d.Successful
		days = append(days, d)
	}
	return days, rows.Err()
}

package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"backupmonitor/services/internal/store"
)

// The texts that count rows by day. All but the days on which something has
// changed stand in MonitorDay; those, and days of which another program alone
// has written rows since, are counted here. %s are the stat table and the
// conditions, which stand at each of the three.
const (
	sqlCounts = `SELECT CAST(s.ScanDate AS TEXT), COUNT(*), COALESCE(SUM(s.Status = 'Successful' COLLATE NOCASE), 0), COALESCE(SUM(m.Evidence = 0), 0)
		FROM %[1]s s
		LEFT JOIN MonitorStat m INDEXED BY MonitorStat_ByRow ON m.Mode = ? AND m.OutletServer = s.OutletServer AND m.ScanDate = s.ScanDate`
	sqlOutletSummary = sqlCounts + `%[2]s
		GROUP BY s.ScanDate ORDER BY 1 DESC LIMIT ?`
	sqlSummary = `SELECT CAST(s.ScanDate AS TEXT), s.Total, s.Successful, s.NotObserved FROM MonitorDay s
		WHERE s.Mode = ? AND s.Counted = 1 AND s.Total > 0%[2]s
		UNION ALL ` + sqlCounts + `
		WHERE s.ScanDate IN (SELECT ScanDate FROM MonitorDay WHERE Mode = ? AND Counted = 0)%[2]s GROUP BY s.ScanDate
		UNION ALL ` + sqlCounts + `
		WHERE s.ScanDate > COALESCE((SELECT MAX(ScanDate) FROM MonitorDay WHERE Mode = ?), '')%[2]s GROUP BY s.ScanDate
		ORDER BY 1 DESC LIMIT ?`
)

// Summary counts rows by scan date, newest first.
func (s *Store) Summary(ctx context.Context, q store.Query) (days []store.DaySummary, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("count rows by day: %w", explain(err))
		}
	}()
	ask := summaryQuery
	if q.AsOf != nil {
		ask = daysThenQuery
	}
	query, args, err := ask(q)
	if err != nil {
		return nil, err
	}
	rows, err := s.reader.QueryContext(ctx, query, args...)
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

func summaryQuery(q store.Query) (string, []any, error) {
	name, err := table(q.Mode)
	if err != nil {
		return "", nil, err
	}
	where, args := conditions(q)
	limit := q.Limit
	if limit <= 0 {
		limit = -1 // SQLite: no limit
	}
	mode := []any{q.Mode}
	if q.Outlet != "" {
		return fmt.Sprintf(sqlOutletSummary, name, whereText(where)), append(append(mode, args...), limit), nil
	}
	and := ""
	if len(where) > 0 {
		and = " AND " + strings.Join(where, " AND ")
	}
	all := slices.Concat(mode, args)
	for range 2 {
		all = append(append(all, q.Mode, q.Mode), args...)
	}
	return fmt.Sprintf(sqlSummary, name, and), append(all, limit), nil
}

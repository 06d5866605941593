package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"backupmonitor/services/internal/store"
)

// The texts that count rows by day. All but the days on which something has
// changed stand in MonitorDay; those, and days of which another program alone
// has written rows since, are counted here. %s are the stat table and the
// conditions, which stand at each of the three, and at what parts the last from
// the others: a look for a day that never comes hides no day before it.
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
		WHERE s.ScanDate > COALESCE((SELECT MAX(s.ScanDate) FROM MonitorDay s WHERE s.Mode = ?%[2]s), '')%[2]s GROUP BY s.ScanDate
		ORDER BY 1 DESC LIMIT ?`
)

// Summary counts rows by scan date, newest first.
func (s *Store) Summary(ctx context.Context, q store.Query) (days []store.DaySummary, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("count rows by day: %w", err)
		}
	}()
	if q.AsOf != nil {
		return store.DaysAsOf(ctx, then{s}, q)
	}
	query, args, err := summaryQuery(q)
	if err != nil {
		return nil, err
	}
	return collect(ctx, s.reader, scanDay, query, args...)
}

func scanDay(rows *sql.Rows) (d store.DaySummary, err error) {
	err = rows.Scan(&d.ScanDate, &d.Total, &d.Successful, &d.NotObserved)
	d.Failed = d.Total - d.Successful
	return d, err
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
	all := slices.Concat(mode, args, mode, mode, args, mode, mode, args, args)
	return fmt.Sprintf(sqlSummary, name, andText(where)), append(all, limit), nil
}

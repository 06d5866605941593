package sqlserver

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"backupmonitor/services/internal/store"
)

// The texts that count rows by day. All but the days on which something has
// changed stand in MonitorDay; those, and days of which another program alone
// has written rows since, are counted here. The conditions are the same for
// both: {where} on s, {days} on d.
const (
	sqlSummary = `SELECT {top} CONVERT(NVARCHAR(10), x.ScanDate, 23), x.Total, x.Successful, x.NotObserved FROM (
		SELECT d.ScanDate, d.Total, d.Successful, d.NotObserved FROM dbo.MonitorDay d
		WHERE d.Mode = @mode AND d.Counted = 1 AND d.Total > 0{days}
		UNION ALL
		SELECT s.ScanDate, COUNT(*), SUM(CASE WHEN UPPER(s.Status) = 'SUCCESSFUL' THEN 1 ELSE 0 END),
			SUM(CASE WHEN m.Evidence = 0 THEN 1 ELSE 0 END)
		FROM (SELECT d.ScanDate FROM dbo.MonitorDay d WHERE d.Mode = @mode AND d.Counted = 0{days}) u
		JOIN {table} s ON s.ScanDate = u.ScanDate
		LEFT JOIN dbo.MonitorStat m ON m.Mode = @mode AND m.ScanDate = s.ScanDate AND m.OutletServer = s.OutletServer COLLATE {bin}
		GROUP BY s.ScanDate
		UNION ALL
		SELECT s.ScanDate, COUNT(*), SUM(CASE WHEN UPPER(s.Status) = 'SUCCESSFUL' THEN 1 ELSE 0 END), 0
		FROM {table} s WHERE s.ScanDate > COALESCE((SELECT MAX(n.ScanDate) FROM dbo.MonitorDay n WHERE n.Mode = @mode), CAST('0001-01-01' AS DATE)){where}
		GROUP BY s.ScanDate
		) x ORDER BY x.ScanDate DESC`
	sqlOutletSummary = `SELECT {top} CONVERT(NVARCHAR(10), s.ScanDate, 23), COUNT(*), SUM(CASE WHEN UPPER(s.Status) = 'SUCCESSFUL' THEN 1 ELSE 0 END),
		SUM(CASE WHEN m.Evidence = 0 THEN 1 ELSE 0 END)
		FROM {table} s
		LEFT JOIN dbo.MonitorStat m ON m.Mode = @mode AND m.ScanDate = s.ScanDate AND m.OutletServer = s.OutletServer COLLATE {bin}{where}
		GROUP BY s.ScanDate ORDER BY s.ScanDate DESC`
)

// Summary counts rows by scan date, newest first.
func (s *Store) Summary(ctx context.Context, q store.Query) (days []store.DaySummary, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("count rows by day: %w", explain(err))
		}
	}()
	q.Status, q.Cause = "", ""
	if q.AsOf != nil {
		return s.daysThen(ctx, q)
	}
	l, err := s.tables(ctx)
	if err != nil {
		return nil, err
	}
	text, args, err := summaryQuery(l, q)
	if err != nil {
		return nil, err
	}
	db, err := s.reading(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := db.QueryContext(ctx, text, args...)
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

func summaryQuery(l *layout, q store.Query) (string, []any, error) {
	name, err := table(q.Mode)
	if err != nil {
		return "", nil, err
	}
	top := ""
	if q.Limit > 0 {
		top = "TOP (@limit)"
	}
	where, args := filters(l, name, q)
	if q.Limit > 0 {
		args = append(args, sql.Named("limit", q.Limit))
	}
	if q.Outlet != "" {
		return fill(sqlOutletSummary, "top", top, "table", name, "where", whereText(where)), args, nil
	}
	and := ""
	if len(where) > 0 {
		and = " AND " + strings.Join(where, " AND ")
	}
	return fill(sqlSummary, "top", top, "table", name, "where", and, "days", strings.ReplaceAll(and, "s.ScanDate", "d.ScanDate")), args, nil
}

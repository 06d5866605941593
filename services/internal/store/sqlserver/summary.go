package sqlserver

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"backupmonitor/services/internal/store"
)

// The texts that count rows by day. All but the days on which something has
// changed stand in MonitorDay; those, and days of which another program alone
// has written rows since, are counted here: @last parts them, whatever is
// written between the two statements. It is the last of the days that are asked
// about: a look for a day that never comes hides no day before it. The conditions
// are the same for both: {where} on s, {days} on d.
const (
	sqlSummary = `DECLARE @last DATE = COALESCE((SELECT MAX(d.ScanDate) FROM dbo.MonitorDay d WHERE d.Mode = @mode{days}), CAST('0001-01-01' AS DATE));
		SELECT {top} x.ScanDate, x.Total, x.Successful, x.NotObserved FROM (
		SELECT d.ScanDate, d.Total, d.Successful, d.NotObserved FROM dbo.MonitorDay d
		WHERE d.Mode = @mode AND d.Counted = 1 AND d.Total > 0 AND d.ScanDate <= @last{days}
		UNION ALL
		SELECT s.ScanDate, COUNT(*), SUM(CASE WHEN UPPER(s.Status) = 'SUCCESSFUL' THEN 1 ELSE 0 END),
			SUM(CASE WHEN m.Evidence = 0 THEN 1 ELSE 0 END)
		FROM (SELECT d.ScanDate FROM dbo.MonitorDay d WHERE d.Mode = @mode AND d.Counted = 0 AND d.ScanDate <= @last{days}) u
		JOIN {table} s ON s.ScanDate = u.ScanDate
		LEFT JOIN dbo.MonitorStat m ON m.Mode = @mode AND m.ScanDate = s.ScanDate AND m.OutletServer = s.OutletServer COLLATE {bin}
		GROUP BY s.ScanDate
		UNION ALL
		SELECT s.ScanDate, COUNT(*), SUM(CASE WHEN UPPER(s.Status) = 'SUCCESSFUL' THEN 1 ELSE 0 END),
			SUM(CASE WHEN m.Evidence = 0 THEN 1 ELSE 0 END)
		FROM {table} s
		LEFT JOIN dbo.MonitorStat m ON m.Mode = @mode AND m.ScanDate = s.ScanDate AND m.ScanDate > @last
			AND m.OutletServer = s.OutletServer COLLATE {bin}
		WHERE s.ScanDate > @last{where}
		GROUP BY s.ScanDate
		) x ORDER BY x.ScanDate DESC`
	sqlOutletSummary = `SELECT {top} s.ScanDate, COUNT(*), SUM(CASE WHEN UPPER(s.Status) = 'SUCCESSFUL' THEN 1 ELSE 0 END),
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
	sel, err := s.selected(ctx, q)
	if err != nil {
		return nil, err
	}
	text, args := sel.summary()
	return read(ctx, s, scanSummary, text, args...)
}

func scanSummary(rows *sql.Rows) (d store.DaySummary, err error) {
	err = rows.Scan(day{&d.ScanDate}, &d.Total, &d.Successful, &d.NotObserved)
	d.Failed = d.Total - d.Successful
	return d, err
}

// summary is the statement that counts the rows by day.
func (x *selection) summary() (string, []any) {
	top := ""
	where, args := x.filters()
	if x.Limit > 0 {
		top, args = "TOP (@limit)", append(args, sql.Named("limit", x.Limit))
	}
	if x.Outlet != "" {
		return fill(sqlOutletSummary, "top", top, "table", x.table, "where", whereText(where)), args
	}
	and := ""
	if len(where) > 0 {
		and = " AND " + strings.Join(where, " AND ")
	}
	return fill(sqlSummary, "top", top, "table", x.table, "where", and, "days", strings.ReplaceAll(and, "s.ScanDate", "d.ScanDate")), args
}

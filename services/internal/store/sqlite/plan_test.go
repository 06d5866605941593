package sqlite

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// TestPlans: what is asked often must not read whole tables nor sort them.
func TestPlans(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "monitor.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, m := range events.Modes() {
		name, err := table(m)
		if err != nil {
			t.Fatal(err)
		}
		rows := func(q store.Query, after *store.Row) string {
			q.Mode = m
			text, _, err := rowsQuery(q, after)
			if err != nil {
				t.Fatal(err)
			}
			return text
		}
		then := uint64(1000)
		days := func(q store.Query) string {
			q.Mode, q.AsOf = m, &then
			text, _, err := thenQuery(q, sqlThenCounts, sqlThenDays)
			if err != nil {
				t.Fatal(err)
			}
			return text
		}
		rowsOfThen := func(q store.Query) string {
			q.Mode, q.AsOf = m, &then
			text, _, err := rowsThenQuery(q)
			if err != nil {
				t.Fatal(err)
			}
			return text
		}
		summary := func(q store.Query) string {
			q.Mode = m
			text, _, err := summaryQuery(q)
			if err != nil {
				t.Fatal(err)
			}
			return text
		}
		day := events.Date("2025-03-01")
		last := &store.Row{Look: store.Look{Outlet: "OUT001", ScanDate: day}}
		for what, query := range map[string]string{
			"latest date":             fmt.Sprintf(sqlLatest, name),
			"one day":                 rows(store.Query{From: day, To: day}, nil),
			"the page after":          rows(store.Query{From: day}, last),
			"every day":               rows(store.Query{}, nil),
			"failed of one day":       rows(store.Query{From: day, To: day, Status: events.Failed, Cause: events.CauseStale}, nil),
			"one outlet":              rows(store.Query{Outlet: "OUT001"}, nil),
			"one outlet, a span":      rows(store.Query{Outlet: "OUT001", From: day, To: day}, nil),
			"a span then":             rowsOfThen(store.Query{From: day, To: day}),
			"failed of a span then":   rowsOfThen(store.Query{From: day, To: day, Status: events.Failed, Cause: events.CauseStale}),
			"one outlet then":         rowsOfThen(store.Query{Outlet: "OUT001", To: day}),
			"days then":               days(store.Query{From: day, To: day}),
			"days of one outlet then": days(store.Query{Outlet: "OUT001"}),
			"days kept":               fmt.Sprintf(sqlKeptDays, " AND s.ScanDate <= ?"),
			"days":                    summary(store.Query{}),
			"days of a span":          summary(store.Query{From: day, To: day}),
			"days of one outlet":      summary(store.Query{Outlet: "OUT001"}),
		} {
			for _, line := range plan(t, s, query) {
				// A list of every day may walk an index: it reads no more
				// than it answers.
				walk := what == "every day" || what == "days"
				onIndex := strings.HasPrefix(line, "SCAN") && strings.Contains(line, "_ByDate")
				// The days, one outlet's rows, and those of a span are few.
				few := strings.Contains(what, "outlet") || strings.HasPrefix(what, "days") || strings.HasSuffix(what, "then")
				sorts := strings.Contains(line, "TEMP B-TREE") && !few
				folded := "COVERING INDEX MonitorHistory_ByDay (Mode=? AND ScanDate=?"
				if strings.Contains(what, "outlet") {
					folded += " AND OutletKey=?"
				}
				if what == "latest date" && !strings.Contains(line, "COVERING INDEX "+name+"_ByDate (ScanDate<?)") ||
					strings.HasPrefix(line, "SEARCH MonitorStat") && !strings.Contains(line, "PRIMARY KEY (Mode=? AND OutletKey=?)") ||
					strings.HasPrefix(line, "SEARCH t ") && !strings.Contains(line, folded) ||
					strings.HasPrefix(line, "SEARCH m ") && !strings.Contains(line, "OutletServer=? AND ScanDate=?") ||
					strings.HasPrefix(line, "SCAN") && (!walk || !onIndex) && !strings.Contains(line, "CONSTANT ROW") && line != "SCAN k" || sorts {
					t.Errorf("%s of %s: %s", what, m, line)
				}
			}
		}
	}
}

func plan(t *testing.T, s *Store, query string) []string {
	t.Helper()
	args := make([]any, strings.Count(query, "?"))
	rows, err := s.reader.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var lines []string
	for rows.Next() {
		var id, parent, unused int
		var line string
		if err := rows.Scan(&id, &parent, &unused, &line); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	if err := rows.Err(); err != nil || len(lines) == 0 {
		t.Fatalf("no plan of %s: %v", query, err)
	}
	t.Logf("%s\n  %s", query, strings.Join(lines, "\n  "))
	return lines
}

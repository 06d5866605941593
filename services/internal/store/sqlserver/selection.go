package sqlserver

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// sqlSpellings are those that an outlet's rows have, or may have in a moment.
const sqlSpellings = `SELECT k.OutletServer FROM dbo.MonitorStat k WHERE k.Mode = @mode AND k.OutletKey = @key
	UNION SELECT r.OutletCode FROM dbo.MonitorOutlet r WHERE r.OutletKey = @key`

// selection is a query of rows, in this database.
type selection struct {
	store.Query
	store     *Store
	layout    *layout
	table     string
	spellings []string // that rows of the query's outlet may have
}

// selected asks for an outlet's spellings first: a statement that has to find
// them itself is taken for one that reads the whole table.
func (s *Store) selected(ctx context.Context, q store.Query) (x selection, err error) {
	x = selection{Query: q, store: s}
	if x.table, err = table(q.Mode); err != nil {
		return x, err
	}
	if x.layout, err = s.tables(ctx); err != nil || q.Outlet == "" {
		return x, err
	}
	x.spellings, err = read(ctx, s, scanText, sqlSpellings, sql.Named("mode", string(q.Mode)), sql.Named("key", events.Key(q.Outlet)))
	// Another program may write rows of an outlet that we have none of.
	code := strings.TrimSpace(q.Outlet)
	x.spellings = append(x.spellings, code, strings.ToUpper(code), strings.ToLower(code))
	slices.Sort(x.spellings)
	x.spellings = slices.Compact(x.spellings)
	return x, err
}

// rows is the statement that reads the rows.
func (x *selection) rows() (string, []any) {
	where, args := x.filters()
	drive := "NULL"
	if x.Mode == events.IBStorage {
		drive = "s.DriveLetter"
	}
	days := "" // also said of what is joined, so that those rows are found together
	if on, _ := x.dates(); len(on) > 0 {
		days = " AND " + strings.ReplaceAll(strings.Join(on, " AND "), "s.ScanDate", "m.ScanDate")
	}
	return fill(sqlRows, "table", x.table, "drive", drive, "taken", x.layout.time(x.table, "s.", "LastBackupTaken"), "days", days,
		"where", whereText(where), "code", x.layout.joined("dbo.Outlets", "OutletCode", "r.OutletCode")), args
}

// filters are all conditions.
func (x *selection) filters() (where []string, args []any) {
	where, args = x.dates()
	args = append(args, sql.Named("mode", string(x.Mode)))
	if x.Outlet != "" {
		// The table's collation may take more for the same than the key does.
		marks := make([]string, len(x.spellings))
		for i, spelling := range x.spellings {
			name := fmt.Sprintf("code%d", i)
			marks[i], args = x.layout.key(x.table, "OutletServer", "@"+name), append(args, sql.Named(name, spelling))
		}
		where = append(where, "s.OutletServer IN ("+strings.Join(marks, ", ")+")", "(m.OutletKey IS NULL OR m.OutletKey = @key)")
		args = append(args, sql.Named("key", events.Key(x.Outlet)))
	}
	switch x.Status {
	case "":
	case events.Successful:
		where = append(where, "UPPER(s.Status) = 'SUCCESSFUL'")
	default:
		where = append(where, "COALESCE(UPPER(s.Status), '') <> 'SUCCESSFUL'")
	}
	if x.Cause != "" {
		where, args = append(where, "COALESCE(m.Cause, '') = @cause"), append(args, sql.Named("cause", string(x.Cause)))
	}
	return where, args
}

// dates are the conditions on the scan date.
func (x *selection) dates() (where []string, args []any) {
	if x.From != "" {
		where, args = append(where, "s.ScanDate >= CAST(@from AS DATE)"), append(args, sql.Named("from", string(x.From)))
	}
	if x.To != "" {
		where, args = append(where, "s.ScanDate <= CAST(@to AS DATE)"), append(args, sql.Named("to", string(x.To)))
	}
	return where, args
}

func whereText(where []string) string {
	if len(where) == 0 {
		return ""
	}
	return "\n\t\tWHERE " + strings.Join(where, " AND ")
}

package sqlserver

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// Rows travel as parameters of INSERT ... VALUES, the one form that every
// server of the dialect takes, that ends with its context, and that a broken
// line cannot leave half done on a connection that is used again.
// Source: SQL Server, "Maximum capacity specifications": 2,100 parameters of a
// statement; Transact-SQL reference, table value constructor: 1,000 rows.
const (
	mostParameters = 2000
	mostRows       = 1000
	// inlineRows is up to how many rows the statement that uses them has them
	// in itself: it saves the round trips that make a table for them.
	inlineRows = 16
)

// staging is a table that exists while a statement, or the connection, uses it.
type staging struct {
	name    string // without # or @
	columns []stagedColumn
}

type stagedColumn struct{ name, kind string }

func (t staging) definition() string {
	parts := make([]string, len(t.columns))
	for i, c := range t.columns {
		parts[i] = c.name + " " + fill(c.kind)
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

// insert is the statement that puts rows into the table, and its parameters.
func (t staging) insert(source string, rows [][]any) (string, []any) {
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = c.name
	}
	var text strings.Builder
	fmt.Fprintf(&text, "INSERT INTO %s (%s) VALUES ", source, strings.Join(names, ", "))
	var args []any
	for i, row := range rows {
		if i > 0 {
			text.WriteString(", ")
		}
		marks := make([]string, len(row))
		for j, value := range row {
			name := fmt.Sprintf("s%d", len(args))
			marks[j] = "@" + name
			args = append(args, sql.Named(name, value))
		}
		text.WriteString("(" + strings.Join(marks, ", ") + ")")
	}
	return text.String(), args
}

// use runs text, in which {rows} is the table with the rows in it.
func (w writing) use(ctx context.Context, t staging, rows [][]any, text string, args ...any) error {
	if len(rows) <= inlineRows {
		insert, values := t.insert("@"+t.name, rows)
		text = "SET NOCOUNT ON; DECLARE @" + t.name + " TABLE " + t.definition() + "; " + insert + ";\n" + fill(text, "rows", "@"+t.name)
		_, err := w.exec(ctx, text, append(values, args...)...)
		return err
	}
	source := "#" + t.name
	if _, err := w.exec(ctx, "CREATE TABLE "+source+" "+t.definition()); err != nil {
		return err
	}
	most := min(mostRows, mostParameters/len(t.columns))
	for from := 0; from < len(rows); from += most {
		insert, values := t.insert(source, rows[from:min(from+most, len(rows))])
		if _, err := w.exec(ctx, insert, values...); err != nil {
			return err
		}
	}
	if _, err := w.exec(ctx, "SET NOCOUNT ON;\n"+fill(text, "rows", source), args...); err != nil {
		return err
	}
	_, err := w.exec(ctx, "DROP TABLE "+source)
	return err
}

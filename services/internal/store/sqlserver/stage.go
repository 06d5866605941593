package sqlserver

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"strings"
)

// Rows travel as one text of JSON, where the database reads that (SQL Server 2016
// at compatibility level 130), and else as parameters of INSERT ... VALUES. Bulk
// copy, which a broken line or an ended context can leave half done on a
// connection that is used again, would not be faster for what a batch has.
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

// read is the statement that puts the rows of a JSON text into the table.
func (t staging) read(source string) string {
	names, kinds := make([]string, len(t.columns)), make([]string, len(t.columns))
	for i, c := range t.columns {
		kind, _, _ := strings.Cut(c.kind, " ")
		names[i], kinds[i] = c.name, fmt.Sprintf("%[1]s %[2]s '$.%[1]s'", c.name, kind) // the default path does not keep the case everywhere
	}
	list := strings.Join(names, ", ")
	return fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM OPENJSON(@json) WITH (%s)", source, list, list, strings.Join(kinds, ", "))
}

// json is the rows as an array of objects. It has a backslash where a character
// is escaped, and nowhere else.
func (t staging) json(rows [][]any) (string, error) {
	objects := make([]map[string]any, len(rows))
	for i, row := range rows {
		objects[i] = make(map[string]any, len(row))
		for j, value := range row {
			if v, ok := value.(driver.Valuer); ok {
				var err error
				if value, err = v.Value(); err != nil {
					return "", err
				}
			}
			if yes, ok := value.(bool); ok {
				value = map[bool]int{true: 1}[yes]
			}
			objects[i][t.columns[j].name] = value
		}
	}
	var text strings.Builder
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	err := e.Encode(objects)
	return text.String(), err
}

// use runs text, in which {rows} is the table with the rows in it.
func (w writing) use(ctx context.Context, t staging, rows [][]any, text string, args ...any) error {
	if w.layout != nil && w.layout.json {
		rows, err := t.json(rows)
		if err != nil {
			return err
		}
		if w.layout.escapes || !strings.Contains(rows, `\`) {
			source := "@" + t.name
			text = "SET NOCOUNT ON; DECLARE " + source + " TABLE " + t.definition() + "; " + t.read(source) + ";\n" + fill(text, "rows", source)
			_, err = w.exec(ctx, text, append(args, sql.Named("json", rows))...)
			return err
		}
	}
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

package sqlserver

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	mssql "github.com/microsoft/go-mssqldb"

	"backupmonitor/events"
)

// exact is the collation of our own columns: it compares as the program does.
const exact = "Latin1_General_100_BIN2"

// layout is what the original system's tables are like in this database: they
// are used as they are, with the collation that their keys have and the widths
// that their texts have.
type layout struct {
	columns map[string]column // by table.column, in lower case
	tables  map[string]bool   // that are there, in lower case
	json    bool              // the database reads JSON
	escapes bool              // and what is escaped in it
}

type column struct {
	kind      string // of SQL Server, in lower case
	collation string
	width     int // in characters; 0: unbounded
	notNull   bool
	filled    bool // by the server, where nothing is written
}

func (c column) isText() bool {
	return strings.HasSuffix(c.kind, "char") || strings.HasSuffix(c.kind, "text")
}

const sqlColumns = `SELECT t.name, c.name, COALESCE(c.collation_name, ''), c.max_length, y.name, c.is_nullable,
	CASE WHEN c.default_object_id <> 0 OR c.is_identity = 1 OR c.is_computed = 1 OR y.name IN ('timestamp', 'rowversion') THEN 1 ELSE 0 END
	FROM sys.tables t JOIN sys.columns c ON c.object_id = t.object_id JOIN sys.types y ON y.user_type_id = c.user_type_id
	WHERE t.object_id IN (OBJECT_ID('dbo.D_Drive_Backup_Stat'), OBJECT_ID('dbo.IB_Storage_Backup_Stat'),
		OBJECT_ID('dbo.Outlets'), OBJECT_ID('dbo.UserManager'))`

// tables reads the layout once. It must be called after Migrate.
func (s *Store) tables(ctx context.Context) (*layout, error) {
	if err := s.found.take(ctx); err != nil {
		return nil, err
	}
	defer s.found.leave()
	if s.layout != nil {
		return s.layout, nil
	}
	l, err := readLayout(ctx, s.writer)
	if err != nil {
		return nil, fmt.Errorf("read how the tables are made: %w", err)
	}
	if len(l.columns) == 0 {
		return nil, errors.New("read how the tables are made: there are none")
	}
	if l.json, l.escapes, err = readsJSON(ctx, s.writer); err != nil {
		return nil, fmt.Errorf("ask what the database can do: %w", err)
	}
	s.layout = l
	return l, nil
}

func readLayout(ctx context.Context, db *sql.DB) (l *layout, err error) {
	rows, err := db.QueryContext(ctx, sqlColumns)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	l = &layout{columns: map[string]column{}, tables: map[string]bool{}}
	for rows.Next() {
		var table, name, collation, kind string
		var bytes int
		var null, filled bool
		if err := rows.Scan(&table, &name, &collation, &bytes, &kind, &null, &filled); err != nil {
			return nil, err
		}
		c := column{kind: strings.ToLower(kind), collation: collation, width: max(bytes, 0), notNull: !null, filled: filled}
		switch {
		case strings.HasSuffix(c.kind, "text"):
			c.width = 0 // what stands there is the length of a pointer
		case strings.HasPrefix(c.kind, "n"):
			c.width /= 2
		}
		l.tables[strings.ToLower("dbo."+table)] = true
		l.columns[strings.ToLower("dbo."+table+"."+name)] = c
	}
	return l, rows.Err()
}

// readsJSON tries, because the compatibility level, that of the version that a
// database once came from, says it for SQL Server alone. There are servers of
// the dialect that give an escaped character back with its escape.
func readsJSON(ctx context.Context, db *sql.DB) (reads, escapes bool, err error) {
	var text string
	err = db.QueryRowContext(ctx, `SELECT x FROM OPENJSON(@json) WITH (x NVARCHAR(MAX) '$.x')`, sql.Named("json", `[{"x":"\"\\"}]`)).Scan(&text)
	if _, refused := errors.AsType[mssql.Error](err); refused {
		return false, false, nil
	}
	return true, text == `"\`, err
}

// collation is that of a key column, for comparing it with one of ours on its
// own index.
func (l *layout) collation(table, name string) string {
	if c := l.columns[strings.ToLower(table+"."+name)]; c.collation != "" {
		return c.collation
	}
	return exact
}

// key is expr, a text of ours, as a key column of a table is compared with it on
// its index: a VARCHAR would be converted row by row.
func (l *layout) key(table, name, expr string) string {
	if !l.isVarchar(table, name) {
		return expr
	}
	return l.joined(table, name, expr)
}

// joined is key for a column of ours, which has a collation of its own.
func (l *layout) joined(table, name, expr string) string {
	expr += " COLLATE " + l.collation(table, name)
	if !l.isVarchar(table, name) {
		return expr
	}
	return "CAST(" + expr + " AS VARCHAR(255))"
}

// keyType is the type of a column that is to hold a code as a key column of a
// table has it, and to be compared with that on its index.
func (l *layout) keyType(table, name string) string {
	kind := "NVARCHAR(50)"
	if l.isVarchar(table, name) {
		kind = "VARCHAR(50)"
	}
	return kind + " COLLATE " + l.collation(table, name)
}

// differ tells whether two texts, each as a key column of a table has it, are
// spelled in two ways. A VARCHAR would lose what our collation has no place for.
func (l *layout) differ(table, name, a, b string) string {
	if l.isVarchar(table, name) {
		a, b = "CAST("+a+" AS NVARCHAR(255))", "CAST("+b+" AS NVARCHAR(255))"
	}
	return fmt.Sprintf("%s COLLATE %s <> %s COLLATE %s", a, exact, b, exact)
}

func (l *layout) isVarchar(table, name string) bool {
	kind := l.columns[strings.ToLower(table+"."+name)].kind
	return kind == "varchar" || kind == "char"
}

// cut is expr as it fits a text column of a table: one that is narrower than
// the original system's would refuse the row, and all behind it would wait.
func (l *layout) cut(table, name, expr string) string {
	if n := l.width(table, name); n > 0 {
		return fmt.Sprintf("LEFT(%s, %d)", expr, n)
	}
	return expr
}

// width is that of a text column in characters, 0 where it has no end.
func (l *layout) width(table, name string) int {
	return l.columns[strings.ToLower(table+"."+name)].width
}

// time reads a column of times: {name} of {table}, which the statement calls
// alias. Where it holds texts, those that are none are NULL.
func (l *layout) time(table, alias, name string) string {
	expr := alias + name
	if strings.HasPrefix(l.columns[strings.ToLower(table+"."+name)].kind, "datetime") {
		return expr
	}
	return "TRY_CONVERT(DATETIME2(3), " + expr + ")"
}

// value is expr, which may be NULL, as it is written into a text column of a
// table.
func (l *layout) value(table, name, expr string) string {
	if l.columns[strings.ToLower(table+"."+name)].notNull {
		expr = "COALESCE(" + expr + ", N'')"
	}
	return l.cut(table, name, expr)
}

// has tells whether a table has a column.
func (l *layout) has(table, name string) bool {
	_, ok := l.columns[strings.ToLower(table+"."+name)]
	return ok
}

// table is the stat table of a mode.
func table(m events.Mode) (string, error) {
	switch m {
	case events.DDrive:
		return "dbo.D_Drive_Backup_Stat", nil
	case events.IBStorage:
		return "dbo.IB_Storage_Backup_Stat", nil
	}
	return "", fmt.Errorf("%q is not a mode", m)
}

// fill replaces each {name} of a text by the value that follows the name; {bin}
// is always the exact collation.
func fill(text string, pairs ...string) string {
	replace := []string{"{bin}", exact}
	for i := 0; i+1 < len(pairs); i += 2 {
		replace = append(replace, "{"+pairs[i]+"}", pairs[i+1])
	}
	return strings.NewReplacer(replace...).Replace(text)
}

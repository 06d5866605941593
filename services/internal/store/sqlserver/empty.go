package sqlserver

import (
	"context"
	"database/sql"
	"fmt"
)

const sqlNames = `SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_TYPE = 'BASE TABLE' ORDER BY TABLE_NAME`

// Tables names the tables that the database has, anybody's, before Migrate
// makes any.
func (s *Store) Tables(ctx context.Context) ([]string, error) {
	names, err := collect(ctx, s.writer, func(rows *sql.Rows) (name string, err error) { return name, rows.Scan(&name) }, sqlNames)
	if err != nil {
		return nil, fmt.Errorf("list the tables of database %s: %w", s.name, explain(err))
	}
	return names, nil
}

package sqlserver

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// sqlViews asks whether a reader sees whole transactions without more ado, and
// whether it may ask for snapshots. Source: SQL Server, sys.databases.
const sqlViews = `SELECT is_read_committed_snapshot_on, CASE WHEN snapshot_isolation_state = 1 THEN 1 ELSE 0 END
	FROM sys.databases WHERE database_id = DB_ID()`

// reading is the pool that reads see a list of one moment through. In a
// database that allows no snapshots they read what is committed row by row, so
// that a list may be of two batches of the projector.
func (s *Store) reading(ctx context.Context) (*sql.DB, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reader != nil {
		return s.reader, nil
	}
	committed, snapshots, err := s.isolation(ctx)
	if err != nil {
		return nil, err
	}
	s.reader = s.writer
	if !committed && snapshots {
		s.reader = s.snap
	}
	return s.reader, nil
}

func (s *Store) isolation(ctx context.Context) (committed, snapshots bool, err error) {
	err = s.writer.QueryRowContext(ctx, sqlViews).Scan(&committed, &snapshots)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return false, false, fmt.Errorf("read how the database isolates: %w", err)
	}
	return committed, snapshots, nil
}

package sqlserver

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"backupmonitor/events"
)

// sqlViews asks whether a reader sees whole transactions without more ado, and
// whether it may ask for snapshots. Source: SQL Server, sys.databases.
const sqlViews = `SELECT is_read_committed_snapshot_on, CASE WHEN snapshot_isolation_state = 1 THEN 1 ELSE 0 END
	FROM sys.databases WHERE database_id = DB_ID()`

// reading is the pool that reads see a list of one moment through. In a
// database that allows no snapshots they read what is committed row by row, so
// that a list may be of two batches of the projector.
func (s *Store) reading(ctx context.Context) (*sql.DB, error) {
	if err := s.found.take(ctx); err != nil {
		return nil, err
	}
	defer s.found.leave()
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

// forget has the next read ask again which pool to read through.
func (s *Store) forget(ctx context.Context) error {
	if err := s.found.take(ctx); err != nil {
		return err
	}
	defer s.found.leave()
	s.reader = nil
	return nil
}

func (s *Store) isolation(ctx context.Context) (committed, snapshots bool, err error) {
	err = s.writer.QueryRowContext(ctx, sqlViews).Scan(&committed, &snapshots)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return false, false, fmt.Errorf("read how the database isolates: %w", err)
	}
	return committed, snapshots, nil
}

// Advice says what an operator should do for a database that works without it,
// in a sentence; "" where there is nothing.
func (s *Store) Advice(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	committed, snapshots, err := s.isolation(ctx)
	if err != nil {
		return "", fmt.Errorf("ask database %s: %w", s.name, explain(err))
	}
	if committed || snapshots {
		return "", nil
	}
	return "the database allows no snapshots, so that lists wait for the projector and may be of two moments: have its owner run " +
		"ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON in it", nil
}

// read is collect through the pool for reads. Where the database has stopped
// allowing snapshots since, it goes through the other one.
func read[T any](ctx context.Context, s *Store, scan func(*sql.Rows) (T, error), query string, args ...any) ([]T, error) {
	for try := 1; ; try++ {
		db, err := s.reading(ctx)
		if err != nil {
			return nil, err
		}
		found, err := collect(ctx, db, scan, query, args...)
		if err == nil || try == repeats || !is(err, numberNoSnapshots) {
			return found, err
		}
		if err := s.forget(ctx); err != nil {
			return nil, err
		}
	}
}

// collect reads all that a query gives, and again where it was ended for the
// sake of another transaction. In one of ours that does not help: it has ended.
func collect[T any](ctx context.Context, db asker, scan func(*sql.Rows) (T, error), query string, args ...any) ([]T, error) {
	_, alone := db.(*sql.DB)
	for try := 1; ; try++ {
		found, err := collectOnce(ctx, db, scan, query, args...)
		if err == nil || !alone || try == repeats || !is(err, numberDeadlock) {
			return found, err
		}
	}
}

func collectOnce[T any](ctx context.Context, db asker, scan func(*sql.Rows) (T, error), query string, args ...any) (found []T, err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		x, err := scan(rows)
		if err != nil {
			return nil, err
		}
		found = append(found, x)
	}
	return found, rows.Err()
}

// The scans of a query of one column.

func scanDate(rows *sql.Rows) (d events.Date, err error) {
	err = rows.Scan(day{&d})
	return d, err
}

func scanText(rows *sql.Rows) (text string, err error) {
	err = rows.Scan(&text)
	return text, err
}

func scanCount(rows *sql.Rows) (n int, err error) {
	err = rows.Scan(&n)
	return n, err
}

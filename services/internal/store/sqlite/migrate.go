package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrate brings the database to this version, in one transaction: it happens
// whole or not at all, and of several processes one does it while the others
// wait.
func (s *Store) Migrate(ctx context.Context) error {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("migrate database %s: %w", s.path, explain(err))
	}
	if err := migrate(ctx, tx); err != nil {
		return fmt.Errorf("migrate database %s: %w", s.path, errors.Join(explain(err), rollback(tx)))
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("migrate database %s: %w", s.path, explain(err))
	}
	return nil
}

func migrate(ctx context.Context, tx *sql.Tx) error {
	const versions = `CREATE TABLE IF NOT EXISTS MonitorSchema (
		Version INTEGER NOT NULL PRIMARY KEY, AppliedAt TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP)`
	if _, err := tx.ExecContext(ctx, versions); err != nil {
		return err
	}
	var have int
	if err := tx.QueryRowContext(ctx, "SELECT COALESCE(MAX(Version), 0) FROM MonitorSchema").Scan(&have); err != nil {
		return err
	}
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	if have > len(files) {
		return fmt.Errorf("it has version %d and this program knows %d: use the newer program", have, len(files))
	}
	for _, name := range files {
		version, err := strconv.Atoi(strings.TrimPrefix(name, "migrations/")[:3])
		if err != nil {
			return fmt.Errorf("%s has no number: %w", name, err)
		}
		if version <= have {
			continue
		}
		if err := step(ctx, tx, version, name); err != nil {
			return fmt.Errorf("to version %d: %w", version, err)
		}
	}
	return nil
}

func step(ctx context.Context, tx *sql.Tx, version int, name string) error {
	text, err := fs.ReadFile(migrations, name)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, string(text)); err != nil {
		return err
	}
	if version == 1 {
		if err := adoptKeys(ctx, tx); err != nil {
			return fmt.Errorf("index the rows that were there: %w", err)
		}
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO MonitorSchema (Version) VALUES (?)", version)
	return err
}

// adoptKeys puts a row of ours beside each that was there before. Of two
// spellings of one key only one can have it; the other is still found by its
// exact spelling.
func adoptKeys(ctx context.Context, tx *sql.Tx) error {
	for _, m := range events.Modes() {
		if err := adoptStats(ctx, tx, m); err != nil {
			return err
		}
	}
	err := adopt(ctx, tx, "SELECT OutletCode, '', '' FROM Outlets ORDER BY OutletCode", func(f [3]string) error {
		_, err := tx.ExecContext(ctx,
			"INSERT INTO MonitorOutlet (OutletKey, OutletCode, Source, Seq) VALUES (?, ?, ?, 0) ON CONFLICT DO NOTHING",
			events.Key(f[0]), f[0], events.SourceDB)
		return err
	})
	if err != nil {
		return err
	}
	return adopt(ctx, tx, "SELECT UserID, '', '' FROM UserManager ORDER BY UserID", func(f [3]string) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO MonitorUser (UserKey, UserID) VALUES (?, ?) ON CONFLICT DO NOTHING",
			events.Key(f[0]), f[0])
		return err
	})
}

func adoptStats(ctx context.Context, tx *sql.Tx, m events.Mode) error {
	name, err := table(m)
	if err != nil {
		return err
	}
	query := "SELECT OutletServer, CAST(ScanDate AS TEXT), COALESCE(Status, '') FROM " + name + " ORDER BY OutletServer"
	return adopt(ctx, tx, query, func(f [3]string) error {
		l := store.Look{Status: store.ReadStatus(f[2])}
		l.Unjudged()
		_, err := tx.ExecContext(ctx, `INSERT INTO MonitorStat
			(Mode, OutletKey, ScanDate, OutletServer, EventID, Seq, Evidence, Cause, Conclusive)
			VALUES (?, ?, ?, ?, '', 0, ?, '', ?) ON CONFLICT DO NOTHING`,
			m, events.Key(f[0]), f[1], f[0], l.Evidence, l.Conclusive)
		return err
	})
}

// adopt reads all rows before it hands on the first: the transaction has only
// one connection.
func adopt(ctx context.Context, tx *sql.Tx, query string, each func([3]string) error) (err error) {
	rows, err := tx.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var found [][3]string
	for rows.Next() {
		var f [3]string
		if err := rows.Scan(&f[0], &f[1], &f[2]); err != nil {
			return err
		}
		found = append(found, f)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, f := range found {
		if err := each(f); err != nil {
			return err
		}
	}
	return nil
}

// rollback ends a transaction that may have ended already, with its context.
func rollback(tx *sql.Tx) error {
	if err := tx.Rollback(); err != nil && !errors.Is(err, sql.ErrTxDone) {
		return err
	}
	return nil
}

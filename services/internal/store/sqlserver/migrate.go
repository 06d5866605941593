package sqlserver

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	sqlVersion = `IF OBJECT_ID('dbo.MonitorSchema') IS NULL SELECT 0 ELSE SELECT COALESCE(MAX(Version), 0) FROM dbo.MonitorSchema`
	sqlSchema  = `IF OBJECT_ID('dbo.MonitorSchema') IS NULL
		CREATE TABLE dbo.MonitorSchema (
			Version INT NOT NULL, AppliedAt DATETIME2(0) NOT NULL DEFAULT SYSUTCDATETIME(),
			CONSTRAINT PK_MonitorSchema PRIMARY KEY CLUSTERED (Version))`
	sqlVersioned = `INSERT INTO dbo.MonitorSchema (Version) VALUES (@p1)`

	// askTimeout bounds a question whose answer is a few rows: a line that is
	// dead says nothing for ever.
	askTimeout = 10 * time.Second
	// earlierTimeout bounds one reading of the original system's tables, which
	// may be large.
	earlierTimeout = 10 * time.Minute
	// snapshotTimeout bounds what only makes reading better: the server waits
	// for every transaction in the database before it allows snapshots.
	snapshotTimeout = 10 * time.Second
)

// Migrate brings the database to this version, in one transaction: it happens
// whole or not at all, and of several processes one does it while the others
// wait. Where nothing is to be done it needs no more rights than to read.
func (s *Store) Migrate(ctx context.Context) error {
	have, want, err := s.versions(ctx)
	if err == nil {
		err = s.fit(ctx) // also later: whoever owns a table may change it
	}
	if err == nil && have != want {
		err = s.exclusive(ctx, s.migrate)
	}
	if err != nil {
		return fmt.Errorf("migrate database %s: %w", s.name, explain(err))
	}
	return nil
}

// versions are that of the tables, 0 where there are none, and that of this
// program.
func (s *Store) versions(ctx context.Context) (have, want int, err error) {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return 0, 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	err = s.writer.QueryRowContext(ctx, sqlVersion).Scan(&have)
	if err == nil && have > len(files) {
		err = fmt.Errorf("it has version %d and this program knows %d: use the newer program", have, len(files))
	}
	return have, len(files), err
}

func (s *Store) migrate(ctx context.Context) error {
	have, want, err := s.versions(ctx) // anew: another process may have been at it
	if err != nil || have == want {
		return err
	}
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := steps(ctx, tx, have, want); err != nil {
		return errors.Join(err, rollback(tx))
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	s.allowSnapshots(ctx)
	return nil
}

func steps(ctx context.Context, tx *sql.Tx, have, want int) error {
	if _, err := tx.ExecContext(ctx, sqlSchema); err != nil {
		return err
	}
	for version := have + 1; version <= want; version++ {
		if err := step(ctx, tx, version); err != nil {
			return fmt.Errorf("to version %d: %w", version, err)
		}
	}
	return nil
}

func step(ctx context.Context, tx *sql.Tx, version int) error {
	names, err := fs.Glob(migrations, fmt.Sprintf("migrations/%03d_*.sql", version))
	if err != nil {
		return err
	}
	if len(names) != 1 {
		return errors.New("there is no such migration: " + strconv.Itoa(version))
	}
	text, err := fs.ReadFile(migrations, names[0])
	if err != nil {
		return err
	}
	for batch := range strings.SplitSeq(string(text), "\nGO\n") {
		if _, err := tx.ExecContext(ctx, batch); err != nil {
			return fmt.Errorf("%w, in: %s", err, strings.TrimSpace(batch))
		}
	}
	if version == 1 {
		if err := adoptKeys(ctx, tx); err != nil {
			return fmt.Errorf("index the rows that were there: %w", err)
		}
	}
	_, err = tx.ExecContext(ctx, sqlVersioned, version)
	return err
}

// allowSnapshots lets readers see whole transactions without waiting for them.
// Where we may not, or the server knows no such setting, they read what is
// committed, row by row.
func (s *Store) allowSnapshots(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, snapshotTimeout)
	defer cancel()
	const text = `DECLARE @text NVARCHAR(MAX) = N'ALTER DATABASE ' + QUOTENAME(DB_NAME()) + N' SET ALLOW_SNAPSHOT_ISOLATION ON';
		EXEC (@text)`
	_, _ = s.writer.ExecContext(ctx, text)
}

// The widths of our columns of spellings.
const (
	widthCode   = events.MaxCodeLength
	widthUserID = 20
)

// keyTable is a spelling and its key.
func keyTable() staging {
	return staging{name: "keys", columns: []stagedColumn{
		{"Spelled", "NVARCHAR(50) COLLATE {bin} NOT NULL PRIMARY KEY"}, {"OutletKey", "NVARCHAR(100) COLLATE {bin} NOT NULL"},
	}}
}

// The texts that put a row of ours beside each that was there before. The key
// of a spelling is for the program to say, so the spellings come out and go in
// again with their keys. Of two spellings of one key only one can have it; the
// other is still found by its exact spelling.
const (
	sqlSpelled = `SELECT DISTINCT CAST({column} AS NVARCHAR(450)) COLLATE {bin} AS Spelled FROM {table} ORDER BY Spelled`
	sqlOldRows = `INSERT INTO dbo.MonitorStat (Mode, ScanDate, OutletKey, OutletServer, EventID, Seq, Evidence, Cause, Conclusive)
		SELECT @mode, x.ScanDate, x.OutletKey, x.Spelled, '', 0, @evidence, '', x.Good FROM (
			SELECT s.ScanDate, k.OutletKey, k.Spelled, CASE WHEN UPPER(s.Status) = 'SUCCESSFUL' THEN 1 ELSE 0 END AS Good,
				ROW_NUMBER() OVER (PARTITION BY s.ScanDate, k.OutletKey ORDER BY k.Spelled) AS Place
			FROM {table} s JOIN {rows} k ON k.Spelled = s.OutletServer COLLATE {bin}
		) x WHERE x.Place = 1`
	sqlOldOutlets = `INSERT INTO dbo.MonitorOutlet (OutletKey, OutletCode, Source, Seq)
		SELECT x.OutletKey, x.Spelled, @source, 0 FROM (
			SELECT k.OutletKey, k.Spelled, ROW_NUMBER() OVER (PARTITION BY k.OutletKey ORDER BY k.Spelled) AS Place FROM {rows} k
		) x WHERE x.Place = 1`
	sqlOldUsers = `INSERT INTO dbo.MonitorUser (UserKey, UserID)
		SELECT x.OutletKey, x.Spelled FROM (
			SELECT k.OutletKey, k.Spelled, ROW_NUMBER() OVER (PARTITION BY k.OutletKey ORDER BY k.Spelled) AS Place FROM {rows} k
		) x WHERE x.Place = 1`
	// All days but the newest, which whoever asks counts.
	sqlOldDays = `INSERT INTO dbo.MonitorDay (Mode, ScanDate, Total, Successful, NotObserved, Counted)
		SELECT @mode, s.ScanDate, COUNT(*), COALESCE(SUM(CASE WHEN UPPER(s.Status) = 'SUCCESSFUL' THEN 1 ELSE 0 END), 0), 0,
			CASE WHEN s.ScanDate = (SELECT MAX(ScanDate) FROM {table}) THEN 0 ELSE 1 END
		FROM {table} s GROUP BY s.ScanDate`
)

func adoptKeys(ctx context.Context, tx *sql.Tx) error {
	for _, m := range events.Modes() {
		name, err := table(m)
		if err != nil {
			return err
		}
		if err := adoptStats(ctx, tx, m, name); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := adopt(ctx, tx, "dbo.Outlets", "OutletCode", widthCode, sqlOldOutlets, sql.Named("source", events.SourceDB)); err != nil {
		return fmt.Errorf("Outlets: %w", err)
	}
	if err := adopt(ctx, tx, "dbo.UserManager", "UserID", widthUserID, sqlOldUsers); err != nil {
		return fmt.Errorf("UserManager: %w", err)
	}
	return nil
}

func adoptStats(ctx context.Context, tx *sql.Tx, m events.Mode, name string) error {
	var unjudged store.Look
	unjudged.Unjudged()
	mode := sql.Named("mode", string(m))
	if err := adopt(ctx, tx, name, "OutletServer", widthCode, sqlOldRows, mode, sql.Named("evidence", int64(unjudged.Evidence))); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, fill(sqlOldDays, "table", name), mode)
	return err
}

// adopt runs text with the spellings in a column of a table, and their keys. One
// that is wider than our column gets no key, and is found by its exact spelling.
func adopt(ctx context.Context, tx *sql.Tx, table, column string, width int, text string, args ...any) error {
	keys, err := spelled(ctx, tx, table, column, width)
	if err != nil || len(keys) == 0 {
		return err
	}
	return writing{tx: tx}.use(ctx, keyTable(), keys, fill(text, "table", table), args...)
}

// spelled reads all before it returns: the transaction has only one connection.
func spelled(ctx context.Context, tx *sql.Tx, table, column string, width int) (keys [][]any, err error) {
	rows, err := tx.QueryContext(ctx, fill(sqlSpelled, "table", table, "column", column))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	known := map[string]bool{}
	for rows.Next() {
		var spelling string
		if err := rows.Scan(&spelling); err != nil {
			return nil, err
		}
		// The server compares without the blanks at the end.
		if spelling = strings.TrimRight(spelling, " "); known[spelling] || store.Fit(spelling, width) != spelling {
			continue
		}
		known[spelling] = true
		keys = append(keys, []any{spelling, events.Key(spelling)})
	}
	return keys, rows.Err()
}

// rollback ends a transaction that may have ended already, with its context or
// by the server.
func rollback(tx *sql.Tx) error {
	if err := tx.Rollback(); err != nil && !errors.Is(err, sql.ErrTxDone) && !isNetwork(err) {
		return err
	}
	return nil
}

// Package sqlite keeps the tables in one SQLite file, for an installation
// without a SQL Server.
//
// One connection writes, several read: in WAL mode neither waits for the
// other. Every commit is on disk before it is answered. SQLite compares text
// ignoring case only within ASCII, so the keys of outlets and users stand in
// tables of ours, and the database stays readable with any SQLite tool.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"backupmonitor/services/internal/store"
)

const (
	// readers is how many reads run at once; none of them is held while its
	// caller works on the rows.
	readers = 4

	// busyTimeout bounds the wait for another process's lock.
	busyTimeout = 10 * time.Second
	busyPause   = 20 * time.Millisecond

	ownerOnly fs.FileMode = 0o600
)

// Store is a database file. It is safe for concurrent use.
type Store struct {
	path   string
	writer *sql.DB // one connection
	reader *sql.DB
	hot    *lookups

	mu    sync.Mutex
	ready *statements // prepared on the writer; nil before the first need

	alone chan struct{} // taken by whoever is in Exclusive

	*Stager // beside the file
}

var _ store.Backend = (*Store)(nil)

// Open opens the file at path, making it where it is missing, readable by its
// owner only. Whoever opens a store closes it. The tables are Migrate's work.
func Open(ctx context.Context, path string) (*Store, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	if err := claimFile(abs); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	writer, err := connect(abs, 1, url.Values{
		"_txlock": {"immediate"},
		"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "cache_size(-16000)", "journal_size_limit(67108864)"},
	})
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", abs, err)
	}
	s := &Store{path: abs, writer: writer, alone: make(chan struct{}, 1), Stager: NewStager(abs + stagingSuffix)}
	if err := s.firstContact(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", abs, explain(err)), writer.Close())
	}
	if s.reader, err = connect(abs, readers, url.Values{"_pragma": {"query_only(1)"}}); err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", abs, err), writer.Close())
	}
	hot, err := connect(abs, lookupConnections, url.Values{"_pragma": {"query_only(1)"}})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open database %s: %w", abs, err), s.reader.Close(), writer.Close())
	}
	s.hot = newLookups(hot, lookupConnections)
	return s, nil
}

// claimFile makes the file before SQLite would, and takes it from others'
// eyes: it holds the hashes of passwords. The files that SQLite puts beside it
// get the same permissions.
func claimFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, ownerOnly)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Mode().Perm()&^ownerOnly != 0 {
		err = f.Chmod(ownerOnly)
	}
	return errors.Join(err, f.Close())
}

func connect(path string, connections int, params url.Values) (*sql.DB, error) {
	params["_pragma"] = append([]string{fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds())}, params["_pragma"]...)
	dsn := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: params.Encode()}
	c, err := driver.NewConnector(dsn.String())
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

// firstContact makes SQLite read the file, so that one which is no database
// is refused here. Changing to WAL does not always wait for another process's
// lock by itself.
func (s *Store) firstContact(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, busyTimeout)
	defer cancel()
	for {
		var tables int
		err := s.writer.QueryRowContext(ctx, "SELECT COUNT(*) FROM sqlite_schema").Scan(&tables)
		if code(err) != lib.SQLITE_BUSY {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(busyPause):
		}
	}
}

// explain says in words what an operator can do something about.
func explain(err error) error {
	var reason string
	switch code(err) {
	case lib.SQLITE_NOTADB:
		reason = "the file is no SQLite database, or it is damaged: restore it or move it away"
	case lib.SQLITE_CORRUPT:
		reason = "the database is damaged: restore it or move it away"
	case lib.SQLITE_FULL:
		reason = "the disk is full"
	case lib.SQLITE_READONLY, lib.SQLITE_CANTOPEN, lib.SQLITE_PERM:
		reason = "the database or its folder cannot be written"
	case lib.SQLITE_BUSY:
		reason = "another process keeps the database locked"
	default:
		return err
	}
	return &store.Trouble{Reason: reason, Err: err}
}

// code is SQLite's primary result code, 0 where err is not SQLite's.
// Source: sqlite.org/rescode.html, the low 8 bits.
func code(err error) int {
	if e, ok := errors.AsType[*driver.Error](err); ok {
		return e.Code() & 0xff
	}
	return 0
}

// Ping tells whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	if err := s.reader.QueryRowContext(ctx, "SELECT COUNT(*) FROM MonitorCheckpoint").Scan(&one); err != nil {
		return fmt.Errorf("ask database %s: %w", s.path, explain(err))
	}
	return nil
}

// Close closes the database. It waits for what is running.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	if s.ready != nil {
		errs = append(errs, s.ready.close())
		s.ready = nil
	}
	errs = append(errs, s.hot.close(), s.reader.Close(), s.writer.Close())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close database %s: %w", s.path, err)
	}
	return nil
}

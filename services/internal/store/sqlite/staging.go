package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"

	"backupmonitor/services/internal/store"
)

// stagingSuffix makes the name of the staging's file, beside the database's.
const stagingSuffix = ".rebuild"

var _ store.Rebuilder = (*Store)(nil)

// Stage makes a staging: a file of its own, which is not made to survive
// anything. Errors: store.ErrStaged.
func (s *Store) Stage(ctx context.Context) (store.Staging, error) {
	if !s.staged.CompareAndSwap(false, true) {
		return nil, store.ErrStaged
	}
	st, err := s.stage(ctx)
	if err != nil {
		s.staged.Store(false)
		return nil, fmt.Errorf("make room for a rebuild: %w", explain(err))
	}
	return st, nil
}

func (s *Store) stage(ctx context.Context) (*staging, error) {
	path := s.path + stagingSuffix
	if err := Remove(path); err != nil {
		return nil, err
	}
	if err := claimFile(path); err != nil {
		return nil, err
	}
	writer, err := connect(path, 1, url.Values{
		"_txlock": {"immediate"},
		"_pragma": {"journal_mode(OFF)", "synchronous(OFF)", "cache_size(-64000)"},
	})
	if err != nil {
		return nil, err
	}
	// One connection reads and writes: nobody else does.
	st := &staging{Store: &Store{path: path, writer: writer, reader: writer, hot: newLookups(writer, 1)}, of: s}
	st.tables = tables{writer}
	if err = st.Migrate(ctx); err == nil {
		_, err = writer.ExecContext(ctx, "DROP INDEX MonitorHistory_ByDay") // nobody asks it as of a sequence
	}
	if err != nil {
		return nil, errors.Join(err, writer.Close(), Remove(path))
	}
	return st, nil
}

// Unstage removes what a process that was killed has left of a staging.
func (s *Store) Unstage(context.Context) error {
	if s.staged.Load() {
		return store.ErrStaged
	}
	if err := Remove(s.path + stagingSuffix); err != nil {
		return fmt.Errorf("remove what a rebuild has left: %w", err)
	}
	return nil
}

// staging implements store.Staging.
type staging struct {
	tables
	*Store
	of *Store
}

// Checkpoint implements store.Tables.
func (s *staging) Checkpoint(ctx context.Context) (store.Checkpoint, error) {
	return s.tables.Checkpoint(ctx)
}

// Close removes the staging.
func (s *staging) Close() error {
	err := errors.Join(s.Store.Close(), Remove(s.path))
	s.of.staged.Store(false)
	return err
}

// Remove removes the file of a database, if there is one, and those that
// SQLite puts beside it.
func Remove(path string) error {
	var errs []error
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"sync/atomic"

	"backupmonitor/services/internal/store"
)

// stagingSuffix makes the name of the staging's file, beside the database's.
const stagingSuffix = ".rebuild"

var _ store.Rebuilder = (*Store)(nil)

// Stager makes stagings for the tables of any back end: a file each, which is
// not made to survive anything. It is safe for concurrent use.
type Stager struct {
	path   string
	staged atomic.Bool // one is open
}

// NewStager makes its stagings at path. No other process may use that.
func NewStager(path string) *Stager { return &Stager{path: path} }

// Stage makes a staging. Errors: store.ErrStaged.
func (s *Stager) Stage(ctx context.Context) (store.Staging, error) {
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

func (s *Stager) stage(ctx context.Context) (*staging, error) {
	path := s.path
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
func (s *Stager) Unstage(context.Context) error {
	if s.staged.Load() {
		return store.ErrStaged
	}
	if err := Remove(s.path); err != nil {
		return fmt.Errorf("remove what a rebuild has left: %w", err)
	}
	return nil
}

// staging implements store.Staging.
type staging struct {
	tables
	*Store
	of *Stager
}

// Checkpoint implements store.Tables.
func (s *staging) Checkpoint(ctx context.Context) (store.Checkpoint, error) {
	return s.tables.Checkpoint(ctx)
}

// Close removes the staging.
func (s *staging) Close() error {
	err := errors.Join(s.Store.Close(), Remove(s.of.path))
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

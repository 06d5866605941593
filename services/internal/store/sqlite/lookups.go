package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// lookupConnections is how many lookups run at once: each takes some 20 µs.
const lookupConnections = 2

// lookups are the reads of a single row with which every request begins. They
// have connections of their own, so that no list holds them up, statements that
// are prepared once, and they run in the order in which they came: database/sql
// gives a free connection to any of those who wait, so that of many who ask at
// once some would wait several times as long as the others.
type lookups struct {
	db    *sql.DB
	turns chan struct{} // those who wait for a channel are served in order

	mu    sync.Mutex
	ready map[string]*sql.Stmt // by text; prepared at the first need, when the tables are there
}

func newLookups(db *sql.DB, connections int) *lookups {
	return &lookups{db: db, turns: make(chan struct{}, connections), ready: map[string]*sql.Stmt{}}
}

// row hands the one row that text selects to read. Errors: read's, which gets
// sql.ErrNoRows where there is none.
func (l *lookups) row(ctx context.Context, read func(scan func(...any) error) error, text string, args ...any) error {
	select {
	case l.turns <- struct{}{}:
		defer func() { <-l.turns }()
	case <-ctx.Done():
		return ctx.Err()
	}
	st, err := l.statement(ctx, text) //nolint:sqlclosecheck // close closes all
	if err != nil {
		return err
	}
	return read(st.QueryRowContext(ctx, args...).Scan)
}

func (l *lookups) statement(ctx context.Context, text string) (*sql.Stmt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if st, ok := l.ready[text]; ok {
		return st, nil
	}
	st, err := l.db.PrepareContext(ctx, text) //nolint:sqlclosecheck // close closes all
	if err != nil {
		return nil, err
	}
	l.ready[text] = st
	return st, nil
}

func (l *lookups) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for _, st := range l.ready {
		errs = append(errs, st.Close())
	}
	return errors.Join(append(errs, l.db.Close())...)
}

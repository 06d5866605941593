package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"backupmonitor/services/internal/store"
)

// Checkpoint is the zero value before the first batch.
func (s *Store) Checkpoint(ctx context.Context) (store.Checkpoint, error) {
	var c store.Checkpoint
	err := s.reader.QueryRowContext(ctx, "SELECT Stream, Seq FROM MonitorCheckpoint").Scan(&c.Stream, &c.Seq)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return store.Checkpoint{}, fmt.Errorf("read the checkpoint: %w", explain(err))
	}
	return c, nil
}

// Apply applies b in one transaction. Errors: store.ErrFenced.
func (s *Store) Apply(ctx context.Context, b store.Batch) error {
	if err := b.Check(); err != nil {
		return fmt.Errorf("apply a batch: %w", err)
	}
	p, err := s.statements(ctx)
	if err != nil {
		return fmt.Errorf("apply a batch: %w", err)
	}
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("apply a batch: %w", explain(err))
	}
	w := &writing{tx: tx, of: p, bound: map[*sql.Stmt]*sql.Stmt{}, outer: ctx, ctx: context.WithoutCancel(ctx)}
	if err := w.batch(b); err != nil {
		return fmt.Errorf("apply a batch: %w", errors.Join(explain(err), rollback(tx)))
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("apply a batch: %w", errors.Join(explain(err), rollback(tx)))
	}
	return nil
}

// writing is one transaction of Apply. Its statements run without the
// caller's cancellation, which would cost a goroutine for each; it is asked
// for between them, and ends the transaction all the same.
type writing struct {
	tx    *sql.Tx
	of    *statements
	bound map[*sql.Stmt]*sql.Stmt // statements as this transaction's
	outer context.Context
	ctx   context.Context
}

func (w *writing) stmt(st *sql.Stmt) *sql.Stmt {
	b, ok := w.bound[st]
	if !ok {
		b = w.tx.StmtContext(w.ctx, st)
		w.bound[st] = b
	}
	return b
}

// exec returns how many rows it touched.
func (w *writing) exec(st *sql.Stmt, args ...any) (int64, error) {
	r, err := w.stmt(st).ExecContext(w.ctx, args...) //nolint:sqlclosecheck // the end of the transaction closes its statements
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func (w *writing) row(st *sql.Stmt, args ...any) *sql.Row {
	return w.stmt(st).QueryRowContext(w.ctx, args...) //nolint:sqlclosecheck // the end of the transaction closes its statements
}

func (w *writing) batch(b store.Batch) error {
	if err := w.fence(b.Old, b.New); err != nil {
		return err
	}
	for _, o := range b.Outlets {
		if err := errors.Join(w.outer.Err(), w.outlet(o.Normal())); err != nil {
			return fmt.Errorf("outlet %q: %w", o.Code, err)
		}
	}
	if err := w.looks(b.Looks); err != nil {
		return err
	}
	for _, q := range b.Quarantined {
		stored := q.Stored.Truncate(time.Microsecond)
		_, err := w.exec(w.of.quarantine, q.Seq, q.Subject, q.Type, formatTime(&stored, ourTime), q.Reason, q.Header, q.Data)
		if err := errors.Join(w.outer.Err(), err); err != nil {
			return fmt.Errorf("quarantine event %d: %w", q.Seq, err)
		}
	}
	return w.outer.Err()
}

// fence moves the checkpoint from old to next, and refuses where it is not at
// old: only one of several projectors can.
func (w *writing) fence(old, next store.Checkpoint) error {
	var moved int64
	var err error
	if old == (store.Checkpoint{}) {
		moved, err = w.exec(w.of.begin, next.Stream, next.Seq)
	} else {
		moved, err = w.exec(w.of.fence, next.Stream, next.Seq, old.Stream, old.Seq)
	}
	if err != nil {
		return fmt.Errorf("move the checkpoint: %w", err)
	}
	if moved != 1 {
		return fmt.Errorf("move the checkpoint from %d to %d: %w", old.Seq, next.Seq, store.ErrFenced)
	}
	return nil
}

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
func (s *Store) Checkpoint(ctx context.Context) (c store.Checkpoint, err error) {
	err = s.hot.row(ctx, func(scan func(...any) error) error { return scan(&c.Stream, &c.Seq) }, sqlCheckpoint)
	return c, checkpointRead(err)
}

// Apply applies b in one transaction. Errors: store.ErrFenced.
func (s *Store) Apply(ctx context.Context, b store.Batch) error {
	err := b.Check()
	if err == nil {
		err = s.write(ctx, func(w *writing) error { return w.batch(b) })
	}
	if err != nil {
		return fmt.Errorf("apply a batch: %w", err)
	}
	return nil
}

// write runs f in one transaction, which nobody else's write comes between.
func (s *Store) write(ctx context.Context, f func(*writing) error) error {
	p, err := s.statements(ctx)
	if err != nil {
		return err
	}
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return explain(err)
	}
	w := &writing{tx: tx, of: p, bound: map[*sql.Stmt]*sql.Stmt{}, outer: ctx, ctx: context.WithoutCancel(ctx)}
	err = f(w)
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		return errors.Join(explain(err), rollback(tx))
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
		if err := errors.Join(w.outer.Err(), w.outlet(o.Normal(), false)); err != nil {
			return fmt.Errorf("outlet %q: %w", o.Code, err)
		}
	}
	if err := w.looks(b.Looks); err != nil {
		return err
	}
	if err := w.quarantine(w.of.quarantine, b.Quarantined); err != nil {
		return err
	}
	if err := w.release(b.Released); err != nil {
		return err
	}
	return w.outer.Err()
}

func (w *writing) quarantine(how *sql.Stmt, events []store.Quarantined) error {
	for _, q := range events {
		stored := q.Stored.Truncate(time.Microsecond)
		_, err := w.exec(how, q.Seq, q.Subject, q.Type, formatTime(&stored, ourTime), q.Reason, q.Header, q.Data)
		if err := errors.Join(w.outer.Err(), err); err != nil {
			return fmt.Errorf("quarantine event %d: %w", q.Seq, err)
		}
	}
	return nil
}

func (w *writing) release(seqs []uint64) error {
	for _, seq := range seqs {
		if _, err := w.exec(w.of.release, seq); err != nil {
			return fmt.Errorf("release event %d from quarantine: %w", seq, err)
		}
	}
	return nil
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

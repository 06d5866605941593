package sqlserver

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

const (
	sqlCheckpoint = `SELECT Stream, Seq FROM dbo.MonitorCheckpoint`
	sqlFence      = `UPDATE dbo.MonitorCheckpoint SET Stream = @stream, Seq = @seq WHERE ID = 1 AND Stream = @oldStream AND Seq = @oldSeq`
	sqlBegin      = `INSERT INTO dbo.MonitorCheckpoint (ID, Stream, Seq) SELECT 1, @stream, @seq
		WHERE NOT EXISTS (SELECT 1 FROM dbo.MonitorCheckpoint)`
	sqlQuarantine = `INSERT INTO dbo.MonitorQuarantine (Seq, Subject, Type, Stored, Reason, Header, Data)
		SELECT @seq, @subject, @type, CAST(@stored AS DATETIME2(6)), @reason, @header, @data
		WHERE NOT EXISTS (SELECT 1 FROM dbo.MonitorQuarantine WHERE Seq = @seq)`
	sqlRelease = `DELETE FROM dbo.MonitorQuarantine WHERE Seq = @seq`
)

// Checkpoint is the zero value before the first batch.
func (s *Store) Checkpoint(ctx context.Context) (store.Checkpoint, error) {
	// Whoever only reads does not wait for a batch or a repair, which has the row.
	found, err := read(ctx, s, func(rows *sql.Rows) (c store.Checkpoint, err error) {
		err = rows.Scan(&c.Stream, &c.Seq)
		return c, err
	}, sqlCheckpoint)
	if err != nil {
		return store.Checkpoint{}, fmt.Errorf("read the checkpoint: %w", explain(err))
	}
	if len(found) == 0 {
		return store.Checkpoint{}, nil
	}
	return found[0], nil
}

// Apply applies b in one transaction. Errors: store.ErrFenced.
func (s *Store) Apply(ctx context.Context, b store.Batch) error {
	if err := b.Check(); err != nil {
		return fmt.Errorf("apply a batch: %w", err)
	}
	l, err := s.tables(ctx)
	if err != nil {
		return fmt.Errorf("apply a batch: %w", explain(err))
	}
	err = s.transactOnce(ctx, func(tx *sql.Tx) error { return writing{tx: tx, layout: l}.batch(ctx, b) })
	if err != nil {
		return fmt.Errorf("apply a batch: %w", explain(err))
	}
	return nil
}

// writing is one transaction of Apply.
type writing struct {
	tx     *sql.Tx
	layout *layout
}

// exec returns how many rows the last statement touched.
func (w writing) exec(ctx context.Context, text string, args ...any) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	r, err := w.tx.ExecContext(ctx, text, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func (w writing) batch(ctx context.Context, b store.Batch) error {
	if err := w.fence(ctx, b.Old, b.New); err != nil {
		return err
	}
	if err := w.outlets(ctx, b.Outlets, sqlUnlessNewer); err != nil {
		return fmt.Errorf("outlets: %w", err)
	}
	for _, m := range events.Modes() {
		if err := w.looks(ctx, m, b.Looks); err != nil {
			return fmt.Errorf("looks of %s: %w", m, err)
		}
	}
	if err := errors.Join(w.quarantine(ctx, b.Quarantined), w.release(ctx, b.Released)); err != nil {
		return err
	}
	return ctx.Err()
}

func (w writing) quarantine(ctx context.Context, set []store.Quarantined) error {
	for _, q := range set {
		stored := q.Stored.Truncate(time.Microsecond)
		_, err := w.exec(ctx, sqlQuarantine, sql.Named("seq", int64(q.Seq)), sql.Named("subject", q.Subject), sql.Named("type", q.Type),
			sql.Named("stored", formatTime(&stored, ourTime)), sql.Named("reason", q.Reason), sql.Named("header", q.Header),
			sql.Named("data", q.Data))
		if err != nil {
			return fmt.Errorf("quarantine event %d: %w", q.Seq, err)
		}
	}
	return nil
}

func (w writing) release(ctx context.Context, seqs []uint64) error {
	for _, seq := range seqs {
		if _, err := w.exec(ctx, sqlRelease, sql.Named("seq", int64(seq))); err != nil {
			return fmt.Errorf("release event %d from quarantine: %w", seq, err)
		}
	}
	return nil
}

// fence moves the checkpoint from old to next, and refuses where it is not at
// old: only one of several projectors can. It comes first, so that the row's
// lock lets no two transactions of projectors run at once.
func (w writing) fence(ctx context.Context, old, next store.Checkpoint) error {
	text := sqlFence
	if old == (store.Checkpoint{}) {
		text = sqlBegin
	}
	args := []any{sql.Named("stream", next.Stream), sql.Named("seq", int64(next.Seq))}
	if text == sqlFence {
		args = append(args, sql.Named("oldStream", old.Stream), sql.Named("oldSeq", int64(old.Seq)))
	}
	moved, err := w.exec(ctx, text, args...)
	if isDuplicate(err) {
		moved, err = 0, nil // another one began at the same moment
	}
	if err != nil {
		return fmt.Errorf("move the checkpoint: %w", err)
	}
	if moved != 1 {
		return fmt.Errorf("move the checkpoint from %d to %d: %w", old.Seq, next.Seq, store.ErrFenced)
	}
	return nil
}

package sqlserver

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// The texts that put looks right, which are in {rows}; see sqlFold. A row beside
// which another outlet's stands is left alone.
const (
	sqlRepairLines = `DELETE h FROM dbo.MonitorHistory h JOIN {rows} l ON h.Seq = l.Seq;
DELETE h FROM dbo.MonitorHistory h JOIN {rows} l ON h.EventHash = l.EventHash;
` + sqlInsertLines

	sqlRepairRows = sqlBest + `SELECT x.OutletKey, x.ScanDate, x.Seq, x.OutletServer, COALESCE(m.OutletServer COLLATE {coll}, s.OutletServer)
FROM {rows} x
LEFT JOIN dbo.MonitorStat m ON m.Mode = @mode AND m.ScanDate = x.ScanDate AND m.OutletKey = x.OutletKey
	AND UPPER(m.OutletServer) COLLATE {bin} = x.OutletKey
LEFT JOIN {table} s ON s.OutletServer = {code} AND s.ScanDate = x.ScanDate AND m.OutletKey IS NULL;
` + sqlPut + sqlDays
)

// Repair locks the checkpoint and puts right what plan says, in one transaction.
func (s *Store) Repair(ctx context.Context, plan store.Plan) error {
	l, err := s.tables(ctx)
	if err != nil {
		return fmt.Errorf("put the tables right: %w", explain(err))
	}
	err = s.transactOnce(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, sqlHoldCheckpoint); err != nil {
			return err
		}
		w := writing{tx: tx, layout: l}
		return errors.Join(plan(ctx, tables{tx, l}, func(r store.Repairs) error { return w.repair(ctx, r) }), ctx.Err())
	})
	if err != nil {
		return fmt.Errorf("put the tables right: %w", explain(err))
	}
	return nil
}

func (w writing) repair(ctx context.Context, r store.Repairs) error {
	for _, m := range events.Modes() {
		if err := w.repairLooks(ctx, m, r.Lines, sqlRepairLines); err != nil {
			return fmt.Errorf("history of %s: %w", m, err)
		}
		if err := w.repairLooks(ctx, m, r.Rows, sqlRepairRows); err != nil {
			return fmt.Errorf("rows of %s: %w", m, err)
		}
	}
	if err := w.outlets(ctx, r.Outlets, ""); err != nil {
		return fmt.Errorf("outlets: %w", err)
	}
	again := make([]uint64, len(r.Quarantined))
	for i, q := range r.Quarantined {
		again[i] = q.Seq
	}
	return errors.Join(w.release(ctx, again), w.quarantine(ctx, r.Quarantined), w.release(ctx, r.Released), ctx.Err())
}

func (w writing) repairLooks(ctx context.Context, m events.Mode, looks []store.Look, text string) error {
	var rows [][]any
	for _, l := range looks {
		if l.Mode == m {
			rows = append(rows, lookRow(l.Normal()))
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return w.staged(ctx, m, rows, text)
}

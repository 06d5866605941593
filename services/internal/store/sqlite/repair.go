package sqlite

import (
	"context"
	"errors"
	"fmt"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// Repair locks the checkpoint, and with it all that is written, and puts right
// what plan says, in one transaction.
func (s *Store) Repair(ctx context.Context, plan store.Plan) error {
	err := s.write(ctx, func(w *writing) error {
		return errors.Join(plan(ctx, tables{w.tx}, w.repair), ctx.Err())
	})
	if err != nil {
		return fmt.Errorf("put the tables right: %w", err)
	}
	return nil
}

func (w *writing) repair(r store.Repairs) error {
	for _, l := range r.Lines {
		if _, err := w.line(w.of.historyPut, l.Normal()); err != nil {
			return fmt.Errorf("line %d of the history: %w", l.Seq, err)
		}
	}
	touched := markedDays{}
	for _, l := range r.Rows {
		if err := errors.Join(w.outer.Err(), w.repairRow(l.Normal()), w.touch(touched, l.Mode, l.ScanDate)); err != nil {
			return fmt.Errorf("row of %s on %s: %w", l.Outlet, l.ScanDate, err)
		}
	}
	for _, o := range r.Outlets {
		if err := errors.Join(w.outer.Err(), w.outlet(o.Normal(), true)); err != nil {
			return fmt.Errorf("outlet %q: %w", o.Code, err)
		}
	}
	if err := w.quarantine(w.of.quarantinePut, r.Quarantined); err != nil {
		return err
	}
	return errors.Join(w.outer.Err(), w.release(r.Released))
}

// repairRow leaves a row alone that belongs to another outlet, whatever stands
// beside it.
func (w *writing) repairRow(l store.Look) error {
	d := day{mode: l.Mode, key: events.Key(l.Outlet), date: l.ScanDate}
	spelled, _, _, err := w.standing(d, l.Outlet)
	if err != nil {
		return err
	}
	if events.Key(spelled) != d.key {
		spelled = l.Outlet
	}
	return w.put(d, spelled, l)
}

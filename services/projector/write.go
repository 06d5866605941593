package projector

import (
	"context"
	"errors"
	"log/slog"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// write applies records of the log stream to the tables that are at cp, and
// returns where they are then. What a column does not take is searched for by
// halves and set aside, so that it does not stop all behind it for ever. Errors:
// store.ErrFenced.
func (p *Projector) write(ctx context.Context, cp store.Checkpoint, stream string, records []events.Record) (store.Checkpoint, error) {
	b := batch(records)
	b.Old, b.New = cp, store.Checkpoint{Stream: stream, Seq: records[len(records)-1].Seq}
	b.Succeeds = cp.Stream != "" && cp.Stream != stream // as verify has found
	err := p.apply(ctx, b)
	switch {
	case errors.Is(err, store.ErrUnstorable) && len(records) > 1:
		half := len(records) / 2
		if cp, err = p.write(ctx, cp, stream, records[:half]); err != nil {
			return cp, err
		}
		return p.write(ctx, cp, stream, records[half:])
	case errors.Is(err, store.ErrUnstorable):
		err = p.setAside(ctx, b, records[0], err)
	case err == nil:
		p.brakes.took(b)
	}
	if err != nil {
		return cp, err
	}
	return b.New, nil
}

// setAside puts the one event of b into quarantine because of cause, unless it is
// a table that is at fault.
func (p *Projector) setAside(ctx context.Context, b store.Batch, r events.Record, cause error) error {
	if err := p.db.Migrate(ctx); err != nil {
		return err
	}
	if err := p.brakes.hold(b, cause); err != nil {
		return err
	}
	p.logger.ErrorContext(ctx, "a column does not take what an event says", slog.Uint64("seq", r.Seq), slog.String("error", cause.Error()))
	aside := b
	aside.Looks, aside.Outlets = nil, nil
	aside.Quarantined = []store.Quarantined{SetAside(r, store.UnstorableReason(cause))}
	if err := p.apply(ctx, aside); err != nil {
		return err
	}
	p.brakes.refused(b)
	return nil
}

// adviser is a Store that may know what would do it good.
type adviser interface {
	Advice(ctx context.Context) (string, error)
}

// advise logs once what an operator should do for the database.
func (p *Projector) advise(ctx context.Context) error {
	a, ok := p.db.(adviser)
	if !ok || p.advised {
		return nil
	}
	advice, err := a.Advice(ctx)
	if err != nil {
		return err
	}
	p.advised = true
	if advice != "" {
		p.logger.WarnContext(ctx, "the database works, and would work better", slog.String("advice", advice))
	}
	return nil
}

package projector

import (
	"context"
	"fmt"
	"log/slog"

	"backupmonitor/services/internal/adoption"
	"backupmonitor/services/internal/store"
)

// adopt enters into the log what the database holds from before it. It is done
// when the first batch has moved the checkpoint, and is begun again until then:
// what the log has already is not entered twice.
func (p *Projector) adopt(ctx context.Context) error {
	defer p.status.set(func(s *Status) { s.Adopting = "" })
	return p.db.Exclusive(ctx, func(ctx context.Context) error {
		cp, err := p.checkpoint(ctx)
		if err != nil || cp != (store.Checkpoint{}) {
			return err // another one has done it meanwhile
		}
		r, err := adoption.Enter(ctx, p.db, p.log, adoption.Options{Zone: p.cfg.LegacyZone, Progress: func(r adoption.Report) {
			if r.Total > 0 {
				p.status.set(func(s *Status) { s.Adopting = fmt.Sprintf("%d of %d", r.Done(), r.Total) })
			}
		}})
		if err != nil {
			return fmt.Errorf("enter the earlier rows into the log: %w", err)
		}
		for _, why := range r.Left {
			p.logger.WarnContext(ctx, "an earlier row stays out of the log", slog.String("reason", why))
		}
		if r.Outlets+r.Rows+len(r.Left) > 0 {
			p.logger.InfoContext(ctx, "what the database held from before the log is in it now", slog.Int("outlets", r.Outlets),
				slog.Int("rows", r.Rows), slog.Int("known", r.KnownOutlets+r.KnownRows+r.Twice), slog.Int("left", r.Skipped+r.SkippedOutlets))
		}
		return nil
	})
}

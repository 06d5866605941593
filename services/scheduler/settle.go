package scheduler

import (
	"context"
	"errors"
	"log/slog"

	"backupmonitor/events"
	"backupmonitor/services/internal/verdict"
)

// settle ends the scan where it is at its end, and then returns true. A scan
// ends when every look is there; an attached one also with the scan that it is
// attached to, cancelled if that was; and every scan after its deadline, when
// what is missing has been published as expired.
func (r *run) settle(ctx context.Context, b *beside) (done bool, err error) {
	switch {
	case r.ended:
		r.logger.Info("scan was completed elsewhere", slog.String("scan", r.req.ScanID))
		return true, nil
	case r.behind > 0:
		return false, nil
	case r.progress.Done():
		return true, r.complete(ctx, events.ScanCompleted{})
	case r.host != nil:
		return true, r.complete(ctx, events.ScanCompleted{Cancelled: r.host.Cancelled, CancelledBy: r.host.CancelledBy})
	case !r.expiring && !r.cfg.Now().Before(r.expiry()):
		r.expiring = true
		looks := r.expired()
		r.logger.Warn("a scan has passed its deadline", slog.String("scan", r.req.ScanID), slog.Int("missing", len(looks)))
		b.expire(ctx, looks)
	}
	return false, nil
}

// expired are the looks that are still missing, as nobody will make them. They
// have the ids that the looks would have had, so that one that is made after
// all is not a second.
func (r *run) expired() []events.BackupObserved {
	var looks []events.BackupObserved
	now := r.cfg.Now()
	for _, outlet := range r.progress.Open() {
		e, _ := r.outlets.Get(outlet)
		c := r.command(e)
		c.Outlet = outlet // also where the registry cannot tell it
		for _, m := range r.progress.Missing(outlet) {
			looks = append(looks, verdict.Unseen(c, m, now, r.cfg.Zone, verdict.Expired(c)))
		}
	}
	return looks
}

// complete stores the ScanCompleted with what has been counted. That somebody
// else's is there already is as good.
func (r *run) complete(ctx context.Context, c events.ScanCompleted) error {
	sum := r.progress.Sum()
	c.ScanID, c.ScanDate, c.Modes = r.started.ScanID, r.started.ScanDate, r.progress.Modes()
	c.Counts = r.progress.Counts()
	c.Unobserved = r.progress.Expired() + sum.Total - sum.Completed()
	c.CompletedAt = r.cfg.Now().UTC()
	if _, err := r.log.Write(ctx, c, 0); err != nil && !errors.Is(err, events.ErrConflict) {
		return err
	}
	r.logger.Info("scan completed", slog.String("scan", c.ScanID), slog.Int("total", sum.Total),
		slog.Int("successful", sum.Successful), slog.Int("failed", sum.Failed),
		slog.Int("not_observed", sum.NotObserved), slog.Bool("cancelled", c.Cancelled))
	return nil
}

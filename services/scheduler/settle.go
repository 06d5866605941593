package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"backupmonitor/events"
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
	now := r.cfg.Now().UTC()
	detail := fmt.Sprintf("Nobody could look before the scan's deadline, %s.", r.started.Deadline.UTC().Format("2006-01-02 15:04:05 UTC"))
	for _, outlet := range r.progress.Open() {
		e, _ := r.outlets.Get(outlet)
		for _, m := range r.progress.Missing(outlet) {
			looks = append(looks, events.BackupObserved{
				Outlet: outlet, Server: e.Address, Mode: m,
				ScanID: r.started.ScanID, ScanDate: r.started.ScanDate, RequestPosition: r.started.RequestPosition,
				StartedAt: now, Today: events.DateOf(now, r.cfg.Zone) == r.started.ScanDate,
				Verdict: events.Verdict{
					Status: events.Failed, Cause: events.CauseExpired, Evidence: events.EvidenceNone,
					Detail: detail, Policy: r.started.Policy,
				},
			})
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

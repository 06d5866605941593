package scheduler

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"backupmonitor/events"
	"backupmonitor/services/internal/scan"
)

// lateStart is how long after its expiry a scan that has not started is still
// tried: a scheduler that was away makes up for it within that.
const lateStart = time.Minute

// hopeless tells why a scan whose run has failed will never come to its end by
// itself, and what to do; "" where it may. It is for whoever asked for the scan,
// and for whoever asks whether the system is ready.
func (r *run) hopeless(err error) string {
	switch {
	case errors.Is(err, nats.ErrMaxPayload):
		return "the scan is too large for the event log; retire outlets, or give them shorter codes"
	case errors.Is(err, events.ErrMalformed):
		return "an event that the scan rests on cannot be read; `backup-monitor quarantine list` names it"
	case r.progress == nil && !r.cfg.Now().Before(r.req.Deadline.Add(r.cfg.ProbeTimeout+lateStart)):
		return "the scan could not start before its deadline; the scheduler's log says why"
	}
	return ""
}

// giveUp ends a scan as the scheduler's own cancellation, because a scan ends,
// whatever happens. failed is what its run ended with.
func (r *run) giveUp(ctx context.Context, why string, failed error) error {
	r.logger.Error("a scan cannot be run and is ended", slog.String("scan", r.req.ScanID),
		slog.String("because", why), slog.Any("error", failed))
	if r.started.ScanID == "" { // not even expanded: what was asked for is all there is
		r.started = events.ScanStarted{
			ScanID: r.req.ScanID, ScanDate: r.req.ScanDate, Modes: r.req.Modes,
			RequestPosition: r.req.seq, Outlets: r.req.Outlets,
		}
	}
	if r.progress == nil {
		r.progress = scan.NewProgress(r.started)
	}
	return r.complete(ctx, events.ScanCompleted{Cancelled: true, CancelledBy: scan.GivenUp + why})
}

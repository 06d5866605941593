package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"backupmonitor/events"
	"backupmonitor/services/internal/registry"
	"backupmonitor/services/internal/scan"
)

// tellEvery is how often a scan tells its log of records that cannot be read: a flood of
// them is not to fill a disk with it.
const tellEvery = time.Minute

// run is one scan being run: it offers what is missing, folds what is seen,
// and ends the scan. What it knows comes from the log, so that another
// scheduler can go on with it at any time.
type run struct {
	*Scheduler
	req request

	message  jetstream.Msg // the latest delivery of the request; guarded by Scheduler.mu
	attached bool          // it counts as that in Scheduler.places; likewise

	started  events.ScanStarted
	outlets  registry.Outlets
	progress *scan.Progress
	offers   *offers
	// behind is how much of what was in the log when the run began is not yet
	// folded. Nothing is decided before.
	behind   uint64
	unread   int // records that could not be read since the log was told of one
	told     time.Time
	expiring bool
	ended    bool                  // somebody has completed the scan
	host     *events.ScanCompleted // the completion of the scan attached to

	shown atomic.Pointer[events.ModeCount] // the sum of its progress, nil before it has started
}

func (r *run) show() {
	sum := r.progress.Sum()
	r.shown.Store(&sum)
}

// do returns nil when the scan is completed, by whomever. Errors: errNoPlace.
func (r *run) do(ctx context.Context) error {
	_, err := r.log.Last(ctx, events.CompletedSubject(r.req.ScanID))
	if !errors.Is(err, events.ErrNotFound) {
		return err
	}
	if r.started, err = r.start(ctx); err != nil {
		return fmt.Errorf("start scan %s: %w", r.req.ScanID, err)
	}
	if r.started.AttachedTo != "" {
		if err := r.attach(r); err != nil {
			return err
		}
	}
	if r.outlets, err = registry.Load(ctx, r.log, r.req.seq); err != nil {
		return fmt.Errorf("start scan %s: %w", r.req.ScanID, err)
	}
	var open []string
	if r.started.AttachedTo == "" { // else the other scan's looks are counted, and nothing offered
		open = r.started.Outlets
	}
	r.progress = scan.NewProgress(r.started)
	r.offers = newOffers(open, r.cfg.Now())
	r.show()
	r.logger.Info("scan running", slog.String("scan", r.req.ScanID), slog.String("date", string(r.req.ScanDate)),
		slog.Int("outlets", len(r.started.Outlets)), slog.String("attached_to", r.started.AttachedTo))
	if err := r.pursue(ctx); err != nil {
		return fmt.Errorf("run scan %s: %w", r.req.ScanID, err)
	}
	return nil
}

// pursue is the loop of a running scan. It owns the fold and the offers; what
// waits for the network is done beside it.
func (r *run) pursue(ctx context.Context) error {
	feed, err := r.log.Feed(ctx, events.FeedOptions{From: r.started.Position(), Subjects: r.subjects()})
	if err != nil {
		return err
	}
	defer feed.Stop()
	work, stop := context.WithCancel(ctx)
	var workers sync.WaitGroup
	defer workers.Wait()
	defer stop()
	b := newBeside(work, &workers, r.log, feed, len(r.started.Outlets))

	r.behind = feed.Initial
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if done, err := r.settle(work, b); done || err != nil {
			return err
		}
		offer, command, wake := r.nextOffer()
		var commands chan<- events.ProbeCommand
		if offer {
			commands = b.commands
		}
		timer.Reset(wake.Sub(r.cfg.Now()))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-b.failed:
			return err
		case record := <-b.records:
			r.fold(record)
		case commands <- command:
			r.offers.take()
		case res := <-b.results:
			r.offered(res)
		case <-timer.C:
		}
	}
}

// subjects are read in every mode, also in those that the scan does not need:
// any look at an outlet says that its command will be gone soon.
func (r *run) subjects() []string {
	all := r.started
	all.Modes = events.Modes()
	return scan.Subjects(all)
}

func (r *run) fold(record events.Record) {
	if r.behind > 0 {
		r.behind--
	}
	if record.Pending == 0 {
		r.behind = 0
	}
	e, err := record.Decode()
	if err != nil {
		if r.unread++; r.cfg.Now().Sub(r.told) >= tellEvery {
			r.logger.Warn("an event cannot be read and does not count", slog.String("scan", r.req.ScanID),
				slog.Any("error", err), slog.Int("since_told_last", r.unread))
			r.unread, r.told = 0, r.cfg.Now()
		}
		return
	}
	switch d := e.Data.(type) {
	case events.BackupObserved:
		if r.host != nil {
			return // the scan ended with its host, whenever this is read
		}
		if r.progress.Apply(d) {
			r.show()
		}
		if len(r.progress.Missing(d.Outlet)) == 0 {
			r.offers.drop(d.Outlet)
		} else {
			r.offers.looked(d.Outlet, r.cfg.Now())
		}
	case events.ScanCompleted:
		if d.ScanID == r.req.ScanID {
			r.ended = true
		} else {
			r.host = &d
		}
	}
}

// nextOffer is the command to be offered now, if any, and when to look again
// at the latest.
func (r *run) nextOffer() (offer bool, c events.ProbeCommand, wake time.Time) {
	now, expiry := r.cfg.Now(), r.expiry()
	if r.expiring || r.behind > 0 {
		return false, c, now.Add(time.Minute)
	}
	for r.started.Deadline.After(now) {
		outlet, due, ok := r.offers.peek()
		if !ok {
			break
		}
		if due.After(now) {
			return false, c, earlier(due, expiry)
		}
		e, registered := r.outlets.Get(outlet)
		if !registered {
			r.logger.Error("an outlet of a scan cannot be read: nobody looks at it",
				slog.String("scan", r.req.ScanID), slog.String("outlet", outlet))
			r.offers.drop(outlet)
			continue
		}
		return true, r.command(e), expiry
	}
	return false, c, expiry
}

func (r *run) command(e registry.Entry) events.ProbeCommand {
	policy := r.started.Policy
	if e.MaxAgeSeconds != nil {
		policy.MaxAgeSeconds = *e.MaxAgeSeconds
	}
	return events.ProbeCommand{
		ScanID: r.started.ScanID, ScanDate: r.started.ScanDate, Outlet: e.Code, Server: e.Address,
		Modes: r.progress.Missing(e.Code), RequestPosition: r.started.RequestPosition,
		Policy: policy, Deadline: r.started.Deadline,
	}
}

// offered handles the answer to an offer. An accepted command ends in its
// looks, so that the outlet is never offered again by this run.
func (r *run) offered(res result) {
	switch {
	case res.err == nil:
		r.offers.drop(res.outlet)
		return
	case !errors.Is(res.err, events.ErrOutstanding):
		r.logger.Warn("an offer failed and is repeated", slog.String("scan", r.req.ScanID),
			slog.String("outlet", res.outlet), slog.Any("error", res.err))
	}
	r.offers.refused(res.outlet, r.cfg.Now())
}

// expiry is when nothing more is waited for.
func (r *run) expiry() time.Time { return r.started.Deadline.Add(r.cfg.ProbeTimeout) }

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

package scheduler

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/scan"
	"backupmonitor/services/internal/schedule"
)

const (
	// onTime is how late a slot may be and still count as reached; after more,
	// the process was away, and only what is current is made up for.
	onTime = time.Minute
	// wakeMost is how often the clock is read at least: it may have been set.
	wakeMost = time.Minute
	// askTimeout bounds one try to ask for a slot's scan; askAgain is the
	// pause before the next.
	askTimeout = 30 * time.Second
	askAgain   = 5 * time.Second
)

// keepSchedule asks for the scans of the schedule, as the settings in the log
// have it at any time, until ctx ends.
func (s *Scheduler) keepSchedule(ctx context.Context) {
	settings := make(chan events.Schedule)
	var follower sync.WaitGroup
	defer follower.Wait()
	follower.Go(func() {
		never := func(error) bool { return false }
		_ = s.again(ctx, "follow the settings", never, func() error { return s.followSettings(ctx, settings) })
	})
	c := cron{zone: s.cfg.Zone, now: s.cfg.Now, ask: s.askFor, next: s.setNext}
	c.run(ctx, settings)
}

func (s *Scheduler) followSettings(ctx context.Context, to chan<- events.Schedule) error {
	feed, err := s.log.Feed(ctx, events.FeedOptions{LastPerSubject: true, Subjects: []string{events.SubjectSettings}})
	if err != nil {
		return err
	}
	defer feed.Stop()
	for {
		r, err := feed.Next(ctx)
		if err != nil {
			return err
		}
		e, err := r.Decode()
		d, ok := e.Data.(events.SettingsChanged)
		if err != nil || !ok {
			s.logger.Error("the settings cannot be read: those before stay in force", slog.Any("error", err))
			continue
		}
		if err := schedule.Check(d.Schedule); err != nil {
			s.logger.Error("the schedule cannot be kept: no scan starts by itself", slog.Any("error", err))
		}
		select {
		case to <- d.Schedule:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// askFor requests the scan of a slot: of both modes, for the slot's own day.
// Several schedulers do so at once, and one request is stored.
func (s *Scheduler) askFor(ctx context.Context, slot time.Time) (settled bool) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	now := s.cfg.Now().UTC()
	r := events.ScanRequested{
		ScanID: scan.CronID(slot), ScanDate: events.DateOf(slot, s.cfg.Zone), Modes: events.Modes(),
		Trigger: events.TriggerCron, RequestedAt: now, Deadline: now.Add(s.cfg.Deadline),
	}
	_, err := scan.Request(ctx, s.log, s.cfg.Zone, r)
	switch {
	case err == nil:
		s.logger.Info("scan requested by the schedule", slog.String("scan", r.ScanID))
	case errors.Is(err, events.ErrConflict): // another scheduler was first
	default:
		s.logger.Error("the schedule's scan could not be requested", slog.String("scan", r.ScanID), slog.Any("error", err))
		return errors.Is(err, scan.ErrLogNearlyFull) || errors.Is(err, scan.ErrInvalid) || errors.Is(err, events.ErrFull)
	}
	return true
}

// cron waits for the slots of a schedule. It owns no connection, only time.
type cron struct {
	zone *time.Location
	now  func() time.Time
	// ask requests a slot's scan; false says that it should be tried again.
	ask func(ctx context.Context, slot time.Time) (settled bool)
	// next is told the next slot, zero for none.
	next func(time.Time)
}

func (c cron) run(ctx context.Context, settings <-chan events.Schedule) {
	var (
		s     events.Schedule
		due   time.Time // zero: none
		known bool      // the settings
	)
	timer := time.NewTimer(wakeMost)
	defer timer.Stop()
	for {
		pause := wakeMost
		select {
		case <-ctx.Done():
			return
		case s = <-settings:
			if !known { // just started: make up for a slot that still counts
				due, _ = schedule.Current(s, c.now(), c.zone)
			} else if due.After(c.now()) { // what was reached before stays due
				due = time.Time{}
			}
			known = true
		case <-timer.C:
		}
		now := c.now()
		if slot := c.reached(s, due, now); !slot.IsZero() && !c.ask(ctx, slot) {
			due, pause = slot, askAgain
		} else {
			due, _ = schedule.Next(s, now, c.zone)
		}
		c.next(due)
		if !due.IsZero() && due.After(now) {
			pause = min(pause, due.Sub(c.now()))
		}
		timer.Reset(pause)
	}
}

// reached is the slot to ask for now, zero for none: the one that was due, or
// after an absence the one that is current.
func (c cron) reached(s events.Schedule, due, now time.Time) time.Time {
	if due.IsZero() || due.After(now) {
		return time.Time{}
	}
	if now.Sub(due) <= onTime {
		return due
	}
	slot, _ := schedule.Current(s, now, c.zone)
	return slot
}

// Package scheduler turns requested scans into commands for the probers, sees
// to it that each scan ends, and asks for the scans of the schedule. Any number
// of schedulers may run: the log decides between them, and none keeps anything
// that the log does not have.
package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/lifeline"
	"backupmonitor/services/internal/schedule"
)

// Config is what a deployment chooses.
type Config struct {
	// Zone is TZ: what a day is, and what the schedule's hours mean.
	Zone *time.Location
	// OutletsFile is the path of OUTLETS_FILE, "" for none.
	OutletsFile string
	// Settings are stored when the log has none yet.
	Settings events.SettingsChanged
	// Deadline of the scans of the schedule, from their request.
	Deadline time.Duration
	// ProbeTimeout is how long after its deadline a look may still arrive,
	// before the scheduler ends it as expired.
	ProbeTimeout time.Duration
	// NoSchedule runs requested scans alone and starts none by itself.
	NoSchedule bool
	// Now is the clock of stamps, deadlines and slots; nil is time.Now.
	Now func() time.Time
}

// Scheduler is the service.
type Scheduler struct {
	cfg    Config
	log    *events.Log
	logger *slog.Logger

	ready    chan struct{} // closed when the log has the outlets file and the settings
	taken    chan struct{} // closed when no more requests are asked for
	mu       sync.Mutex
	running  map[string]*run // by scan id
	places   places
	next     time.Time
	fault    error // of taking requests
	runFault error // of the last run that ended
}

// New makes a scheduler on a log whose streams are provisioned.
func New(cfg Config, log *events.Log, logger *slog.Logger) *Scheduler {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Scheduler{
		cfg: cfg, log: log, logger: logger, ready: make(chan struct{}), taken: make(chan struct{}),
		running: map[string]*run{}, places: newPlaces(),
	}
}

// Ready is closed when Run has imported the outlets file and stored the first
// settings.
func (s *Scheduler) Ready() <-chan struct{} { return s.ready }

// Run works, once, until ctx ends and then returns nil, when everything it started
// has stopped and its scans are handed to whoever else there is. An error says
// that it could not begin, because the schedule or the outlets file is bad, or
// that the connection to the log was closed for good.
func (s *Scheduler) Run(ctx context.Context) error {
	if err := schedule.Check(s.cfg.Settings.Schedule); err != nil {
		return fmt.Errorf("schedule: %w", err)
	}
	bound, release := lifeline.Bind(ctx, s.log.JetStream().Conn())
	if err := s.prepare(bound); err != nil {
		if lost := release(); lost != nil || ctx.Err() != nil {
			return lost
		}
		return err
	}
	close(s.ready)
	var services sync.WaitGroup
	services.Go(func() { s.takeRequests(bound) })
	if !s.cfg.NoSchedule {
		services.Go(func() { s.keepSchedule(bound) })
	}
	services.Wait()
	return release()
}

func (s *Scheduler) setFault(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = err
}

func (s *Scheduler) setRunFault(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runFault = err
}

func (s *Scheduler) setNext(slot time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = slot
}

// wait returns false when ctx ends before.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// again repeats what the network may have failed, ever more slowly, until it
// succeeds or ctx ends; lasting tells the errors that no repetition mends.
func (s *Scheduler) again(ctx context.Context, doing string, lasting func(error) bool, do func() error) error {
	for pause := retryFirst; ; pause = min(2*pause, retryMost) {
		began := time.Now()
		err := do()
		if time.Since(began) > retryMost {
			pause = retryFirst // it had worked for a while
		}
		if err == nil || lasting(err) {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.logger.Warn("will try again", slog.String("doing", doing), slog.Any("error", err))
		if !wait(ctx, pause) {
			return errors.Join(ctx.Err(), err)
		}
	}
}

const (
	retryFirst = 250 * time.Millisecond
	retryMost  = 10 * time.Second
)

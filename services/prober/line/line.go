// Package line tells an outlet that does not answer from a monitor that
// reaches nobody. When our own network is down, a thousand outlets are not: to
// call each of them unreachable would be a thousand untruths.
//
// Some outlets in a row that do not answer are a suspicion. Then a sample of
// all outlets is dialled, and if one of them answers, there is nothing to it.
// If none does, the prober is offline: it says so in the log, takes no more
// commands, and dials on until somebody answers.
package line

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"backupmonitor/events"
)

const (
	// suspicious is how many outlets in a row that do not answer are a
	// suspicion, and how many outlets there must be to tell anything by.
	suspicious = 10
	// sample is how many outlets are asked before we call ourselves offline,
	// and resample how many each time while we are.
	sample   = 128
	resample = 32
	// calm is how long outlets that a suspicion was raised by are left out of
	// the next one, where others answered: a region is down, and may say so.
	calm = time.Minute
	// patience is how long a suspicion may stay unsettled before we say so: a log
	// that restarts is away for less.
	patience = 15 * time.Second
	// redialEvery is the pause between two samples while offline.
	redialEvery = 5 * time.Second
	// repeatEvery and validFor keep what we say of ourselves alive.
	repeatEvery = time.Minute
	validFor    = 3 * time.Minute
	tellTimeout = 10 * time.Second
)

// Config is what a line needs. All fields are set.
type Config struct {
	Prober string // our name
	// Sample draws by lot up to n of the addresses of all outlets that scans look at.
	Sample func(ctx context.Context, n int) ([]string, error)
	// Dial tells whether anything answers at an address. It has a deadline of
	// its own.
	Dial func(ctx context.Context, address string) bool
	// Tell stores what we say of ourselves.
	Tell func(ctx context.Context, e events.ProberChanged) error
	Now  func() time.Time
}

// Line is the way from a prober to the outlets.
type Line struct {
	cfg    Config
	logger *slog.Logger
	doubt  chan struct{} // holds one while there is a suspicion

	mu        sync.Mutex
	failing   map[string]struct{} // addresses that did not answer, since one did
	failingBy time.Time           // when the first of those looks began
	checking  bool                // a suspicion is being looked into
	down      map[string]struct{} // outlets that are down, though others answer
	downUntil time.Time
	unsure    error                 // what has kept us for a while from settling a suspicion
	offline   *events.ProberChanged // nil while online
	online    chan struct{}         // closed while online
}

// New returns a line that counts as good. Run watches it.
func New(cfg Config, logger *slog.Logger) *Line {
	l := &Line{cfg: cfg, logger: logger, doubt: make(chan struct{}, 1), failing: map[string]struct{}{}, down: map[string]struct{}{}, online: make(chan struct{})}
	close(l.online)
	return l
}

// Report tells whether a look, which began at a time, got an answer of any
// kind at an address. hold says that its failure is not to be believed: we are
// offline, or about to find out.
func (l *Line) Report(address string, reached bool, began time.Time) (hold bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if reached {
		// A connection from before the trouble says nothing about it.
		if began.After(l.failingBy) {
			clear(l.failing)
		}
		delete(l.down, address)
		return false
	}
	if l.offline != nil {
		return true
	}
	if l.checking {
		l.failing[address] = struct{}{}
		return true
	}
	if _, down := l.down[address]; down && l.cfg.Now().Before(l.downUntil) {
		return false
	}
	if len(l.failing) == 0 {
		l.failingBy = began
	}
	l.failing[address] = struct{}{}
	if len(l.failing) < suspicious {
		return false
	}
	l.checking = true
	l.doubt <- struct{}{}
	return true
}

// Offline is since when no outlet can be reached; false while online.
func (l *Line) Offline() (since time.Time, offline bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.offline == nil {
		return time.Time{}, false
	}
	return l.offline.Since, true
}

// Unsure is why it cannot be told, for a while by now, whether the outlets or we
// are cut off; nil where it can.
func (l *Line) Unsure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.unsure
}

func (l *Line) setUnsure(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unsure = err
}

// Wait waits until the line is good; false says that ctx has ended before.
func (l *Line) Wait(ctx context.Context) bool {
	l.mu.Lock()
	online := l.online
	l.mu.Unlock()
	select {
	case <-online:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// Run looks into suspicions until ctx ends.
func (l *Line) Run(ctx context.Context) {
	for {
		select {
		case <-l.doubt:
			l.lookInto(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// lookInto settles a suspicion, however long that takes.
func (l *Line) lookInto(ctx context.Context) {
	answered, tried := l.sample(ctx)
	if ctx.Err() != nil {
		return
	}
	if answered || tried < suspicious {
		l.settle(answered)
		return
	}
	began := l.cfg.Now()
	l.goOffline(tried)
	l.announce(ctx)
	told := began
	for !answered {
		if !l.pause(ctx) {
			return
		}
		answered, _, _ = l.ask(ctx, resample) // what cannot be asked has not answered
		if now := l.cfg.Now(); !answered && now.Sub(told) >= repeatEvery {
			l.announce(ctx)
			told = now
		}
	}
	l.goOnline(ctx, l.cfg.Now().Sub(began))
}

// sample asks a sample of all outlets. Until it is known which there are, nothing
// is.
func (l *Line) sample(ctx context.Context) (answered bool, tried int) {
	began := l.cfg.Now()
	for {
		answered, tried, err := l.ask(ctx, sample)
		if err == nil || ctx.Err() != nil {
			l.setUnsure(nil)
			return answered, tried
		}
		l.logger.Warn("outlets in a row do not answer, and which others there are cannot be told", slog.Any("error", err))
		if l.cfg.Now().Sub(began) > patience {
			l.setUnsure(err)
		}
		if !l.pause(ctx) {
			return false, 0
		}
	}
}

func (l *Line) pause(ctx context.Context) bool {
	select {
	case <-time.After(redialEvery):
		return true
	case <-ctx.Done():
		return false
	}
}

// ask dials some outlets at once. It ends early with the first answer.
func (l *Line) ask(ctx context.Context, most int) (answered bool, tried int, err error) {
	addresses, err := l.cfg.Sample(ctx, most)
	if err != nil {
		return false, 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var found atomic.Bool
	var dialling sync.WaitGroup
	for _, address := range addresses {
		dialling.Go(func() {
			if l.cfg.Dial(ctx, address) {
				found.Store(true)
				cancel()
			}
		})
	}
	dialling.Wait()
	return found.Load(), len(addresses), nil
}

// settle ends a suspicion that came to nothing.
func (l *Line) settle(answered bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.checking = false
	now := l.cfg.Now()
	if !now.Before(l.downUntil) {
		clear(l.down)
	}
	maps.Copy(l.down, l.failing)
	l.downUntil = now.Add(calm)
	clear(l.failing)
	if answered {
		l.logger.Info("outlets in a row did not answer, and others do")
		return
	}
	l.logger.Info("outlets in a row did not answer, and there are too few to tell more by")
}

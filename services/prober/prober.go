// Package prober carries out the commands of the work queue: it looks at
// outlets and stores what was seen, with the verdict on it, in the log. Any
// number of probers share one pull consumer. Every command they accept ends in
// exactly one BackupObserved for each of its modes.
package prober

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"backupmonitor/events"
	"backupmonitor/services/internal/lifeline"
	"backupmonitor/services/internal/registry"
	"backupmonitor/services/prober/breaker"
	"backupmonitor/services/prober/line"
	"backupmonitor/services/prober/smb"
)

// Looker looks at the places of one outlet and returns what it saw at each, in
// their order. It returns soon after ctx ends. smb.Look, with its options, is
// one.
type Looker func(ctx context.Context, t smb.Target, r smb.Request) []smb.Result

// Config is what a deployment chooses. Zero fields have their defaults, except
// Places.
type Config struct {
	// Name is how this prober calls itself in the log, unique among probers;
	// "": host name and process id.
	Name string
	// Places says where each mode keeps its backups, and who signs in there.
	Places []smb.Place
	// SMB are the options of the looks.
	SMB smb.Options
	// Zone is TZ: which day a look is made on. nil: UTC.
	Zone *time.Location
	// Concurrency is how many outlets are looked at at once, besides those
	// that we only wait for; 0: 128.
	Concurrency int
	// ProbeTimeout bounds a look; 0: 30 s.
	ProbeTimeout time.Duration
	// Attempts is how often a look is tried that meets a fault which may pass:
	// unreachable, timeout, protocol_error. Nothing else is ever tried again,
	// a wrong password least of all. 0: 2.
	Attempts int
	// RetryDelay is the time until the next attempt, in which the worker does
	// other things; 0: 5 s.
	RetryDelay time.Duration
	// LogDelay is the time until a command is delivered again when the log
	// could not take what was seen; 0: 10 s.
	LogDelay time.Duration
	// Grace is how long running looks may go on when Run's context has ended;
	// 0: 3 s.
	Grace time.Duration
	// Now is the clock of stamps, days and deadlines; nil: time.Now.
	Now func() time.Time
	// Look replaces smb.Look.
	Look Looker
	// Reach replaces smb.Reach.
	Reach func(ctx context.Context, address string) bool
}

// ownName is unique, and tells an operator where to look.
func ownName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "prober"
	}
	return host + ":" + strconv.Itoa(os.Getpid())
}

const (
	// fetchWait is how long one request for commands waits on the server. A
	// server that restarts forgets it, and is asked again this much later.
	fetchWait = 5 * time.Second
	// faultFirst and faultMost are the pauses after a request that failed.
	faultFirst = 250 * time.Millisecond
	faultMost  = 5 * time.Second
)

// Prober is the service.
type Prober struct {
	cfg    Config
	log    *events.Log
	logger *slog.Logger
	free   chan struct{} // one token for each free worker
	quiet  chan struct{} // one token for each look that needs no worker
	line   *line.Line

	breaker *breaker.Breaker // nil where somebody else's is used
	working atomic.Int64     // workers that are at it
	trouble trouble
	holds   holds
}

// New makes a prober on a log whose streams are provisioned.
func New(cfg Config, log *events.Log, logger *slog.Logger) *Prober {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Name == "" {
		cfg.Name = ownName()
	}
	var guard *breaker.Breaker
	if cfg.SMB.Breaker == nil && log != nil {
		options := cfg.SMB
		guard = breaker.New(breaker.Config{
			Prober: cfg.Name, Now: cfg.Now,
			SignIn: func(ctx context.Context, c smb.Credential, server string) smb.Outcome {
				return smb.SignIn(ctx, options, c, server)
			},
		}, log, logger)
		cfg.SMB.Breaker = guard
	}
	cfg = cfg.withDefaults()
	p := &Prober{
		cfg: cfg, log: log, logger: logger, breaker: guard,
		free: make(chan struct{}, cfg.Concurrency), quiet: make(chan struct{}, quietPerWorker*cfg.Concurrency),
	}
	p.line = line.New(line.Config{Prober: cfg.Name, Sample: p.sample, Dial: cfg.Reach, Tell: p.tellLine, Now: cfg.Now}, logger)
	for range cfg.Concurrency {
		p.free <- struct{}{}
	}
	return p
}

func (c Config) withDefaults() Config {
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	if c.Concurrency <= 0 {
		c.Concurrency = 128
	}
	if c.ProbeTimeout <= 0 {
		c.ProbeTimeout = 30 * time.Second
	}
	if c.Attempts <= 0 {
		c.Attempts = 2
	}
	if c.RetryDelay <= 0 {
		c.RetryDelay = 5 * time.Second
	}
	if c.LogDelay <= 0 {
		c.LogDelay = 10 * time.Second
	}
	if c.Grace <= 0 {
		c.Grace = 3 * time.Second
	}
	if c.Reach == nil {
		options := c.SMB
		c.Reach = func(ctx context.Context, address string) bool { return smb.Reach(ctx, options, address) }
	}
	if c.Look == nil {
		options := c.SMB
		c.Look = func(ctx context.Context, t smb.Target, r smb.Request) []smb.Result {
			return smb.Look(ctx, options, t, r)
		}
	}
	return c
}

// Run works until ctx ends. Then it takes no more commands, gives the running
// looks their grace, hands the others back to the queue, and returns nil when
// everything it started has stopped: within the grace and two seconds, whether
// or not the log answers. An error says that the connection to the log was
// closed for good.
func (p *Prober) Run(ctx context.Context) error {
	bound, release := lifeline.Bind(ctx, p.log.JetStream().Conn())
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	p.beginBreaker(bound)
	var workers sync.WaitGroup
	workers.Go(func() { p.line.Run(bound) })
	p.take(bound, func(m jetstream.Msg, ackWait time.Duration) {
		p.working.Add(1)
		workers.Go(func() {
			w := &worker{p: p}
			defer func() { p.working.Add(-1); w.end() }()
			p.handle(work, m, ackWait, w.fallQuiet)
		})
	})
	err := release()
	if err != nil {
		cancel() // what is seen now cannot be stored
	}
	grace := time.AfterFunc(p.cfg.Grace, cancel)
	defer grace.Stop()
	workers.Wait()
	if err == nil {
		p.flush(context.WithoutCancel(ctx))
	}
	return err
}

// sample are the addresses of up to n of the outlets that full scans look at.
func (p *Prober) sample(ctx context.Context, n int) ([]string, error) {
	drawn, err := registry.Sample(ctx, p.log, n, p.cfg.Now())
	addresses := make([]string, len(drawn))
	for i, e := range drawn {
		addresses[i] = e.Address
	}
	return addresses, err
}

func (p *Prober) tellLine(ctx context.Context, e events.ProberChanged) error {
	_, _, err := p.log.Append(ctx, e)
	return err
}

// beginBreaker tells the breaker what there was before this prober. A log that
// does not answer now costs no more than the tries that a restart has.
func (p *Prober) beginBreaker(ctx context.Context) {
	if p.breaker == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lastTimeout)
	defer cancel()
	if err := p.breaker.Begin(ctx); err != nil {
		p.logger.Warn("accounts that are paused are not tried at once: the log does not answer", slog.Any("error", err))
	}
}

// starter starts the work on a command, which the queue would deliver again
// after ackWait without a sign of life.
type starter func(m jetstream.Msg, ackWait time.Duration)

// take hands commands to start, each with the token of a free worker, until
// ctx ends.
func (p *Prober) take(ctx context.Context, start starter) {
	var consumer jetstream.Consumer
	pause := faultFirst
	for {
		if !p.line.Wait(ctx) {
			return
		}
		n := p.waitFree(ctx)
		if n == 0 {
			return
		}
		started, err := p.fetch(ctx, &consumer, n, start)
		for range n - started {
			p.free <- struct{}{}
		}
		if ctx.Err() != nil {
			return
		}
		p.trouble.note(err, p.cfg.Now())
		if err == nil {
			pause = faultFirst
			continue
		}
		consumer = nil
		p.logger.Warn("cannot get commands", slog.Any("error", err), slog.Duration("again_in", pause))
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
		pause = min(2*pause, faultMost)
	}
}

// waitFree takes the tokens of all workers that are free, at least one; 0 says
// that ctx has ended.
func (p *Prober) waitFree(ctx context.Context) int {
	select {
	case <-ctx.Done():
		return 0
	case <-p.free:
	}
	n := 1
	for {
		select {
		case <-p.free:
			n++
		default:
			return n
		}
	}
}

// fetch asks for n commands and returns how many it started. What comes when
// ctx has ended already goes back at once. consumer is kept from call to call.
func (p *Prober) fetch(ctx context.Context, consumer *jetstream.Consumer, n int, start starter) (int, error) {
	wait, cancel := context.WithTimeout(ctx, fetchWait)
	defer cancel()
	if *consumer == nil {
		c, err := p.log.JetStream().Consumer(wait, events.StreamProbes, events.ConsumerProbers)
		if err != nil {
			return 0, fmt.Errorf("open the queue of commands: %w", err)
		}
		*consumer = c
	}
	batch, err := (*consumer).Fetch(n, jetstream.FetchContext(wait))
	if err != nil {
		return 0, fmt.Errorf("ask for commands: %w", err)
	}
	started := 0
	for m := range batch.Messages() {
		if ctx.Err() != nil {
			p.giveBack(m, events.GiveBackDelay, "the prober is stopping")
			continue
		}
		start(m, (*consumer).CachedInfo().Config.AckWait)
		started++
	}
	// Where there is no command the server says so, a little before wait ends.
	if err := batch.Error(); err != nil && ctx.Err() == nil {
		return started, fmt.Errorf("wait for commands: %w", err)
	}
	return started, nil
}

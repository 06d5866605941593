// Package gateway is the HTTP side of the product: the REST API, the live
// streams, and the web app. It reads the tables and the log, and writes to the
// log what users ask for.
//
// The table of routes in routes.go says what there is and who may use it;
// openapi.yaml describes it to the outside, and the tests hold each answer
// against it.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"sync"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/gateway/auth"
	"backupmonitor/services/gateway/live"
	"backupmonitor/services/gateway/scans"
	"backupmonitor/services/gateway/system"
	"backupmonitor/services/internal/capacity"
	"backupmonitor/services/internal/store"
)

// After the gateway was told to stop it ends in less than 5 s, whatever does
// not answer: requests, then those that heed nothing, then flushTimeout of the
// audit trail.
const (
	// grace is how long running requests may go on.
	grace = 3 * time.Second
	// cutGrace is how long requests that were cut off may take to notice.
	cutGrace = 500 * time.Millisecond
	// feedGrace is how long requests still have the live feed. To give its
	// reader back it waits up to 2 s for a log that does not answer, meanwhile.
	feedGrace = 2 * time.Second
)

// Config is what a deployment chooses. Fields without a remark have no
// default.
type Config struct {
	Addr          string // host:port to listen on, as :3004
	JWTSecret     []byte // at least auth.MinSecretBytes
	TokenLifetime time.Duration
	CORSOrigins   []string       // origins other than the gateway's own, as http://localhost:3000
	Zone          *time.Location // decides which day it is; nil: UTC
	AdminUserID   string         // the first Admin
	AdminPassword string         // empty: one is made up
	ScanDeadline  time.Duration  // of scans asked for here; 0: 2 h
	Probing       Probing        // of the deployment's probers
	// SyncWait is how long a re-sync waits for its looks before it answers
	// with what there is; 0: 50 s.
	SyncWait time.Duration
	// VisibleWait is how long the end of a scan waits for the tables to show
	// it; 0: 10 s.
	VisibleWait time.Duration
	// BodyTimeout is how long the body of a request may take to come; 0: 30 s.
	BodyTimeout time.Duration
	BcryptCost  int // of new passwords; 0: 12
	// Capacity measures the log; nil: the gateway does, and knows no disk.
	Capacity *capacity.Meter
	// Checks are asked by /readyz besides the gateway's own.
	Checks  []Check
	Metrics http.Handler     // at /metrics; nil: there is none
	Now     func() time.Time // nil: time.Now
}

func (c Config) withDefaults() Config {
	set := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	set(&c.ScanDeadline, 2*time.Hour)
	c.Probing = c.Probing.withDefaults()
	set(&c.SyncWait, 50*time.Second)
	set(&c.VisibleWait, 10*time.Second)
	set(&c.BodyTimeout, 30*time.Second)
	if c.BcryptCost == 0 {
		c.BcryptCost = 12
	}
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Store is what the gateway needs of a store; see store.Backend.
type Store interface {
	auth.Users
	Checkpoint(ctx context.Context) (store.Checkpoint, error)
	LatestScanDate(ctx context.Context, m events.Mode) (events.Date, error)
	Rows(ctx context.Context, q store.Query, each func(store.Row) error) error
	Summary(ctx context.Context, q store.Query) ([]store.DaySummary, error)
	ActiveOutlets(ctx context.Context) ([]store.Outlet, error)
	Ping(ctx context.Context) error
}

// Gateway serves HTTP.
type Gateway struct {
	cfg    Config
	log    *events.Log
	store  Store
	logger *slog.Logger

	auth    *auth.Auth
	audit   *auditor
	hub     *live.Hub
	scans   *scans.Tracker
	system  *system.Tracker
	app     *app
	streams *streamLimit
	checks  []*question

	listener net.Listener
	inFlight inFlight
	closing  chan struct{} // closed when streams must end
}

// New checks the configuration and returns a gateway. ui is the built web app,
// index.html at its root, or without one where it was not built.
func New(cfg Config, log *events.Log, st Store, ui fs.FS, logger *slog.Logger) (*Gateway, error) {
	cfg = cfg.withDefaults()
	tokens, err := auth.NewTokens(cfg.JWTSecret, cfg.TokenLifetime, cfg.Now)
	if err != nil {
		return nil, err
	}
	passwords, err := auth.NewPasswords(cfg.BcryptCost, runtime.GOMAXPROCS(0))
	if err != nil {
		return nil, err
	}
	app, err := newApp(ui)
	if err != nil {
		return nil, err
	}
	if cfg.Capacity == nil {
		cfg.Capacity = capacity.NewMeter(log, nil, cfg.Now)
	}
	audit := newAuditor(log, cfg.Now, logger)
	tracker, watch := scans.New(cfg.Now), system.New(cfg.Now)
	g := &Gateway{
		cfg: cfg, log: log, store: st, logger: logger, app: app, audit: audit, scans: tracker, system: watch,
		auth:    &auth.Auth{Users: st, Tokens: tokens, Passwords: passwords, Audit: audit.record, Now: cfg.Now, Logger: logger},
		hub:     live.NewHub(log, live.Folds{tracker, watch}, logger),
		streams: newStreamLimit(),
		closing: make(chan struct{}),
	}
	g.checks = g.questions()
	return g, nil
}

// Bootstrap makes the first Admin when there is no user. Whoever calls it
// shows a made-up password once.
func (g *Gateway) Bootstrap(ctx context.Context) (auth.FirstAdmin, error) {
	return g.auth.Bootstrap(ctx, g.cfg.AdminUserID, g.cfg.AdminPassword)
}

// Listen takes the address, so that a port in use is an error of the start.
func (g *Gateway) Listen(ctx context.Context) error {
	var c net.ListenConfig
	l, err := c.Listen(ctx, "tcp", g.cfg.Addr)
	if err != nil {
		return fmt.Errorf("cannot listen on %s (choose another address with HTTP_ADDR or PORT): %w", g.cfg.Addr, err)
	}
	g.listener = l
	return nil
}

// Addr is the address that the gateway listens on, nil before Listen.
func (g *Gateway) Addr() net.Addr {
	if g.listener == nil {
		return nil
	}
	return g.listener.Addr()
}

// Run serves until ctx ends, and then lets running requests end within a
// grace. It listens first where Listen was not called. It runs once.
func (g *Gateway) Run(ctx context.Context) error {
	if g.listener == nil {
		if err := g.Listen(ctx); err != nil {
			return err
		}
	}
	var background sync.WaitGroup
	feeding, stopFeed := context.WithCancel(context.WithoutCancel(ctx))
	auditing, stopAudit := context.WithCancel(context.WithoutCancel(ctx))
	background.Go(func() { g.hub.Run(feeding) })
	background.Go(func() { g.audit.run(auditing) })
	defer background.Wait()
	defer stopAudit()
	defer stopFeed()

	requests, cancelRequests := context.WithCancel(context.WithoutCancel(ctx))
	defer cancelRequests()
	server := g.server(requests)
	served := make(chan error, 1)
	go func() { served <- server.Serve(g.listener) }()
	g.logger.InfoContext(ctx, "The gateway serves.", slog.String("address", g.listener.Addr().String()))
	select {
	case err := <-served:
		close(g.closing)
		cancelRequests()
		g.awaitRequests(ctx)
		return fmt.Errorf("serve HTTP: %w", err)
	case <-ctx.Done():
	}
	close(g.closing)
	feedEnds := time.AfterFunc(feedGrace, stopFeed)
	defer feedEnds.Stop()
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := server.Shutdown(patience); err != nil {
		g.logger.WarnContext(ctx, "Requests were cut off, because they did not end in time.", slog.Any("error", err))
	}
	cancelRequests()
	err := server.Close()
	if serveErr := <-served; !errors.Is(serveErr, http.ErrServerClosed) {
		err = errors.Join(err, serveErr)
	}
	g.awaitRequests(ctx)
	if err != nil {
		return fmt.Errorf("stop serving HTTP: %w", err)
	}
	return nil
}

// awaitRequests waits for requests that were cut off, but not for ever: one
// may hang in a part that heeds no context.
func (g *Gateway) awaitRequests(ctx context.Context) {
	if n := g.inFlight.wait(cutGrace); n > 0 {
		g.logger.ErrorContext(ctx, "Requests that were cut off are still being handled.", slog.Int("count", n))
	}
}

// server has no ReadTimeout and no WriteTimeout, which would cut streams: each
// request bounds its body, and each answer every write.
func (g *Gateway) server(ctx context.Context) *http.Server {
	return &http.Server{
		Handler:           g.handler(),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(g.logger.Handler(), slog.LevelDebug),
	}
}

// inFlight counts the requests that are being handled. http.Server.Close does
// not wait for them.
type inFlight struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // made by wait, closed when none is left
}

// begin is false when no more may begin.
func (f *inFlight) begin() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.idle != nil {
		return false
	}
	f.n++
	return true
}

func (f *inFlight) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.n--; f.n == 0 && f.idle != nil {
		close(f.idle)
	}
}

// wait lets no more begin, and waits until those that have begun have ended,
// for a time. It gives how many have not. It is called once.
func (f *inFlight) wait(most time.Duration) (left int) {
	f.mu.Lock()
	f.idle = make(chan struct{})
	if f.n == 0 {
		close(f.idle)
	}
	f.mu.Unlock()
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-f.idle:
	case <-timer.C:
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n
}

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
	"backupmonitor/services/gateway/answers"
	"backupmonitor/services/gateway/audit"
	"backupmonitor/services/gateway/auth"
	"backupmonitor/services/gateway/live"
	"backupmonitor/services/gateway/peer"
	"backupmonitor/services/gateway/scans"
	"backupmonitor/services/gateway/system"
	"backupmonitor/services/gateway/throttle"
	"backupmonitor/services/gateway/users"
	"backupmonitor/services/internal/capacity"
	"backupmonitor/services/internal/descriptors"
	"backupmonitor/services/internal/recent"
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

	// maxThrottled is how many addresses, and how many accounts, are counted.
	maxThrottled = 20_000
)

// Store is what the gateway needs of a store; see store.Backend.
type Store interface {
	store.Access
	Checkpoint(ctx context.Context) (store.Checkpoint, error)
	LatestScanDate(ctx context.Context, m events.Mode, last events.Date) (events.Date, error)
	LatestScanDateAsOf(ctx context.Context, m events.Mode, seq uint64, last events.Date) (events.Date, error)
	SequenceAt(ctx context.Context, t time.Time) (uint64, error)
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

	auth      *auth.Auth
	users     *users.Directory
	audit     *audit.Trail
	addresses *throttle.Throttle // tries to sign in, by peer.Group
	accounts  *throttle.Throttle // likewise, by user id, known or not
	proxies   peer.Trust
	hub       *live.Hub
	scans     *scans.Tracker
	system    *system.Tracker
	app       *app
	streams   *streamLimit
	lists     *turns // for each caller
	parts     *turns // of long lists, for all
	replays   *turns
	uploads   *turns
	allowed   *allowed
	kept      *answers.Cache[store.Query, encodedStats]
	codes     *answers.Cache[struct{}, []string] // of the active outlets
	checks    []*question
	ready     *recent.Value[[]checkBody]
	room      *recent.Value[*room]
	noting    sync.Map // ids of the API tokens whose use is being noted

	judging  chan struct{} // held by the one preview that is being made
	listener net.Listener
	inFlight inFlight
	began    time.Time
	closing  chan struct{} // closed when streams must end
}

// New checks the configuration and returns a gateway. ui is the built web app,
// index.html at its root, or without one where it was not built.
func New(cfg Config, log *events.Log, st Store, ui fs.FS, logger *slog.Logger) (*Gateway, error) {
	cfg = cfg.withDefaults()
	tokens, err := auth.NewTokens(cfg.JWTSecret, cfg.JWTSecretPrevious, cfg.TokenLifetime, cfg.Now)
	if err != nil {
		return nil, err
	}
	proxies, err := peer.ParseTrust(cfg.TrustedProxies)
	if err != nil {
		return nil, fmt.Errorf("TRUSTED_PROXIES: %w", err)
	}
	passwords, err := auth.NewPasswords(cfg.BcryptCost, runtime.GOMAXPROCS(0)-1) // one core is for everybody else
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
	trail := audit.New(log, st, cfg.Now, logger)
	tracker, watch := scans.New(cfg.Now), system.New(cfg.Now)
	g := &Gateway{
		cfg: cfg, log: log, store: st, logger: logger, app: app, audit: trail, scans: tracker, system: watch, proxies: proxies, began: cfg.Now(),
		auth: &auth.Auth{
			Users: st, Tokens: tokens, Passwords: passwords, Trail: trail, Step: cfg.RefusalStep, Now: cfg.Now, Logger: logger,
		},
		users:     &users.Directory{Store: st, Trail: trail},
		addresses: throttle.New(cfg.AddressLimit, maxThrottled, cfg.Now),
		accounts:  throttle.New(cfg.AccountLimit, maxThrottled, cfg.Now),
		hub:       live.NewHub(log, live.Folds{tracker, watch}, logger),
		streams:   newStreamLimit(),
		lists:     ownLists(),
		parts:     partsOfLongLists(),
		replays:   ownReplays(),
		uploads:   ownUploads(),
		kept:      answers.New[store.Query, encodedStats](keptMost, time.Now),
		codes:     answers.New[struct{}, []string](1, time.Now),
		judging:   make(chan struct{}, 1),
		closing:   make(chan struct{}),
	}
	g.allowed = newAllowed(g.auth.Still)
	g.checks = g.questions()
	g.ready = recent.New(readyFor, g.checkAll)
	g.room = recent.New(roomFor, g.readRoom)
	return g, nil
}

// Users manages the users, for the command line.
func (g *Gateway) Users() *users.Directory { return g.users }

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
	background.Go(func() { g.audit.Run(auditing) })
	defer background.Wait()
	defer stopAudit()
	defer stopFeed()

	requests, cancelRequests := context.WithCancel(context.WithoutCancel(ctx))
	defer cancelRequests()
	server, err := g.server(requests)
	if err != nil {
		return errors.Join(err, g.listener.Close())
	}
	served := make(chan error, 1)
	go func() {
		served <- serve(server, newLimitedListener(g.listener, connectionLimit(descriptors.Allowed()), g.proxies, g.cfg.Refused, g.logger))
	}()
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
	err = server.Close()
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

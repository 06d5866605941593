package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"backupmonitor/events"
	"backupmonitor/services/cmd/backup-monitor/instance"
	"backupmonitor/services/cmd/backup-monitor/restore"
	"backupmonitor/services/internal/capacity"
	"backupmonitor/services/internal/certificate"
	"backupmonitor/services/internal/config"
)

// pipeline is everything that runs on one data directory.
type pipeline struct {
	app    *app
	logger *slog.Logger

	dir   *instance.Dir
	nats  *instance.NATS
	store rebuildable
	conns []*nats.Conn
	own   *events.Log // the program's, besides those of its services
	meter *capacity.Meter

	archiving sync.RWMutex // written while the log is archived, read while it is folded

	cancel   context.CancelCauseFunc
	services sync.WaitGroup
	mu       sync.Mutex
	failures []error
}

// openPipeline locks the data directory and opens log and database; nothing
// runs yet. Whoever gets a pipeline closes it.
func openPipeline(ctx context.Context, a *app, logger *slog.Logger) (*pipeline, error) {
	if a.config.NATSURL != "" {
		return nil, errors.New("NATS_URL is set, but `up` embeds NATS: remove it, or run `backup-monitor scheduler`, `prober`, `projector` and `gateway`")
	}
	p := &pipeline{app: a, logger: logger, cancel: func(error) {}}
	if err := p.open(ctx); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

func (p *pipeline) open(ctx context.Context) (err error) {
	c := p.app.config
	if p.dir, err = instance.Open(c.DataDir); err != nil {
		return err
	}
	if err := restore.Tidy(c.Archives()); err != nil {
		return err
	}
	if p.store, err = p.app.openStore(ctx, p.dir); err != nil {
		return err
	}
	if err := p.startNATS(c); err != nil {
		return err
	}
	if p.own, err = p.log("backup-monitor"); err != nil {
		return err
	}
	p.meter = capacity.NewMeter(p.own, func() (capacity.Disk, error) { return capacity.MeasureDisk(p.dir.Log(), p.dir.Database()) }, time.Now)
	return p.keeping("provision", func(js jetstream.JetStream) error {
		return events.Provision(ctx, js, events.Limits{EventsMaxBytes: int64(c.EventsMaxBytes), Replicas: 1})
	})
}

// startNATS listens to other machines with the certificate of the page, where it
// has one.
func (p *pipeline) startNATS(c *config.Config) (err error) {
	o := instance.NATSOptions{Listen: c.NATSListen, Log: p.logger}
	switch {
	case c.NATSListen == "":
	case c.TLSCert != "":
		if o.TLS, err = certificate.TLS(c.TLSCert, c.TLSKey, time.Now, p.logger); err != nil {
			return fmt.Errorf("TLS_CERT, TLS_KEY: %w", err)
		}
	case !loopback(c.NATSListen):
		p.logger.Warn("NATS_LISTEN is heard by other machines, and nothing on the way is encrypted, passwords neither: set TLS_CERT and TLS_KEY, and tls:// in the NATS_URL of the others",
			slog.String("address", c.NATSListen))
	}
	p.nats, err = p.dir.StartNATS(o)
	return err
}

// loopback tells whether only this machine hears at a host:port.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip, perr := netip.ParseAddr(host)
	return err == nil && (host == "localhost" || perr == nil && ip.IsLoopback())
}

// log connects one service to the log, under its own name.
func (p *pipeline) log(service string) (*events.Log, error) {
	nc, err := p.nats.Connect(service, nats.ErrorHandler(natsErrors(p.logger)))
	if err != nil {
		return nil, err
	}
	p.conns = append(p.conns, nc)
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	return events.NewLog(js, service), nil
}

// keeping works for as long as f takes, with the right to change the streams.
func (p *pipeline) keeping(name string, f func(jetstream.JetStream) error) error {
	nc, err := p.nats.ConnectKeeper(name, nats.ErrorHandler(natsErrors(p.logger)))
	if err != nil {
		return err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return errors.Join(fmt.Errorf("open JetStream: %w", err), closeConn(nc))
	}
	return errors.Join(f(js), closeConn(nc))
}

// hearing works for as long as f takes, where other processes reach it.
func (p *pipeline) hearing(name string, f func(*nats.Conn) error) error {
	nc, err := p.nats.ConnectControl(name, nats.ErrorHandler(natsErrors(p.logger)))
	if err != nil {
		return err
	}
	return errors.Join(f(nc), closeConn(nc))
}

// natsErrors logs what NATS reports outside of any call, such as a permission
// that is missing.
func natsErrors(logger *slog.Logger) nats.ErrHandler {
	return func(_ *nats.Conn, _ *nats.Subscription, err error) {
		logger.Warn("nats", slog.Any("error", err))
	}
}

// service is a part of the pipeline that runs until its context ends.
type service struct {
	name string
	run  func(context.Context) error
	// lone: that it fails ends nothing else; health tells it.
	lone bool
}

// start runs the services that look and keep, and waits until a scan would find
// the outlets of OUTLETS_FILE. The context it returns ends with ctx, or when a
// service has failed.
func (p *pipeline) start(ctx context.Context, b backEnd) context.Context {
	ctx, p.cancel = context.WithCancelCause(ctx)
	p.run(ctx, service{name: "scheduler", run: b.scheduler.Run}, service{name: "prober", run: b.prober.Run},
		service{name: "projector", run: b.projector.Run, lone: true})
	select {
	case <-b.scheduler.Ready():
	case <-ctx.Done():
	}
	return ctx
}

// run runs services beside those that run already. The first that fails stops
// all, unless it is a lone one.
func (p *pipeline) run(ctx context.Context, services ...service) {
	for _, s := range services {
		p.services.Go(func() {
			err := s.run(ctx)
			if err == nil {
				return
			}
			err = fmt.Errorf("%s: %w", s.name, err)
			p.logger.Error("a service failed", slog.String("service", s.name), slog.Any("error", err))
			if s.lone {
				return
			}
			p.mu.Lock()
			p.failures = append(p.failures, err)
			p.mu.Unlock()
			p.cancel(err)
		})
	}
}

// close stops the services, waits for them, and gives everything back, in the
// reverse order of opening.
func (p *pipeline) close() error {
	p.cancel(nil)
	p.services.Wait()
	errs := p.failures
	for _, nc := range p.conns {
		errs = append(errs, closeConn(nc))
	}
	if p.nats != nil {
		errs = append(errs, p.nats.Close())
	}
	if p.store != nil {
		errs = append(errs, p.store.Close())
	}
	if p.dir != nil {
		errs = append(errs, p.dir.Close())
	}
	return errors.Join(errs...)
}

// closeConn waits until the client's goroutines are gone.
func closeConn(nc *nats.Conn) error {
	closed := make(chan struct{})
	nc.SetClosedHandler(func(*nats.Conn) { close(closed) })
	nc.Close()
	select {
	case <-closed:
		return nil
	case <-time.After(5 * time.Second):
		return errors.New("the connection to NATS did not close in 5 s")
	}
}

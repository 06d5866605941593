package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"backupmonitor/events"
	"backupmonitor/services/cmd/backup-monitor/instance"
	"backupmonitor/services/gateway"
	"backupmonitor/services/internal/capacity"
	"backupmonitor/services/internal/ops"
	"backupmonitor/services/prober"
	"backupmonitor/services/projector"
	"backupmonitor/services/scheduler"
	"backupmonitor/ui"
)

// defaultDemo is how many outlets --demo simulates where no number is given.
const defaultDemo = 1000

func (a *app) upCommand() *cobra.Command {
	var demo int
	c := &cobra.Command{
		Use:   "up",
		Short: "Run everything in one process",
		Long: `Runs scheduler, prober, projector and gateway in one process, with an embedded
NATS server and SQLite, all kept in DATA_DIR. The page is at HTTP_ADDR.

With --demo it looks at simulated outlets on loopback instead of real ones, on a
data directory of its own (DATA_DIR/demo).

Ctrl-C stops it in good order; a second Ctrl-C at once. Nothing is lost either
way: a scan under way goes on at the next start.`,
		Example: `  backup-monitor up --demo=200
  OUTLETS_FILE=outlets.csv backup-monitor up`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("demo") {
				return a.demo(cmd.Context(), demo)
			}
			return a.up(cmd.Context(), nil)
		},
	}
	c.Flags().IntVar(&demo, "demo", 0, "look at this many simulated outlets")
	c.Flags().Lookup("demo").NoOptDefVal = fmt.Sprint(defaultDemo)
	return c
}

// up runs until ctx ends. note is shown with the address of the page.
func (a *app) up(ctx context.Context, note []string) error {
	return a.withLogger(func(logger *slog.Logger) error { return a.runUp(ctx, logger, note) })
}

// withLogger runs f with the log of a service.
func (a *app) withLogger(f func(*slog.Logger) error) error {
	level, err := a.level()
	if err != nil {
		return err
	}
	logger, logs, err := ops.NewLogger(ops.LogOptions{
		Console: a.stderr, JSON: !a.terminal, Level: level, Dir: a.config.LogDir, Zone: a.config.Zone(), Now: time.Now,
	})
	if err != nil {
		return err
	}
	a.warnAboutSettings(logger)
	return errors.Join(f(logger), logs.Close())
}

func (a *app) runUp(ctx context.Context, logger *slog.Logger, note []string) (err error) {
	p, err := openPipeline(ctx, a, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	back, err := p.backEnd(a.schedulerConfig())
	if err != nil {
		return err
	}
	g, err := p.gateway(back)
	if err != nil {
		return err
	}
	if err := g.Listen(ctx); err != nil {
		return err
	}
	running := p.start(ctx, back)
	if running.Err() != nil {
		return nil // the failure that ended it is returned when the pipeline closes
	}
	p.run(running, service{name: "control", run: p.serveControl})
	a.warnAboutFirstState(running, p.own, p.logger)
	// Last of all: a password made up here is shown once, so nothing that may
	// fail comes between.
	later, err := a.welcome(running, g, p.store, logger, note)
	if err != nil {
		return err
	}
	p.run(running, service{name: "gateway", run: g.Run}, service{name: "event log", run: p.watchLog}, service{name: "first Admin", run: later},
		service{name: "users", run: func(ctx context.Context) error { return p.serveUsers(ctx, g) }})
	<-running.Done()
	return nil
}

// backEnd is the services that look and keep, without the gateway.
type backEnd struct {
	scheduler *scheduler.Scheduler
	prober    *prober.Prober
	projector *projector.Projector
}

func (p *pipeline) backEnd(config scheduler.Config) (b backEnd, err error) {
	logs := map[string]*events.Log{}
	for _, name := range []string{"scheduler", "prober", "projector"} {
		if logs[name], err = p.log(name); err != nil {
			return b, err
		}
	}
	return backEnd{
		scheduler: scheduler.New(config, logs["scheduler"], p.logger),
		prober:    prober.New(p.app.proberConfig(), logs["prober"], p.logger),
		projector: projector.New(p.app.projectorConfig(), logs["projector"], p.store, p.logger),
	}, nil
}

func (a *app) schedulerConfig() scheduler.Config {
	c := a.config
	return scheduler.Config{
		Zone: c.Zone(), OutletsFile: c.OutletsFile, Deadline: c.ScanDeadline, ProbeTimeout: c.ProbeTimeout,
		Settings: events.SettingsChanged{Schedule: c.Schedule(), Policy: c.Policy()},
	}
}

func (p *pipeline) gateway(back backEnd) (*gateway.Gateway, error) {
	c := p.app.config
	log, err := p.log("gateway")
	if err != nil {
		return nil, err
	}
	secret := c.JWTSecretKey
	if secret == "" {
		if secret, err = p.dir.Secret(instance.SecretJWT); err != nil {
			return nil, err
		}
	}
	return gateway.New(p.app.gatewayConfig(secret, p.meter, newExporter(p.own, p.store, p.meter, c.Zone(), p.logger),
		gateway.Check{Name: "nats", Run: p.nats.Check},
		gateway.Check{Name: "scheduler", Run: back.scheduler.Check},
		gateway.Check{Name: "prober", Run: back.prober.Check},
		gateway.Check{Name: "projector", Run: back.projector.Check},
		quarantineCheck(p.store, p.own),
	), log, p.store, ui.Files(), p.logger)
}

func (a *app) gatewayConfig(secret string, meter *capacity.Meter, metrics *exporter, checks ...gateway.Check) gateway.Config {
	c := a.config
	return gateway.Config{
		Addr: c.HTTPAddr, JWTSecret: []byte(secret), JWTSecretPrevious: []byte(c.JWTSecretKeyPrevious),
		TLSCert: c.TLSCert, TLSKey: c.TLSKey, TrustedProxies: c.TrustedProxies, ScanPublic: c.ScanPublic,
		TokenLifetime: time.Duration(c.JWTExpirationHours) * time.Hour,
		CORSOrigins:   c.CORSOrigins, Zone: c.Zone(), AdminUserID: c.AdminUserID, AdminPassword: c.AdminPassword,
		ScanDeadline: c.ScanDeadline, Archives: c.Archives(), Capacity: meter, Checks: checks,
		Metrics: metrics, Refused: func(b gateway.Bound) { metrics.refused.WithLabelValues(string(b)).Inc() },
		Probing: gateway.Probing{Concurrency: c.ProbeConcurrency, Attempts: c.ProbeAttempts, Timeout: c.ProbeTimeout},
	}
}

// banner tells where everything is. A made-up password is shown here and
// nowhere else.
func (a *app) banner(addr net.Addr, userID, password string, note []string) error {
	host, scheme := addr.String(), "http://"
	if a.config.TLSCert != "" {
		scheme = "https://"
	}
	if t, ok := addr.(*net.TCPAddr); ok && t.IP.IsUnspecified() {
		host = net.JoinHostPort("localhost", fmt.Sprint(t.Port))
	}
	lines := []string{"", "  Page  " + scheme + host + "/backup-monitor", "  API   " + scheme + host + "/api/v1"}
	lines = append(append(append(lines, firstAdmin(userID, password)...), note...), "", "  Ctrl-C stops it.", "", "")
	_, err := fmt.Fprint(a.stdout, strings.Join(lines, "\n"))
	return err
}

// firstAdmin shows a password that was made up, and nothing of one that was
// chosen.
func firstAdmin(userID, password string) []string {
	if password == "" {
		return nil
	}
	return []string{"", "  The first Admin was made. This password is not shown again:", "  User  " + userID, "  Password  " + password}
}

// warnAboutSettings tells of what is not wrong and probably not meant. In a
// container the machine's zone is nobody's choice, and it decides which day a
// look belongs to.
func (a *app) warnAboutSettings(logger *slog.Logger) {
	if _, err := os.Stat("/.dockerenv"); a.config.TZ == "" && (err == nil || cmp.Or(os.Getenv("container"), os.Getenv("KUBERNETES_SERVICE_HOST")) != "") {
		logger.Warn("TZ is not set: days begin and end as the container's clock says, probably UTC; set TZ, as Europe/Berlin")
	}
	if a.config.ScanPublic {
		logger.Warn("SCAN_PUBLIC is set: whoever reaches this address may start scans and see the codes of outlets")
	}
	for _, network := range a.config.TrustedProxies {
		if p, err := netip.ParsePrefix(network); err == nil && p.Addr().BitLen()-p.Bits() > proxyBits {
			logger.Warn("TRUSTED_PROXIES names a wide network: whoever is in it may pass for any address; name the proxies' own", slog.String("network", network))
		}
	}
	if a.config.User == "" || a.config.SMBUser == "" {
		logger.Warn(noAccount)
	}
}

// proxyBits is the greatest network that may be one of proxies alone, in bits that
// its addresses differ in.
const proxyBits = 8

// noAccount is what looks will fail with where nobody is to sign in.
const noAccount = "USER or SMB_USER is not set: no outlet will let us sign in; set USER and PASS together"

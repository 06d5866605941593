package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"backupmonitor/events"
	"backupmonitor/services/cmd/backup-monitor/instance"
	"backupmonitor/services/prober"
	"backupmonitor/services/scheduler"
)

// withLog runs f on the log of the `up` that runs on DATA_DIR, or of NATS_URL.
// Without either it takes the data directory itself for as long as f takes; no
// service runs then, so nothing happens but what f does.
func (a *app) withLog(ctx context.Context, f func(context.Context, *events.Log) error) error {
	return a.onLog(ctx, f, func(ctx context.Context, p *pipeline) error { return f(ctx, p.own) })
}

// withServices is withLog, except that without a running instance everything
// but the gateway and the schedule runs for as long as f takes.
func (a *app) withServices(ctx context.Context, f func(context.Context, *events.Log) error) error {
	return a.onLog(ctx, f, func(ctx context.Context, p *pipeline) error {
		config := a.schedulerConfig()
		config.NoSchedule = true
		back, err := p.backEnd(config)
		if err != nil {
			return err
		}
		running := p.start(ctx, back)
		if running.Err() != nil {
			return nil // the failure that ended it is returned when the pipeline closes
		}
		return f(running, p.own)
	})
}

// onLog runs outside on the log of a running instance, or else inside on the
// data directory itself.
func (a *app) onLog(
	ctx context.Context, outside func(context.Context, *events.Log) error, inside func(context.Context, *pipeline) error,
) (err error) {
	level, err := a.level()
	if err != nil {
		return err
	}
	// What the command says is the answer; of the services only trouble is
	// worth a line.
	logger := slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: max(level, slog.LevelWarn)}))
	nc, err := a.connect("command-line", logger)
	if errors.Is(err, instance.ErrNotRunning) {
		p, err := openPipeline(ctx, a, logger)
		if err != nil {
			return err
		}
		return errors.Join(inside(ctx, p), p.close())
	}
	if err != nil {
		return err
	}
	js, err := jetstream.New(nc)
	if err == nil {
		err = outside(ctx, events.NewLog(js, "command-line"))
	}
	return errors.Join(err, closeConn(nc))
}

// connect reaches the log from outside. Errors: instance.ErrNotRunning.
func (a *app) connect(name string, logger *slog.Logger) (*nats.Conn, error) {
	trouble := nats.ErrorHandler(natsErrors(logger))
	if a.config.NATSURL == "" {
		return instance.Find(a.config.DataDir, name, trouble)
	}
	nc, err := dial(a.config.NATSURL, append(events.ConnectOptions(name), trouble)...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS_URL: %w", err)
	}
	return nc, nil
}

// serviceCommands are the services that run on their own against a NATS
// cluster.
func (a *app) serviceCommands() []*cobra.Command {
	const long = `

It needs NATS_URL. Any number may run, on any number of machines.`
	return []*cobra.Command{
		{
			Use:   "scheduler",
			Short: "Run one scheduler against NATS_URL",
			Long:  "Turns requested scans into commands for the probers and starts the scans of the schedule." + long,
			Args:  cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return a.runService(cmd.Context(), "scheduler", func(ctx context.Context, log *events.Log, logger *slog.Logger) error {
					return scheduler.New(a.schedulerConfig(), log, logger).Run(ctx)
				})
			},
		},
		{
			Use:   "prober",
			Short: "Run one prober against NATS_URL",
			Long: `Looks at outlets, one after another with each of its PROBE_CONCURRENCY workers.
To join an "up" on another machine, which listens on NATS_LISTEN, set
NATS_URL=nats://prober:PASSWORD@HOST:PORT, with the password in its
DATA_DIR/nats-prober-password. Guard it: see README. Where that "up" has TLS_CERT
the connection is encrypted; tls:// refuses any other. SSL_CERT_FILE in the
environment names an authority that the system does not trust.` + long,
			Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return a.runService(cmd.Context(), events.ServiceProber, func(ctx context.Context, log *events.Log, logger *slog.Logger) error {
					return prober.New(a.proberConfig(), log, logger).Run(ctx)
				})
			},
		},
		{
			Use:   "projector",
			Short: "Run one projector against NATS_URL and DB_SERVER",
			Long: `Writes the tables from the log, makes and migrates them, and enters what a
database of the original system holds into the log.` + long + " One of them writes, the others stand by.",
			Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return a.runService(cmd.Context(), "projector", a.runProjector)
			},
		},
		{
			Use:   "gateway",
			Short: "Run one gateway against NATS_URL and DB_SERVER",
			Long: `Serves the page and the API at HTTP_ADDR. Its sign-in to the database needs to
read the tables and to write UserManager only: deploy/sqlserver/grants.sql.
All gateways of an installation need the same JWT_SECRET_KEY.` + long,
			Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return a.runService(cmd.Context(), "gateway", a.runGateway)
			},
		},
	}
}

// runService runs one service on NATS_URL until ctx ends.
func (a *app) runService(ctx context.Context, name string, run func(context.Context, *events.Log, *slog.Logger) error) error {
	if a.config.NATSURL == "" {
		return fmt.Errorf("NATS_URL is not set: a %s on its own works for a backup-monitor elsewhere (to run everything here: backup-monitor up)", name)
	}
	return a.withLogger(func(logger *slog.Logger) error {
		nc, err := a.connect(name, logger)
		if err != nil {
			return err
		}
		js, err := jetstream.New(nc)
		if err == nil {
			err = runOnLog(ctx, events.NewLog(js, name), logger, run)
		}
		return errors.Join(err, closeConn(nc))
	})
}

// runOnLog refuses a server that has no log yet: a service that made one by
// itself would choose its size and replicas by accident.
func runOnLog(ctx context.Context, log *events.Log, logger *slog.Logger, run func(context.Context, *events.Log, *slog.Logger) error) error {
	if _, err := log.Identity(ctx); err != nil {
		return fmt.Errorf("NATS_URL has no event log; point it at an `up` that listens (NATS_LISTEN): %w", err)
	}
	logger.Info("running", slog.String("version", buildVersion()))
	return run(ctx, log, logger)
}

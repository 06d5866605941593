package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/cmd/backup-monitor/instance"
	"backupmonitor/services/gateway"
	"backupmonitor/services/internal/capacity"
	"backupmonitor/services/internal/control"
	"backupmonitor/services/internal/store"
	"backupmonitor/services/internal/store/sqlite"
	"backupmonitor/services/internal/store/sqlserver"
	"backupmonitor/services/projector"
	"backupmonitor/ui"
)

// openStore opens the database of DB_SERVER, or that of the data directory. A
// server that is away is waited for: its tables are the projector's work. A
// file that is damaged is not.
func (a *app) openStore(ctx context.Context, dir *instance.Dir) (rebuildable, error) {
	if a.config.DBServer != "" {
		db, err := a.openSQLServer()
		if err != nil {
			return nil, err
		}
		r, err := rebuilder(ctx, db, dir)
		if err != nil {
			return nil, errors.Join(err, db.Close())
		}
		return r, nil
	}
	db, err := sqlite.Open(ctx, dir.Database())
	if err != nil {
		return nil, err
	}
	err = db.Migrate(ctx)
	if err == nil {
		err = db.Unstage(ctx) // nobody else is at work in our data directory
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// rebuilder folds the log anew in the directory, which must be locked.
func rebuilder(ctx context.Context, db *sqlserver.Store, dir *instance.Dir) (*sqlserver.Rebuilder, error) {
	r := db.Rebuilder(sqlite.NewStager(dir.Staging()))
	return r, r.Unstage(ctx)
}

func (a *app) openSQLServer() (*sqlserver.Store, error) {
	c := a.config
	return sqlserver.Open(sqlserver.Options{
		Server: c.DBServer, Database: c.DBDatabase, Username: c.DBUsername, Password: c.DBPassword, Encrypt: c.DBEncrypt,
		Certificate: c.DBCertificate, HostNameInCertificate: c.DBHostNameInCertificate,
	})
}

func (a *app) projectorConfig() projector.Config {
	return projector.Config{LegacyZone: a.config.LegacyZone(), Archives: a.config.Archives()}
}

// errNoDatabase is why a service that needs the tables does not run on its own
// without DB_SERVER: a SQLite file belongs to one process.
var errNoDatabase = errors.New("DB_SERVER is not set: on its own this service needs the SQL Server that all services share")

func (a *app) runProjector(ctx context.Context, log *events.Log, logger *slog.Logger) error {
	if a.config.DBServer == "" {
		return errNoDatabase
	}
	db, err := a.openSQLServer()
	if err != nil {
		return err
	}
	p := projector.New(a.projectorConfig(), log, db, logger)
	err = together(ctx, p.Run, func(ctx context.Context) error { return a.mendFor(ctx, log, db, logger) })
	return errors.Join(err, db.Close())
}

// mendPause is the time between two tries to get a directory for mending.
const mendPause = 10 * time.Second

// mendFor does for commands what works on the tables and the log together,
// until ctx ends. Of several projectors any may do it; of those that share a data
// directory one at a time. Without a directory the tables are projected all the
// same.
func (a *app) mendFor(ctx context.Context, log *events.Log, db *sqlserver.Store, logger *slog.Logger) error {
	for told := false; ctx.Err() == nil; told = true {
		err := a.mend(ctx, log, db, logger)
		switch {
		case ctx.Err() != nil:
			return err
		case told:
		case errors.Is(err, instance.ErrInUse):
			logger.Info("another projector here takes rebuild, fsck and quarantine", slog.String("data_dir", a.config.DataDir))
		case err != nil:
			logger.Error("rebuild, fsck and quarantine are not taken: DATA_DIR must be a directory to write in", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(mendPause):
		}
	}
	return nil
}

func (a *app) mend(ctx context.Context, log *events.Log, db *sqlserver.Store, logger *slog.Logger) error {
	dir, err := instance.Open(filepath.Join(a.config.DataDir, "projector"))
	if err != nil {
		return err
	}
	r, err := rebuilder(ctx, db, dir)
	if err == nil {
		m := mending{app: a, store: r, log: log, archiving: &sync.RWMutex{}}
		err = control.Serve(ctx, log.JetStream().Conn(), control.Timing{}, logger, m.operations())
	}
	return errors.Join(err, dir.Close())
}

func (a *app) runGateway(ctx context.Context, log *events.Log, logger *slog.Logger) error {
	switch {
	case a.config.DBServer == "":
		return errNoDatabase
	case a.config.JWTSecretKey == "":
		return errors.New("JWT_SECRET_KEY is not set: every gateway of an installation needs the same")
	}
	db, err := a.openSQLServer()
	if err != nil {
		return err
	}
	return errors.Join(a.serve(ctx, log, db, logger), db.Close())
}

func (a *app) serve(ctx context.Context, log *events.Log, db store.Backend, logger *slog.Logger) error {
	meter := capacity.NewMeter(log, nil, time.Now)
	c := a.gatewayConfig(a.config.JWTSecretKey, meter, newExporter(log, db, meter, a.config.Zone(), logger), quarantineCheck(db, log))
	g, err := gateway.New(c, log, db, ui.Files(), logger)
	if err != nil {
		return err
	}
	if err := g.Listen(ctx); err != nil {
		return err
	}
	later, err := a.welcome(ctx, g, db, logger, nil)
	if err != nil {
		return err
	}
	return together(ctx, g.Run, later, func(ctx context.Context) error { return g.Users().Serve(ctx, log.JetStream().Conn(), logger) })
}

// together runs services until ctx ends or one of them fails, and returns when
// all have ended.
func together(ctx context.Context, services ...func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, len(services))
	for _, run := range services {
		go func() { ended <- run(ctx) }()
	}
	var errs []error
	for range services {
		err := <-ended
		if err != nil {
			cancel()
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

const (
	// tablesPatience is how long a start waits for the tables before it goes on
	// without them.
	tablesPatience = 5 * time.Second
	tablesPause    = 250 * time.Millisecond
	tablesTimeout  = 10 * time.Second // of one try
)

// welcome makes the first Admin and tells where everything is. Where the
// database is away, the returned function makes the Admin once it is back, and
// tells of the password then.
func (a *app) welcome(
	ctx context.Context, g *gateway.Gateway, db store.Backend, logger *slog.Logger, note []string,
) (later func(context.Context) error, err error) {
	soon, cancel := context.WithTimeout(ctx, tablesPatience)
	defer cancel()
	err = awaitTables(soon, db)
	if soon.Err() == nil && err == nil {
		first, err := g.Bootstrap(ctx)
		if err != nil {
			return nil, err
		}
		return func(context.Context) error { return nil }, a.banner(g.Addr(), first.UserID, first.Password, note)
	}
	logger.Warn("the database is not there yet: scans go on, the log keeps what they find", slog.Any("error", err))
	return func(ctx context.Context) error { return a.bootstrapLater(ctx, g, db, logger) }, a.banner(g.Addr(), "", "", note)
}

// awaitTables waits until the database answers with this version's tables, and
// returns what it said last where ctx ends before.
func awaitTables(ctx context.Context, db store.Backend) error {
	for {
		err := db.Ping(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(tablesPause):
		}
	}
}

func (a *app) bootstrapLater(ctx context.Context, g *gateway.Gateway, db store.Backend, logger *slog.Logger) error {
	for {
		if err := awaitTables(ctx, db); err != nil {
			return nil // ctx has ended
		}
		try, cancel := context.WithTimeout(ctx, tablesTimeout)
		first, err := g.Bootstrap(try)
		cancel()
		if err == nil {
			if lines := firstAdmin(first.UserID, first.Password); lines != nil {
				_, err = fmt.Fprint(a.stdout, strings.Join(append(lines, "", ""), "\n"))
			}
			return err
		}
		logger.Warn("the first Admin cannot be made yet", slog.Any("error", err))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(tablesTimeout):
		}
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/schollz/progressbar/v3"

	"backupmonitor/events"
	"backupmonitor/services/cmd/backup-monitor/instance"
	"backupmonitor/services/internal/control"
	"backupmonitor/services/internal/logfile"
	"backupmonitor/services/internal/store"
	"backupmonitor/services/projector/rebuild"
)

// Names of what a running instance does for a command.
const (
	opRebuild           = "rebuild"
	opCheck             = "fsck"
	opQuarantineList    = "quarantine.list"
	opQuarantineShow    = "quarantine.show"
	opQuarantineRetry   = "quarantine.retry"
	opQuarantineDismiss = "quarantine.dismiss"
	opUsers             = "backup.users"
	opArchive           = "archive"
	opArchivePlan       = "archive.plan"
)

// rebuildable is what the commands need of a back end.
type rebuildable interface {
	store.Backend
	store.Rebuilder
}

// mending is what works on the tables and the log together: whoever projects
// does it, for itself or for a command.
type mending struct {
	app   *app
	store rebuildable
	log   *events.Log
	// archiving is held by whoever archives the log; where another process
	// does, what is read of it comes from its archives, as soon as they are
	// here.
	archiving *sync.RWMutex
}

// whole folds the whole log, and keeps it from being archived meanwhile.
func (m *mending) whole(fold func(rebuild.Log) error) error {
	if !m.archiving.TryRLock() {
		return errors.New("the log is being archived: run this again when that has ended")
	}
	defer m.archiving.RUnlock()
	return fold(m.app.wholeLog(m.log))
}

func (m *mending) operations() map[string]control.Handler {
	return map[string]control.Handler{
		opRebuild:           control.Of(m.rebuild),
		opCheck:             control.Of(m.check),
		opQuarantineList:    control.Of(m.listQuarantine),
		opQuarantineShow:    control.Of(m.showQuarantine),
		opQuarantineRetry:   control.Of(m.retryQuarantine),
		opQuarantineDismiss: control.Of(m.dismiss),
	}
}

// operations are mending, and what only who has the data directory can do.
func (p *pipeline) operations() map[string]control.Handler {
	all := (&mending{app: p.app, store: p.store, log: p.own, archiving: &p.archiving}).operations()
	maps.Copy(all, map[string]control.Handler{
		opUsers:       control.Of(p.exportUsers),
		opArchive:     control.Of(p.archive),
		opArchivePlan: control.Of(p.planArchive),
	})
	return all
}

// serveControl does operations for commands until ctx ends.
func (p *pipeline) serveControl(ctx context.Context) error {
	return p.hearing("control", func(nc *nats.Conn) error {
		return control.Serve(ctx, nc, control.Timing{}, p.logger, p.operations())
	})
}

// wholeLog is the log that tables are made from, with what was archived of it,
// from its first event on.
func (a *app) wholeLog(log *events.Log) rebuild.Log {
	return logfile.Whole{Log: log, Archives: a.config.Archives()}
}

// operate has the running instance do an operation, or does it on the data
// directory itself where none is running.
func (a *app) operate(ctx context.Context, operation string, request, reply any) error {
	bar := &progressView{app: a}
	defer bar.close()
	level, err := a.level()
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: max(level, slog.LevelWarn)}))
	nc, err := a.connect("command-line", logger)
	if errors.Is(err, instance.ErrNotRunning) {
		p, err := openPipeline(ctx, a, logger)
		if err != nil {
			return err
		}
		return errors.Join(control.Do(ctx, p.operations()[operation], request, reply, bar.show), p.close())
	}
	if err != nil {
		return err
	}
	err = control.Call(ctx, nc, control.Timing{}, operation, request, reply, bar.show)
	return errors.Join(err, closeConn(nc))
}

// progressOf hands a rebuild's progress on.
func progressOf(to func(control.Progress)) rebuild.Progress {
	return func(what string, done, total uint64) { to(control.Progress{What: what, Done: done, Total: total}) }
}

// progressView draws how far a piece of work is, a bar for each of its parts.
type progressView struct {
	app  *app
	what string
	bar  *progressbar.ProgressBar
}

func (v *progressView) show(p control.Progress) {
	if !v.app.terminal {
		return
	}
	if v.bar == nil || v.what != p.What {
		v.close()
		total := int64(-1) // not known
		if p.Total > 0 {
			total = int64(p.Total)
		}
		v.what = p.What
		v.bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(v.app.stderr), progressbar.OptionShowCount(),
			progressbar.OptionSetDescription(p.What), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionSetWidth(30),
			progressbar.OptionClearOnFinish())
	}
	_ = v.bar.Set64(int64(p.Done)) // a bar that cannot be drawn is no failure of the work
}

func (v *progressView) close() {
	if v.bar != nil {
		_ = v.bar.Finish()
		v.bar = nil
	}
}

// count writes a number with its noun.
func count(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

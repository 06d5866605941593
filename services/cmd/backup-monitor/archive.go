package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"backupmonitor/events"
	"backupmonitor/services/cmd/backup-monitor/restore"
	"backupmonitor/services/internal/capacity"
	"backupmonitor/services/internal/control"
	"backupmonitor/services/internal/logfile"
)

type archiveRequest struct {
	Before time.Time `json:"before"`
}

// archiver works for as long as f takes, with the right to purge the log.
func (p *pipeline) archiver(progress func(control.Progress), f func(*logfile.Archiver) error) error {
	return p.keeping("archive", func(js jetstream.JetStream) error {
		return f(&logfile.Archiver{
			Log: p.own, Keeper: js, Dir: p.app.config.Archives(), Product: buildVersion(), By: events.ActorCommandLine,
			Tables: p.tablesReach,
			Rehearse: func(ctx context.Context, dir string, say func(done, total uint64)) error {
				return restore.Rehearse(ctx, dir, p.app.config.Archives(), p.logger, say)
			},
			Space: p.space, Progress: progressOfCopy(progress), Now: time.Now,
		})
	})
}

// progressOfCopy hands a copy's progress on.
func progressOfCopy(to func(control.Progress)) func(logfile.Step, uint64, uint64) {
	return func(s logfile.Step, done, total uint64) {
		to(control.Progress{What: string(s), Done: done, Total: total})
	}
}

// space is what the files of the log take, and what is free for archives.
func (p *pipeline) space() (log int64, free uint64, err error) {
	d, err := capacity.MeasureDisk(p.dir.Log(), p.dir.Database())
	if err != nil {
		return 0, 0, err
	}
	free, err = capacity.Free(p.app.config.Archives())
	return d.Log, free, err
}

// tablesReach is how far the tables have read this very log.
func (p *pipeline) tablesReach(ctx context.Context) (uint64, error) {
	id, err := p.own.Identity(ctx)
	if err != nil {
		return 0, err
	}
	cp, err := p.store.Checkpoint(ctx)
	if err != nil || cp.Stream != id.ID() {
		return 0, err
	}
	return cp.Seq, nil
}

func (p *pipeline) planArchive(ctx context.Context, r archiveRequest, progress func(control.Progress)) (plan logfile.Plan, err error) {
	err = p.archiver(progress, func(a *logfile.Archiver) error {
		plan, err = a.Plan(ctx, r.Before)
		return err
	})
	return plan, err
}

func (p *pipeline) archive(ctx context.Context, r archiveRequest, progress func(control.Progress)) (done events.Archive, err error) {
	if !p.archiving.TryLock() {
		return done, errors.New("the log is being archived already, or a rebuild or fsck reads all of it: run this again when that has ended")
	}
	defer p.archiving.Unlock()
	err = p.archiver(progress, func(a *logfile.Archiver) error {
		done, err = a.Archive(ctx, r.Before)
		return err
	})
	return done, err
}

func (a *app) archiveCommand() *cobra.Command {
	var before string
	var dryRun bool
	c := &cobra.Command{
		Use:   "archive --before DATE",
		Short: "Take old looks and scans out of the log, into files",
		Long: `Copies the events that were stored before a day (in TZ) into a directory under
ARCHIVE_DIR, restores that copy into a server of its own and compares what comes
out, and only then takes the looks and the scans in it out of the log. Outlets,
settings, accounts, users' doings and imported rows stay in the log; rows and
history stay in the tables.

Keep what it writes, on more than one disk: tables that are made anew need it,
and so does a log that is read from its beginning. Until the copy is proved the
log is untouched; if the rest is interrupted, the same command goes on with it.
For as long as it takes, ARCHIVE_DIR needs room for the archive and for a log
that is restored from it; without that nothing is begun.`,
		Example: `  backup-monitor archive --before 2026-01-01 --dry-run
  backup-monitor archive --before 2026-01-01`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.config.NATSURL != "" {
				return errors.New("NATS_URL is set: archive where the log is, beside `backup-monitor up`")
			}
			day, err := time.ParseInLocation(time.DateOnly, before, a.config.Zone())
			if err != nil {
				return fmt.Errorf("--before: %q is not a day, as 2026-01-01", before)
			}
			if dryRun {
				return a.planArchive(cmd.Context(), day)
			}
			return a.archive(cmd.Context(), day)
		},
	}
	c.Flags().StringVar(&before, "before", "", "first day that stays, YYYY-MM-DD; at least a week ago")
	c.Flags().BoolVar(&dryRun, "dry-run", false, "say what would be archived, and change nothing")
	_ = c.MarkFlagRequired("before") // it is a flag of this command: it cannot fail
	return c
}

func (a *app) planArchive(ctx context.Context, before time.Time) error {
	var plan logfile.Plan
	if err := a.operate(ctx, opArchivePlan, archiveRequest{before}, &plan); err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	text := fmt.Sprintf("Events %d to %d would be archived in %s (dry run: nothing was changed).", plan.First, plan.Last, a.config.Archives())
	if plan.Unfinished != nil {
		text = fmt.Sprintf("The archive %s is not taken out of the log completely; that would be done, and nothing else (dry run: nothing was changed).", plan.Unfinished.Name)
	}
	_, err := fmt.Fprintln(a.stdout, text)
	return err
}

func (a *app) archive(ctx context.Context, before time.Time) error {
	var done events.Archive
	if err := a.operate(ctx, opArchive, archiveRequest{before}, &done); err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	_, err := fmt.Fprintf(a.stdout, "Archived events %d to %d in %s, verified by a restore.\n%d looks and scans of them were taken out of the log.\n",
		done.First, done.Last, filepath.Join(a.config.Archives(), done.Name), done.Purged)
	return err
}

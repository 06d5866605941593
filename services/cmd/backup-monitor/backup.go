package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"backupmonitor/events"
	"backupmonitor/services/cmd/backup-monitor/instance"
	"backupmonitor/services/cmd/backup-monitor/restore"
	"backupmonitor/services/internal/config"
	"backupmonitor/services/internal/control"
	"backupmonitor/services/internal/logfile"
)

func (a *app) backupCommand() *cobra.Command {
	var to string
	c := &cobra.Command{
		Use:   "backup --to DIR",
		Short: "Copy the log, the users and the secrets into a directory",
		Long: `Copies the event log, the users, the API tokens, the audit events that wait for
their delivery, and the secrets of DATA_DIR into a new directory under DIR, while everything goes on: the copy ends with the event that was the
last when it began. It is read back and compared with what the log gave before
it gets its name, backup-<time>. Nothing is ever written over, and a command
that is interrupted leaves nothing behind; one that is killed leaves a directory
whose name ends in .partial, which may be removed.

A row of UserManager or MonitorAPIToken that no restore could bring back, as
another program may have written it, is left out: the backup is made, names the
row, and the command fails.

The tables are not in it: they are made from the log. What "backup-monitor
archive" took out of the log is not in it either: keep both. It holds hashes of
passwords and tokens, and secrets: its files are readable by their owner only.`,
		Example: `  backup-monitor backup --to /mnt/backup
  backup-monitor backup verify /mnt/backup/backup-20260314T010000Z`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.backup(cmd.Context(), filepath.Join(to, "backup-"+time.Now().UTC().Format("20060102T150405Z")))
		},
	}
	c.Flags().StringVar(&to, "to", "", "directory for backups, best on another disk")
	_ = c.MarkFlagRequired("to") // it is a flag of this command: it cannot fail
	c.AddCommand(&cobra.Command{
		Use:   "verify PATH",
		Short: "Read a backup or an archive and compare it with its digests",
		Args:  cobra.ExactArgs(1),
		RunE:  func(cmd *cobra.Command, args []string) error { return a.verifyBackup(cmd.Context(), args[0]) },
	})
	return c
}

func (a *app) verifyBackup(ctx context.Context, path string) error {
	bar := &progressView{app: a}
	m, err := logfile.Verify(ctx, path, func(done, total uint64) {
		bar.show(control.Progress{What: string(logfile.Verifying), Done: done, Total: total})
	})
	bar.close()
	if err != nil {
		return err
	}
	left, err := restore.Missing(path)
	if err != nil {
		return err
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s is as it was written %s by version %s.\n%s", path, m.MadeAt.Format(time.RFC3339), m.Product, contents(m))
	for _, l := range left {
		fmt.Fprintf(&text, "Not in the backup: %s.\n", plain(l.String()))
	}
	_, err = fmt.Fprint(a.stdout, text.String())
	return err
}

// contents says what is in a copy.
func contents(m logfile.Manifest) string {
	text := fmt.Sprintf("Events %d to %d, %s of log %s; %s on disk.\n", m.First, m.Last, count(m.Records, "record", "records"), m.Log, config.Size(m.Size()))
	if m.Archived > 0 && m.First == 1 {
		text += fmt.Sprintf("Looks and scans up to event %d are in archives, not in here.\n", m.Archived)
	}
	return text
}

// backup reads the log in this process, whether or not another runs; only the
// users are asked of who has the database.
func (a *app) backup(ctx context.Context, dir string) error {
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
		err = func() error {
			access, err := restore.ReadAccess(ctx, p.store)
			if err != nil {
				return err
			}
			return a.copyLog(ctx, p.own, dir, access)
		}()
		return errors.Join(err, p.close())
	}
	if err != nil {
		return err
	}
	return errors.Join(a.backupRunning(ctx, nc, dir), closeConn(nc))
}

func (a *app) backupRunning(ctx context.Context, nc *nats.Conn, dir string) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("open JetStream: %w", err)
	}
	log := events.NewLog(js, "command-line")
	if a.config.NATSURL != "" {
		if _, err := fmt.Fprintln(a.stderr, "NATS_URL is set: only the log is copied. Users and secrets are where the gateway runs."); err != nil {
			return err
		}
		return a.copyLog(ctx, log, dir, restore.Access{})
	}
	var name string
	if err := control.Call(ctx, nc, control.Timing{}, opUsers, struct{}{}, &name, nil); err != nil {
		return fmt.Errorf("get the users: %w", err)
	}
	b, err := instance.Take(a.config.DataDir, name)
	if err != nil {
		return fmt.Errorf("get the users: %w", err)
	}
	var access restore.Access
	if err := json.Unmarshal(b, &access); err != nil {
		return fmt.Errorf("get the users: %w", err)
	}
	return a.copyLog(ctx, log, dir, access)
}

// exportUsers writes users, API tokens and the audit outbox into a file of the data directory and gives its
// name: password hashes do not travel over NATS, to which more may connect than
// may read the directory.
func (p *pipeline) exportUsers(ctx context.Context, _ struct{}, _ func(control.Progress)) (string, error) {
	access, err := restore.ReadAccess(ctx, p.store)
	if err != nil {
		return "", err
	}
	b, err := json.Marshal(access)
	if err != nil {
		return "", fmt.Errorf("encode the users: %w", err)
	}
	name := instance.Passing + rand.Text() // several may ask at once
	return name, p.dir.Keep(name, string(b))
}

func (a *app) copyLog(ctx context.Context, log *events.Log, dir string, access restore.Access) error {
	var attach map[string][]byte
	if a.config.NATSURL == "" {
		secrets, err := instance.Secrets(a.config.DataDir)
		if err != nil {
			return err
		}
		if attach, err = restore.Attachments(access, secrets); err != nil {
			return err
		}
	}
	bar := &progressView{app: a}
	m, err := logfile.Copy(ctx, log, logfile.Options{Dir: dir, Product: buildVersion(), Attach: attach, Progress: progressOfCopy(bar.show)})
	bar.close()
	if err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	_, err = fmt.Fprintf(a.stdout, "%s\n%s", dir, contents(m))
	if a.config.NATSURL == "" && err == nil {
		_, err = fmt.Fprintf(a.stdout, "%s, %s, and the secrets of DATA_DIR.\n",
			count(uint64(len(access.Users)), "user", "users"), count(uint64(len(access.Tokens)), "API token", "API tokens"))
	}
	return errors.Join(err, lacking(access.LeftOut))
}

// lacking is the error of a backup that was written and lacks rows: whatever is
// to follow only a whole backup, as in `backup … && archive …`, does not. That
// script is all that it stops: archive rests on no backup, only on the copy that
// it makes itself and restores before anything leaves the log, and no user or
// token leaves anything there. So a row that somebody spoilt does not keep a log
// from being relieved that is about to be full.
func lacking(left []restore.LeftOut) error {
	var errs []error
	for _, l := range left {
		errs = append(errs, fmt.Errorf("%s is not in this backup: %s: put the row right and make another backup", plain(l.Row), plain(l.Reason)))
	}
	return errors.Join(errs...)
}

func (a *app) restoreCommand() *cobra.Command {
	var dryRun bool
	c := &cobra.Command{
		Use:   "restore PATH",
		Short: "Restore a backup into an empty data directory",
		Long: `Reads the whole backup and compares it with its digests, makes log, users, API
tokens and secrets from it in DATA_DIR, which must be empty or not there, and
compares what was restored once more. Nothing is ever written over. With
DB_SERVER users and tokens go into that database, unless it has users or tokens
of its own: then those stay. Restored users have to sign in anew, and they and
the tokens are as of the backup: what was revoked or disabled after it must be
so again. The tables are filled from
the log by the next "backup-monitor up"; where something was archived before the
backup, put the archives into ARCHIVE_DIR first.

Interrupted, it leaves an empty directory, or one that only a restore accepts.`,
		Example: `  backup-monitor restore /mnt/backup/backup-20260314T010000Z --dry-run
  DATA_DIR=/srv/backup-monitor backup-monitor restore /mnt/backup/backup-20260314T010000Z`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if dryRun {
				return a.verifyBackup(cmd.Context(), args[0])
			}
			return a.restore(cmd.Context(), args[0])
		},
	}
	c.Flags().BoolVar(&dryRun, "dry-run", false, "only read the backup and compare it with its digests")
	return c
}

func (a *app) restore(ctx context.Context, path string) (err error) {
	if a.config.NATSURL != "" {
		return errors.New("NATS_URL is set: a backup is restored into DATA_DIR, for `backup-monitor up`; remove NATS_URL to go on")
	}
	level, err := a.level()
	if err != nil {
		return err
	}
	var database restore.Database // without DB_SERVER one in DATA_DIR
	if a.config.DBServer != "" {
		db, oerr := a.openSQLServer()
		if oerr != nil {
			return oerr
		}
		defer func() { err = errors.Join(err, db.Close()) }()
		database = db
	}
	bar := &progressView{app: a}
	r, err := restore.Into(ctx, restore.Options{
		Backup: path, Database: database, DataDir: a.config.DataDir, Limits: events.Limits{EventsMaxBytes: int64(a.config.EventsMaxBytes)}, By: "command line",
		Logger:   slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: max(level, slog.LevelWarn)})),
		Progress: progressOfCopy(bar.show),
	})
	bar.close()
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	text := fmt.Sprintf("Restored into %s, and compared.\n%s", a.config.DataDir, contents(r.Manifest)) + a.restoredAccess(r)
	if r.Manifest.Archived > 0 {
		text += fmt.Sprintf("Put the archives up to event %d into %s: the tables cannot be filled without them.\n", r.Manifest.Archived, a.config.Archives())
	}
	_, err = fmt.Fprint(a.stdout, text+"`backup-monitor up` fills the tables.\n")
	return err
}

// restoredAccess says what became of users and tokens.
func (a *app) restoredAccess(r restore.Result) string {
	switch {
	case !r.HasUsers:
		return "The backup holds no users: the next start makes the first Admin where there is no user.\n"
	case r.Kept:
		return fmt.Sprintf("The secrets; not the users and API tokens: %s on %s has its own, which stay. To have the backup's, empty UserManager and MonitorAPIToken there, and DATA_DIR, and restore again.\n",
			a.config.DBDatabase, a.config.DBServer)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s, %s, and the secrets.\n", count(uint64(r.Users), "user", "users"), count(uint64(r.Tokens), "API token", "API tokens"))
	if n := r.Waiting - r.Unreadable; n > 0 {
		fmt.Fprintf(&text, "%s not in the log yet: the next start delivers.\n", count(uint64(n), "audit event was", "audit events were"))
	}
	if r.Unreadable > 0 {
		fmt.Fprintf(&text, "%s cannot be read, as in the backup: /readyz will be red until the rows of MonitorOutbox are mended or deleted.\n",
			count(uint64(r.Unreadable), "audit event", "audit events"))
	}
	for _, sentence := range r.LeftOut {
		fmt.Fprintln(&text, plain(sentence))
	}
	if r.Users+r.Tokens > 0 {
		fmt.Fprintf(&text, "The %s and %s are as of %s. Restored users have to sign in anew; tokens that were revoked since then, and users who were "+
			"disabled or got another role or password, are as they were: revoke and change them again.\n",
			count(uint64(r.Users), "user", "users"), count(uint64(r.Tokens), "API token", "API tokens"), r.Manifest.MadeAt.Format(time.RFC3339))
	}
	return text.String()
}

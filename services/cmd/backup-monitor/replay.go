package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"backupmonitor/events"
	"backupmonitor/services/internal/control"
	"backupmonitor/services/internal/store/sqlite"
	"backupmonitor/services/internal/verdict"
	"backupmonitor/services/projector/rebuild"
)

func (a *app) replayCommand() *cobra.Command {
	var until, into, policy string
	c := &cobra.Command{
		Use:   "replay --into DSN",
		Short: "Make a whole database as known at a moment",
		Long: `Folds the log, up to a moment, into a database of its own, which must not exist
yet or be empty. It has the same tables, to be read with any tool. Users are not
in the log: it has none.

With --policy every look is judged anew. The files that a look noted were chosen
by the patterns and the size of its time: rules that would have noted others
cannot find those now. "backup-monitor up" refuses to go on with such tables.`,
		Example: `  backup-monitor replay --into sqlite:///tmp/now.db
  backup-monitor replay --until 2026-02-20T06:00:00Z --into sqlite:///tmp/then.db
  backup-monitor replay --policy max_age=24h --into sqlite:///tmp/strict.db`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := parseReplay(until, into, policy)
			if err != nil {
				return err
			}
			return a.withLog(cmd.Context(), func(ctx context.Context, log *events.Log) error { return a.replay(ctx, a.wholeLog(log), r) })
		},
	}
	c.Flags().StringVar(&until, "until", "", "a time as 2026-02-20T06:00:00Z, or the sequence of an event (default now)")
	c.Flags().StringVar(&into, "into", "", "the database, as sqlite:///path/file.db")
	c.Flags().StringVar(&policy, "policy", "", policyHelp)
	return c
}

// replayRequest is what the flags say.
type replayRequest struct {
	seq    uint64    // 0: until
	until  time.Time // zero: now
	into   string
	policy *verdict.Change
}

func parseReplay(until, into, policy string) (r replayRequest, err error) {
	if r.into = into; into == "" {
		return r, errors.New("--into is missing: name the database, as sqlite:///path/file.db")
	}
	if policy != "" {
		change, err := parsePolicy(policy)
		if err != nil {
			return r, fmt.Errorf("--policy: %w", err)
		}
		r.policy = &change
	}
	if until == "" {
		return r, nil
	}
	if r.seq, err = strconv.ParseUint(until, 10, 63); err == nil && r.seq > 0 {
		return r, nil
	}
	if r.until, err = time.Parse(time.RFC3339, until); err != nil {
		return r, fmt.Errorf("--until: %q is neither a time, as 2026-02-20T06:00:00Z, nor the sequence of an event", until)
	}
	return r, nil
}

func (a *app) replay(ctx context.Context, log rebuild.Log, r replayRequest) (err error) {
	if r.seq == 0 {
		if r.until.IsZero() {
			r.until = time.Now()
		}
		if r.seq, err = log.SequenceAt(ctx, r.until); err != nil {
			return err
		}
	}
	t, err := openTarget(ctx, r.into)
	if err != nil {
		return err
	}
	bar := &progressView{app: a}
	made, err := rebuild.Replay(ctx, log, t, r.seq, r.policy, progressOf(func(p control.Progress) { bar.show(p) }))
	bar.close()
	if err = errors.Join(err, t.finish(err == nil)); err != nil {
		return fmt.Errorf("replay: %w", err)
	}
	lines := []string{fmt.Sprintf("%s is as known at event %d of the log.", r.into, made.Seq)}
	if made.Judged > 0 {
		lines = append(lines, fmt.Sprintf("%s judged anew, %d with another outcome.", count(made.Judged, "look", "looks"), made.Changed))
	}
	if made.Unreadable > 0 {
		lines = append(lines, count(made.Unreadable, "event", "events")+" could not be read and are in its quarantine.")
	}
	_, err = fmt.Fprintln(a.stdout, strings.Join(lines, "\n"))
	return err
}

// replayTarget is a database to be made; finish closes it, and takes it away
// again where it is not whole.
type replayTarget struct {
	rebuild.Empty
	finish func(whole bool) error
}

// openTarget opens the database of --into. Every kind of database has its case
// here.
func openTarget(ctx context.Context, dsn string) (replayTarget, error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return replayTarget{}, errors.New("--into: it is no address of a database, as sqlite:///path/file.db")
	}
	if u.Scheme == "sqlserver" {
		return replayTarget{}, errors.New("--into: this version makes no whole database in SQL Server; use sqlite:///path/file.db")
	}
	if u.Scheme != "sqlite" {
		return replayTarget{}, fmt.Errorf("--into: this version makes no database of the kind %q; use sqlite:///path/file.db", u.Scheme)
	}
	path := u.Host + u.Path // sqlite://file.db is beside us, sqlite:///file.db at the root
	if u.Opaque != "" || path == "" {
		return replayTarget{}, fmt.Errorf("--into: %q names no file; write it as sqlite:///path/file.db", dsn)
	}
	if runtime.GOOS == "windows" && strings.HasPrefix(path, "/") && filepath.VolumeName(path[1:]) != "" {
		path = path[1:] // sqlite:///C:/file.db
	}
	return sqliteTarget(ctx, filepath.FromSlash(path))
}

// sqliteTarget makes a file under another name, which gets its own when it is
// whole.
func sqliteTarget(ctx context.Context, path string) (replayTarget, error) {
	if info, err := os.Stat(path); err == nil && info.Size() > 0 {
		return replayTarget{}, fmt.Errorf("--into: %s is there already: name a file that is not", path)
	}
	part := path + ".part"
	if err := sqlite.Remove(part); err != nil { // what a killed replay has left
		return replayTarget{}, err
	}
	db, err := sqlite.Open(ctx, part)
	if err != nil {
		return replayTarget{}, err
	}
	return replayTarget{Empty: db, finish: func(whole bool) error {
		if err := db.Close(); err != nil || !whole {
			return errors.Join(err, sqlite.Remove(part))
		}
		return os.Rename(part, path)
	}}, nil
}

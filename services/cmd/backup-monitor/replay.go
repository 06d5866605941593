package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"backupmonitor/events"
	"backupmonitor/services/internal/control"
	"backupmonitor/services/internal/verdict"
	"backupmonitor/services/projector/rebuild"
)

func (a *app) replayCommand() *cobra.Command {
	var until, into, policy string
	c := &cobra.Command{
		Use:   "replay --into DSN",
		Short: "Make a whole database as known at a moment",
		Long: `Folds the log, up to a moment, into a database of its own: a SQLite file that is
not there yet, or a database in SQL Server that has no table. It has the same
tables, to be read with any tool. Users are not in the log: it has none.

A command that is killed leaves a file whose name ends in .part, which may be
removed. Others on this machine may see an address on the command line, with its
password: use one that is for this alone.

With --policy every look is judged anew. The files that a look noted were chosen
by the patterns and the size of its time: rules that would have noted others
cannot find those now. "backup-monitor up" refuses to go on with such tables.`,
		Example: `  backup-monitor replay --into sqlite:///tmp/now.db
  backup-monitor replay --until 2026-02-20T06:00:00Z --into sqlite:///tmp/then.db
  backup-monitor replay --policy max_age=24h --into sqlite:///tmp/strict.db
  backup-monitor replay --into 'sqlserver://user:password@db.example?database=now'`,
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
	c.Flags().StringVar(&into, "into", "", "the database, as sqlite:///path/file.db or sqlserver://user:password@host?database=name")
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
		return r, errors.New("--into is missing: name the database, as sqlite:///path/file.db or sqlserver://user:password@host?database=name")
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
	lines := []string{fmt.Sprintf("%s is as known at event %d of the log.", t.name, made.Seq)}
	if made.Judged > 0 {
		lines = append(lines, fmt.Sprintf("%s judged anew, %d with another outcome.", count(made.Judged, "look", "looks"), made.Changed))
	}
	if made.Unreadable > 0 {
		lines = append(lines, count(made.Unreadable, "event", "events")+" could not be read and are in its quarantine.")
	}
	_, err = fmt.Fprintln(a.stdout, strings.Join(lines, "\n"))
	return err
}

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"backupmonitor/events"
	"backupmonitor/services/internal/logfile"
	"backupmonitor/services/internal/whatif"
)

// mostChanges is how many changes are printed where nobody says otherwise.
const mostChanges = 50

type judgeRun struct {
	policy, from, to string
	most             int
}

func (a *app) judgeCommand() *cobra.Command {
	var r judgeRun
	c := &cobra.Command{
		Use:   "judge --policy max_age=24h,min_size=1MiB",
		Short: "What another policy would say of what was seen; changes nothing",
		Long: `Judges the looks in the log again by another policy, and lists which outlets on
which scan dates would have another row. Nothing is written: "settings apply"
puts a policy in force, for the looks from then on.

A policy is max_age (26h; 0 turns the rule off), min_size (1KiB) and patterns
(*.bak|*.full); what is not named stays as each look was judged. An outlet with
a max age of its own keeps it. A look has kept the newest 16 files of the
patterns of its day: other patterns find none but those.

Looks that were archived are read from ARCHIVE_DIR first; it says which archive
is missing there. With --from only what is needed is read.`,
		Example: `  backup-monitor judge --policy max_age=24h --from 2026-10-01
  backup-monitor judge --policy max_age=24h,min_size=10MiB --from 2026-10-01 --to 2026-10-31 --list 0`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withLog(cmd.Context(), func(ctx context.Context, log *events.Log) error { return a.judge(ctx, log, r) })
		},
	}
	c.Flags().StringVar(&r.policy, "policy", "", policyHelp)
	c.Flags().StringVar(&r.from, "from", "", "first scan date; without it from the beginning")
	c.Flags().StringVar(&r.to, "to", "", "last scan date; without it up to the latest")
	c.Flags().IntVar(&r.most, "list", mostChanges, "how many changes to list; 0 lists all")
	_ = c.MarkFlagRequired("policy") // it exists
	return c
}

func (r judgeRun) options() (o whatif.Options, err error) {
	if o.Change, err = parsePolicy(r.policy); err != nil {
		return o, fmt.Errorf("--policy: %w", err)
	}
	for _, d := range []struct {
		flag, value string
		to          *events.Date
	}{{"--from", r.from, &o.From}, {"--to", r.to, &o.To}} {
		if d.value == "" {
			continue
		}
		if *d.to, err = events.ParseDate(d.value); err != nil {
			return o, fmt.Errorf("%s: %w", d.flag, err)
		}
	}
	if o.From != "" && o.To != "" && o.From > o.To {
		return o, fmt.Errorf("--from: %s is after --to, %s", o.From, o.To)
	}
	if r.most < 0 {
		return o, errors.New("--list: it cannot be negative")
	}
	o.Most = r.most
	return o, nil
}

func (a *app) judge(ctx context.Context, log *events.Log, r judgeRun) error {
	o, err := r.options()
	if err != nil {
		return err
	}
	if a.terminal {
		bar := progressbar.NewOptions64(1, progressbar.OptionSetWriter(a.stderr), progressbar.OptionShowCount(),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish())
		o.Progress = func(read, pending uint64) {
			bar.ChangeMax64(int64(read + pending))
			_ = bar.Set64(int64(read)) // a bar that cannot be drawn is no failure
		}
	}
	report, err := whatif.Log(ctx, logfile.Whole{Log: log, Archives: a.config.Archives()}, o)
	if err != nil {
		return err
	}
	return a.printJudged(report)
}

func (a *app) printJudged(report whatif.Report) error {
	t := tabwriter.NewWriter(a.stdout, 0, 4, 2, ' ', 0)
	line := func(format string, args ...any) error { _, err := fmt.Fprintf(t, format+"\n", args...); return err }
	err := line("%d looks judged again: of %d rows %d would be another. Nothing was changed.", report.Looks, report.Days, report.Changed)
	if len(report.Groups) > 0 {
		err = errors.Join(err, line("\nROWS\tMODE\tNOW\tTHEN"))
	}
	for _, g := range report.Groups {
		err = errors.Join(err, line("%d\t%s\t%s\t%s", g.Count, g.Mode, causeName(g.Before), causeName(g.After)))
	}
	if len(report.Changes) > 0 {
		err = errors.Join(err, line("\nDATE\tOUTLET\tMODE\tNOW\tTHEN\tWHY"))
	}
	for _, c := range report.Changes {
		err = errors.Join(err, line("%s\t%s\t%s\t%s\t%s\t%s", c.ScanDate, plain(c.Outlet), c.Mode, causeName(c.Before.Cause), causeName(c.After.Cause), plain(c.After.Detail)))
	}
	if left := report.Changed - len(report.Changes); left > 0 {
		err = errors.Join(err, line("and %d more (--list 0 lists all)", left))
	}
	return errors.Join(err, t.Flush())
}

// causeName names also the rows from before the log, which have no cause.
func causeName(c events.Cause) string { return cmp.Or(string(c), "unknown") }

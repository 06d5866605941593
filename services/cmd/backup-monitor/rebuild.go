package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"backupmonitor/services/internal/control"
	"backupmonitor/services/projector/rebuild"
)

type rebuildRequest struct {
	DryRun bool `json:"dryRun"`
}

func (m *mending) rebuild(ctx context.Context, r rebuildRequest, progress func(control.Progress)) (report rebuild.Report, err error) {
	err = m.whole(func(log rebuild.Log) error {
		report, err = rebuild.Run(ctx, log, m.store, r.DryRun, progressOf(progress))
		return err
	})
	return report, err
}

func (m *mending) check(ctx context.Context, _ struct{}, progress func(control.Progress)) (c rebuild.Checked, err error) {
	err = m.whole(func(log rebuild.Log) error {
		c, err = rebuild.Check(ctx, log, m.store, progressOf(progress))
		return err
	})
	return c, err
}

func (a *app) rebuildCommand() *cobra.Command {
	var dryRun bool
	c := &cobra.Command{
		Use:   "rebuild",
		Short: "Make the tables anew from the log, and put right what differs",
		Long: `Folds the whole log once more, beside the tables, compares row for row, and puts
right what is missing or different, all at once. Rows that the log does not know
are named and stay. Users are not in the log: they are not touched.

The exit code is 0 when the tables are as the log says, as far as that can be read;
3 when this holds but for events that a column does not take: they are named, stay
in quarantine, and have to be mended first (those that were dismissed are counted, and
are no reason for 3); and 1 when nothing could be done.

A running "backup-monitor up" does it, and everything else goes on meanwhile;
without one this command does it by itself. It may be stopped at any moment:
either everything has been put right, or nothing. For as long as it takes it
needs as much room on the disk as the database has.`,
		Example: `  backup-monitor rebuild --dry-run
  backup-monitor rebuild`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var r rebuild.Report
			if err := a.operate(cmd.Context(), opRebuild, rebuildRequest{dryRun}, &r); err != nil {
				return fmt.Errorf("rebuild: %w", err)
			}
			if err := errors.Join(writeReport(a.stdout, r), writeOutcome(a.stdout, r, dryRun)); err != nil {
				return err
			}
			if r.Unstorable > 0 {
				return exitError(exitFailures)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&dryRun, "dry-run", false, "show what differs, and change nothing")
	return c
}

// exitDiffers is fsck's exit code where something is not as it must be.
const exitDiffers = 1

func (a *app) fsckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "fsck",
		Short: "Check that log, checkpoint, history and tables belong together",
		Long: `Reads the whole log and compares it with the tables, row for row. It says in
words what is not as it must be, and what to do; it changes nothing. The exit
code is 0 when nothing was found, and 1 when something was, or when the check
could not be done.

A running "backup-monitor up" does it, and everything else goes on meanwhile.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var c rebuild.Checked
			if err := a.operate(cmd.Context(), opCheck, struct{}{}, &c); err != nil {
				return fmt.Errorf("fsck: %w", err)
			}
			if err := writeChecked(a.stdout, c); err != nil {
				return err
			}
			if len(c.Findings) > 0 {
				return exitError(exitDiffers)
			}
			return nil
		},
	}
}

func writeReport(w io.Writer, r rebuild.Report) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	lines := []string{
		fmt.Sprintf("The tables and log %s, as of event %d:", r.Log, r.Checkpoint), "",
		"TABLE\tROWS\tIN THE LOG\tMISSING\tDIFFERENT\tUNKNOWN\tDIGEST",
	}
	for _, x := range r.Tables {
		digest := x.Digest[:12]
		if x.Digest != x.LogDigest {
			digest += ", log " + x.LogDigest[:12]
		}
		lines = append(lines, fmt.Sprintf("%s\t%d\t%d\t%d\t%d\t%d\t%s", x.Name, x.Rows, x.LogRows, x.Missing, x.Different, x.Unknown, digest))
	}
	lines = append(lines, "")
	_, err := fmt.Fprintln(t, strings.Join(lines, "\n"))
	if err := errors.Join(err, t.Flush()); err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	for _, x := range r.Tables {
		for _, d := range x.First {
			lines := []string{fmt.Sprintf("%s: %s: %s", x.Name, plain(d.Row), differenceWord(d.Kind))}
			for _, c := range d.Columns {
				lines = append(lines, fmt.Sprintf("    %s is %s, the log says %s", c.Name, plain(c.Table), plain(c.Log)))
			}
			if _, err := fmt.Fprintln(w, strings.Join(lines, "\n")); err != nil {
				return fmt.Errorf("print the report: %w", err)
			}
		}
	}
	return nil
}

func differenceWord(kind string) string {
	switch kind {
	case rebuild.KindMissing:
		return "missing in the table"
	case rebuild.KindUnknown:
		return "the log does not know it; it stays"
	case rebuild.KindReadable:
		return "in quarantine, but this version can read it"
	}
	return "not as the log says"
}

func writeOutcome(w io.Writer, r rebuild.Report, dryRun bool) error {
	text := "Nothing is missing or different."
	switch n := count(r.Wrong(), "row", "rows"); {
	case r.Checkpoint == 0:
		text = "No event is in the tables yet: `backup-monitor up` fills the tables."
	case r.Repaired:
		text = n + " put right."
	case r.Wrong() > 0 && dryRun:
		text = n + " would be put right (dry run: nothing was changed)."
	}
	if n := r.Unknown(); n > 0 {
		text += " " + count(n, "row that the log does not know stays.", "rows that the log does not know stay.")
	}
	if excused := r.Excused(); excused != "" {
		text += "\n" + excused
	}
	if unstored := r.Unstored(); unstored != "" {
		text += "\n" + plain(unstored) + "\n" + rebuild.DoMend
	}
	_, err := fmt.Fprintln(w, text)
	return err
}

func writeChecked(w io.Writer, c rebuild.Checked) error {
	_, err := fmt.Fprintf(w, "Log %s, created %s: %s, %d bytes. The tables know events up to %d.\n", c.Log, c.Created.Format(time.RFC3339),
		count(c.Events, "event", "events"), c.Bytes, c.Checkpoint)
	if err == nil && c.Compared != nil {
		err = writeReport(w, *c.Compared)
	}
	if err == nil && c.Compared != nil && c.Compared.Dismissed > 0 {
		_, err = fmt.Fprintln(w, c.Compared.Excused())
	}
	if err == nil && len(c.Findings) == 0 {
		_, err = fmt.Fprintln(w, "Everything is as it must be.")
	}
	for i, f := range c.Findings {
		if err == nil {
			_, err = fmt.Fprintf(w, "\n%d. %s\n   %s\n", i+1, plain(f.What), f.Do)
		}
	}
	if err != nil {
		return fmt.Errorf("print what was found: %w", err)
	}
	return nil
}

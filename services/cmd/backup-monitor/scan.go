package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"backupmonitor/events"
	"backupmonitor/services/internal/registry"
	"backupmonitor/services/internal/scan"
)

// exitFailures is the exit code of a command that did its work, and found failures:
// of a scan that ended with outlets Failed, say.
const exitFailures = 3

func (a *app) scanCommand() *cobra.Command {
	var mode, date string
	var outlets []string
	c := &cobra.Command{
		Use:   "scan",
		Short: "Look at all outlets, or at chosen ones, now",
		Long: `Looks at the backups of all active outlets, or of the given ones, shows the
progress, and lists at the end what failed and why.

A running "backup-monitor up" does the looking; without one this command does
it by itself on the data directory. Leaving with Ctrl-C does not stop a scan
that a running instance does.

The exit code is 0 when every outlet is Successful, 3 when some are Failed, and
1 when the scan could not be done.`,
		Example: `  backup-monitor scan
  backup-monitor scan --mode d_drive --outlet B0001 --outlet B0002
  backup-monitor scan --date 2026-02-20`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			modes, err := parseModes(mode)
			if err != nil {
				return err
			}
			r := scanRequest{modes: modes, outlets: outlets}
			if date != "" {
				if r.date, err = events.ParseDate(date); err != nil {
					return fmt.Errorf("--date: %w", err)
				}
			}
			return a.withServices(cmd.Context(), func(ctx context.Context, log *events.Log) error { return a.scan(ctx, log, r) })
		},
	}
	c.Flags().StringVar(&mode, "mode", "both", "d_drive, ib_storage or both")
	c.Flags().StringVar(&date, "date", "", "scan date YYYY-MM-DD, not in the future (default today)")
	c.Flags().StringArrayVar(&outlets, "outlet", nil, "code of an outlet; may be given several times (default all active ones)")
	return c
}

type scanRequest struct {
	modes   []events.Mode
	date    events.Date // "": today
	outlets []string
}

func parseModes(s string) ([]events.Mode, error) {
	if s == "both" {
		return events.Modes(), nil
	}
	m, err := events.ParseMode(s)
	if err != nil {
		return nil, fmt.Errorf("--mode: %q is not a mode: use d_drive, ib_storage or both", s)
	}
	return []events.Mode{m}, nil
}

// scan asks for a scan and follows it to its end.
func (a *app) scan(ctx context.Context, log *events.Log, r scanRequest) error {
	now := time.Now().UTC()
	zone := a.config.Zone()
	date := cmp.Or(r.date, events.DateOf(now, zone))
	codes, err := knownOutlets(ctx, log, r.outlets)
	if err != nil {
		return err
	}
	request := events.ScanRequested{
		ScanID: scan.NewID(now), ScanDate: date, Modes: r.modes, Outlets: codes,
		Trigger: events.TriggerCLI, RequestedBy: events.ActorCommandLine, RequestedAt: now, Deadline: now.Add(a.config.ScanDeadline),
	}
	if _, err := scan.Request(ctx, log, zone, request); err != nil {
		return err
	}
	if err := tell(ctx, log, events.ScanAsked, request.ScanID, scanDetails(request)); err != nil {
		return err
	}
	view := &scanView{out: a.stdout, bar: a.stderr, terminal: a.terminal}
	// A scheduler ends every scan by then; without any, nobody would.
	patience, cancel := context.WithDeadline(ctx, request.Deadline.Add(a.config.ProbeTimeout+time.Minute))
	defer cancel()
	err = scan.Follow(patience, log, request.ScanID, view.update)
	view.close()
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("left scan %s before its end", request.ScanID)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("scan %s did not end in time: is a scheduler running?", request.ScanID)
	}
	if err != nil {
		return fmt.Errorf("follow scan %s: %w", request.ScanID, err)
	}
	return view.report()
}

// scanDetails are as the gateway has them.
func scanDetails(r events.ScanRequested) map[string]string {
	d := map[string]string{"scanDate": string(r.ScanDate), "trigger": r.Trigger, "outlets": "all"}
	modes := make([]string, len(r.Modes))
	for i, m := range r.Modes {
		modes[i] = string(m)
	}
	d["modes"] = strings.Join(modes, ",")
	if !r.Full() {
		d["outlets"] = fmt.Sprint(len(r.Outlets))
	}
	return d
}

// knownOutlets checks that the registry has every code, and that there is
// something to scan at all.
func knownOutlets(ctx context.Context, log *events.Log, codes []string) ([]string, error) {
	outlets, err := registry.Load(ctx, log, 0)
	if err != nil {
		return nil, err
	}
	if outlets.Len() == 0 {
		return nil, errors.New("there are no outlets yet: import them with `backup-monitor outlets import FILE`, or set OUTLETS_FILE")
	}
	var unknown, known []string
	for _, code := range codes {
		if o, ok := outlets.Get(code); ok {
			known = append(known, o.Code)
		} else {
			unknown = append(unknown, fmt.Sprintf("%q", code))
		}
	}
	if len(unknown) > 0 {
		return nil, fmt.Errorf("no such outlet: %s; nothing was scanned", strings.Join(unknown, ", "))
	}
	return known, nil
}

// scanView shows a scan: a bar while it runs, a table of what failed at the
// end.
type scanView struct {
	out, bar io.Writer
	terminal bool
	progress *progressbar.ProgressBar
	failed   []events.BackupObserved
	end      *events.ScanCompleted
}

func (v *scanView) update(u scan.Update) error {
	if u.Completed != nil {
		v.end = u.Completed
		return nil
	}
	if u.Look == nil {
		return v.start(u.Progress)
	}
	if u.Look.Verdict.Status != events.Successful {
		v.failed = append(v.failed, *u.Look)
	}
	if v.progress == nil {
		return nil
	}
	n := u.Progress.Sum()
	v.progress.Describe(fmt.Sprintf("%d ok, %d failed, %d not looked at", n.Successful, n.Failed-n.NotObserved, n.NotObserved))
	return v.progress.Set(u.Progress.Completed())
}

func (v *scanView) start(p *scan.Progress) error {
	s := p.Started()
	host := ""
	if s.AttachedTo != "" {
		host = ", together with scan " + s.AttachedTo
	}
	if v.terminal {
		v.progress = progressbar.NewOptions(p.Total(), progressbar.OptionSetWriter(v.bar), progressbar.OptionShowCount(),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish())
	}
	_, err := fmt.Fprintf(v.out, "Scan %s for %s: %d outlets, %s%s\n", s.ScanID, s.ScanDate, len(s.Outlets), modeNames(s.Modes), host)
	return err
}

func (v *scanView) close() {
	if v.progress != nil {
		_ = v.progress.Finish() // a bar that cannot be drawn is no failure of the scan
	}
}

func modeNames(modes []events.Mode) string {
	names := make([]string, len(modes))
	for i, m := range modes {
		names[i] = string(m)
	}
	return strings.Join(names, " and ")
}

// report prints the closing table and the counts.
func (v *scanView) report() error {
	slices.SortFunc(v.failed, func(a, b events.BackupObserved) int {
		return cmp.Or(cmp.Compare(events.Key(a.Outlet), events.Key(b.Outlet)), cmp.Compare(a.Mode, b.Mode))
	})
	t := tabwriter.NewWriter(v.out, 0, 4, 2, ' ', 0)
	rows := make([]string, 0, len(v.failed)+1)
	if len(v.failed) > 0 {
		rows = append(rows, "\nOUTLET\tMODE\tCAUSE\tWHY")
	}
	for _, o := range v.failed {
		rows = append(rows, strings.Join([]string{plain(o.Outlet), string(o.Mode), string(o.Verdict.Cause), plain(o.Verdict.Detail)}, "\t"))
	}
	rows = append(rows, "")
	total, failed := 0, 0
	for _, m := range v.end.Modes {
		n := v.end.Counts[m]
		total, failed = total+n.Total, failed+n.Total-n.Successful
		rows = append(rows, fmt.Sprintf("%s: %d outlets, %d successful, %d failed, %d not looked at", m, n.Total, n.Successful, n.Failed-n.NotObserved, n.NotObserved))
	}
	_, err := fmt.Fprintln(t, strings.Join(rows, "\n"))
	if err := errors.Join(err, t.Flush()); err != nil {
		return fmt.Errorf("print the result: %w", err)
	}
	if v.end.Cancelled {
		return fmt.Errorf("scan %s was cancelled: %s", v.end.ScanID, cmp.Or(plain(v.end.CancelledBy), "nobody says by whom"))
	}
	if total == 0 {
		return errors.New("no outlet is active: nothing was looked at")
	}
	if failed > 0 {
		return exitError(exitFailures)
	}
	return nil
}

// plain makes text from a machine that may be hostile safe for a terminal and
// for one line of a table: nothing in it moves the cursor or turns the reading round.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control) {
			return '\uFFFD'
		}
		return r
	}, s)
}

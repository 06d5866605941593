package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"backupmonitor/events"
	"backupmonitor/services/cmd/backup-monitor/instance"
	"backupmonitor/services/internal/credential"
	"backupmonitor/services/internal/registry"
	"backupmonitor/services/prober"
	"backupmonitor/services/prober/smb"
)

type probeRequest struct {
	outlet, address, mode, date string
	verbose, anyway             bool
}

func (a *app) probeCommand() *cobra.Command {
	var r probeRequest
	c := &cobra.Command{
		Use:   "probe OUTLET",
		Short: "Look at one outlet, explain what was found, and write nothing",
		Long: `Looks at one outlet as a scan would and prints the verdict. With -v it explains
each step with its time, every drive and the files that count. Nothing is
written: no row changes, no event is stored.

The address comes from the registered outlets, or from --address for one that is
not registered yet.

The exit code is 0 when every mode is Successful and 3 otherwise.`,
		Example: `  backup-monitor probe B0001 -v
  backup-monitor probe new-outlet --address 10.20.1.5 --mode d_drive -v`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.outlet = args[0]
			return a.probe(cmd.Context(), r)
		},
	}
	c.Flags().StringVar(&r.address, "address", "", "IP address or host name, with :port where it is not SMB_PORT")
	c.Flags().StringVar(&r.mode, "mode", "both", "d_drive, ib_storage or both")
	c.Flags().StringVar(&r.date, "date", "", "judge as a look for this date YYYY-MM-DD (default today)")
	c.Flags().BoolVar(&r.anyway, "anyway", false, "sign in also with a domain account that is paused")
	c.Flags().BoolVarP(&r.verbose, "verbose", "v", false, "explain each step, drive and file")
	return c
}

func (a *app) probe(ctx context.Context, r probeRequest) error {
	modes, err := parseModes(r.mode)
	if err != nil {
		return err
	}
	if a.config.User == "" || a.config.SMBUser == "" {
		return errors.New(noAccount)
	}
	now := time.Now().UTC()
	date := events.DateOf(now, a.config.Zone())
	if r.date != "" {
		if date, err = events.ParseDate(r.date); err != nil {
			return fmt.Errorf("--date: %w", err)
		}
		if today := events.DateOf(now, a.config.Zone()); date > today {
			return fmt.Errorf("--date: %s is in the future", date)
		}
	}
	command := events.ProbeCommand{
		ScanDate: date, Outlet: r.outlet, Server: r.address, Modes: modes, Policy: a.config.Policy(), Deadline: now.Add(a.config.ProbeTimeout),
	}
	if r.address == "" {
		err = a.withLog(ctx, func(ctx context.Context, log *events.Log) error { return fromRegistry(ctx, log, &command) })
	} else {
		command.Server, err = registry.CleanAddress(r.address)
	}
	if err != nil {
		return err
	}
	config := a.proberConfig()
	if err := a.notPaused(ctx, config.Places, r.anyway); err != nil {
		return err
	}
	if r.verbose {
		config.SMB.Trace = func(step, detail string, d time.Duration) {
			_, _ = fmt.Fprintf(a.stdout, "  %9s  %-9s  %s\n", d.Round(10*time.Microsecond), step, plain(detail))
		}
	}
	if _, err := fmt.Fprintf(a.stdout, "%s at %s, for %s\n", plain(command.Outlet), plain(command.Server), date); err != nil {
		return err
	}
	return a.explain(prober.LookOnce(ctx, config, command), r.verbose)
}

// notPaused refuses to sign in with a domain account that a running instance
// has paused: each look by hand is one more wrong password. Without an instance
// nobody knows.
func (a *app) notPaused(ctx context.Context, places []smb.Place, anyway bool) error {
	inDomain := func(p smb.Place) bool { return p.Credential.Domain != "" }
	if anyway || !slices.ContainsFunc(places, inDomain) {
		return nil
	}
	nc, err := a.connect("command-line", slog.New(slog.DiscardHandler))
	if errors.Is(err, instance.ErrNotRunning) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot tell whether the account is paused (look --anyway): %w", err)
	}
	defer func() { _ = closeConn(nc) }()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("open JetStream: %w", err)
	}
	for _, p := range places {
		if !inDomain(p) {
			continue
		}
		s, err := credential.Read(ctx, events.NewLog(js, "command-line"), p.Credential.String())
		if err != nil {
			return fmt.Errorf("read the state of %s: %w", p.Credential, err)
		}
		if s.Failures > 0 {
			return fmt.Errorf("the account %s is paused: %s said %q. This look would sign in once more, which may lock it; do it --anyway",
				p.Credential, plain(s.RefusedBy), plain(s.Detail))
		}
	}
	return nil
}

// fromRegistry fills in what the registry and the settings know.
func fromRegistry(ctx context.Context, log *events.Log, c *events.ProbeCommand) error {
	o, err := registry.Current(ctx, log, c.Outlet)
	if errors.Is(err, events.ErrNotFound) {
		return fmt.Errorf("there is no outlet %q; to look at one that is not registered, give its --address", c.Outlet)
	}
	if err != nil {
		return err
	}
	c.Outlet, c.Server = o.Code, o.Address
	settings, _, err := registry.Settings(ctx, log, 0)
	if err != nil && !errors.Is(err, events.ErrNotFound) {
		return err
	}
	if err == nil {
		c.Policy = settings.Policy
	}
	if o.MaxAgeSeconds != nil {
		c.Policy.MaxAgeSeconds = *o.MaxAgeSeconds
	}
	return nil
}

// explain prints what was seen and what it means.
func (a *app) explain(looks []events.BackupObserved, verbose bool) error {
	t := tabwriter.NewWriter(a.stdout, 0, 4, 2, ' ', 0)
	var lines []string
	failed := false
	for _, l := range looks {
		v := l.Verdict
		failed = failed || v.Status != events.Successful
		word := fmt.Sprintf("%s (%s)", v.Status, v.Cause)
		if !v.Conclusive {
			word = fmt.Sprintf("could not look (%s)", v.Cause)
		}
		lines = append(lines, fmt.Sprintf("\n%s: %s in %.0f ms", l.Mode, word, l.DurationMS))
		if v.Detail != "" {
			lines = append(lines, "  "+plain(v.Detail))
		}
		if v.File != nil {
			lines = append(lines, "  "+fileLine(*v.File)+onDrive(v.DriveLetter))
		}
		if verbose {
			lines = append(lines, facts(l)...)
		}
	}
	if _, err := fmt.Fprintln(t, strings.Join(lines, "\n")); err != nil {
		return err
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if failed {
		return exitError(exitFailures)
	}
	return nil
}

func onDrive(letter string) string {
	if letter == "" {
		return ""
	}
	return " on " + letter + ":"
}

func fileLine(f events.File) string {
	return fmt.Sprintf("%s  %d bytes  %s", plain(f.Name), f.Bytes, f.Modified.Format(time.RFC3339))
}

// facts lists everything that the verdict rests on.
func facts(l events.BackupObserved) []string {
	clock := "the server told no time; ages are measured by our clock"
	if l.ServerTime != nil {
		clock = fmt.Sprintf("the server's clock says %s, %+.1f s from ours", l.ServerTime.Format(time.RFC3339), l.ClockSkewMS/1000)
	}
	lines := []string{"  " + clock, fmt.Sprintf("  ages are measured from %s; at most %s, at least %d bytes, named %s",
		l.Cutoff.Format(time.RFC3339), maxAgeWord(l.Verdict.Policy), l.Verdict.Policy.MinSizeBytes, strings.Join(l.Verdict.Policy.Patterns, " "))}
	for _, d := range l.Drives {
		lines = append(lines, "  "+plain(d.Share+`\`+d.Folder)+": "+driveWord(d))
		for _, f := range slices.Concat(d.FilesAfter, d.Files) {
			after := ""
			if slices.Contains(d.FilesAfter, f) {
				after = "  after the limit: does not count"
			}
			lines = append(lines, "    "+fileLine(f)+after)
		}
	}
	for _, w := range l.Warnings {
		lines = append(lines, "  note: "+plain(w))
	}
	return lines
}

func maxAgeWord(p events.Policy) string {
	if p.MaxAgeSeconds == 0 {
		return "any age"
	}
	return strings.TrimSuffix(p.MaxAge().String(), "0m0s") + " old"
}

func driveWord(d events.Drive) string {
	if d.Error != nil {
		return plain(strings.TrimSpace(d.Error.Detail + " " + d.Error.NTStatus))
	}
	word := fmt.Sprintf("%d files of the pattern", d.FileCount)
	if d.FreeBytes != nil && d.TotalBytes != nil {
		word += fmt.Sprintf(", %.1f of %.1f GiB free", float64(*d.FreeBytes)/(1<<30), float64(*d.TotalBytes)/(1<<30))
	}
	return word
}

// proberConfig is how this installation looks at outlets.
func (a *app) proberConfig() prober.Config {
	c := a.config
	return prober.Config{
		Places: []smb.Place{
			{Mode: events.DDrive, Credential: smb.NewCredential(c.User, c.Pass, c.SMBDomain), Shares: []string{c.Share}, Folder: c.Folder},
			{Mode: events.IBStorage, Credential: smb.NewCredential(c.SMBUser, c.SMBPass, c.SMBDomain), Shares: c.IBStorageDrives, Folder: c.IBStorageFolder},
		},
		SMB:  smb.Options{Port: c.SMBPort, DialTimeout: c.DialTimeout},
		Zone: c.Zone(), Concurrency: c.ProbeConcurrency, ProbeTimeout: c.ProbeTimeout, Attempts: c.ProbeAttempts,
	}
}

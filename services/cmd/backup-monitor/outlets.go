package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"backupmonitor/events"
	"backupmonitor/services/internal/registry"
)

func (a *app) outletsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "outlets",
		Short: "The outlets that are watched",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return errors.New("say which: `backup-monitor outlets list` or `backup-monitor outlets import FILE`")
		},
	}
	c.AddCommand(a.outletsImportCommand(), a.outletsListCommand())
	return c
}

func (a *app) outletsImportCommand() *cobra.Command {
	var dryRun bool
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Add and change outlets from a CSV file",
		Long: `Reads a CSV file (UTF-8, comma or semicolon) whose first line names the columns:

  OutletCode,IPAddress[,OutletName][,ActiveDepot]

IPAddress is an IP address or a host name, with :port where it is not SMB_PORT;
ActiveDepot is Y or N. Only differences are written. Outlets that the file does
not name stay as they are. If any line is wrong, every wrong line is named and
nothing is changed. FILE may be - for standard input.`,
		Example: `  backup-monitor outlets import outlets.csv --dry-run
  backup-monitor outlets import outlets.csv`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			rows, err := readOutlets(args[0], cmd.InOrStdin())
			if err != nil {
				return fmt.Errorf("%w\nnothing was changed", err)
			}
			return a.withLog(cmd.Context(), func(ctx context.Context, log *events.Log) error {
				return a.importOutlets(ctx, log, rows, dryRun)
			})
		},
	}
	c.Flags().BoolVar(&dryRun, "dry-run", false, "show what would change, and change nothing")
	return c
}

// tellImport has the audit trail tell of what an import has written.
func tellImport(ctx context.Context, log *events.Log, done []registry.Change) error {
	n := registry.Writing(done)
	if n == 0 {
		return nil
	}
	return tell(ctx, log, events.OutletsImported, "", map[string]string{"outlets": fmt.Sprint(n)})
}

func readOutlets(path string, stdin io.Reader) ([]registry.OutletRow, error) {
	if path == "-" {
		return registry.ParseFile(stdin)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the outlets: %w", err)
	}
	rows, err := registry.ParseFile(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return rows, err
}

func (a *app) importOutlets(ctx context.Context, log *events.Log, rows []registry.OutletRow, dryRun bool) error {
	current, err := registry.Load(ctx, log, 0)
	if err != nil {
		return err
	}
	changes := registry.Diff(current, rows, events.SourceUser)
	if err := current.Fit(changes...); err != nil {
		return fmt.Errorf("nothing was changed: %w; retire some, or give them shorter codes", err)
	}
	if !dryRun {
		all := registry.Writing(changes)
		changes, err = registry.Apply(ctx, log, changes, events.ActorCommandLine, time.Now().UTC())
		if err != nil {
			err = fmt.Errorf("write the outlets: %w (surely written: %d of the %d that the file changes; import it again for the rest)",
				err, registry.Writing(changes), all)
		}
		if err := errors.Join(err, tellImport(ctx, log, changes)); err != nil {
			return err
		}
	}
	count := map[registry.Kind]int{}
	t := tabwriter.NewWriter(a.stdout, 0, 4, 2, ' ', 0)
	var lines []string
	for _, c := range changes {
		count[c.Kind]++
		if c.Kind != registry.Unchanged {
			lines = append(lines, fmt.Sprintf("%s\t%s\t%s\t%s\t%s", c.Kind, plain(c.Outlet.Code), c.Outlet.Address, plain(c.Outlet.Name), activeWord(c.Outlet)))
		}
	}
	if len(lines) > 0 {
		lines = append([]string{"CHANGE\tOUTLET\tADDRESS\tNAME\tSTATE"}, lines...)
	}
	summary := fmt.Sprintf("%d added, %d changed, %d unchanged", count[registry.Added], count[registry.Changed], count[registry.Unchanged])
	if n := count[registry.ReadOnly]; n > 0 {
		summary += fmt.Sprintf(", %d left alone because OUTLETS_FILE owns them", n)
	}
	if dryRun {
		summary += " (dry run: nothing was changed)"
	}
	if _, err := fmt.Fprintln(t, strings.Join(append(lines, summary), "\n")); err != nil {
		return err
	}
	return t.Flush()
}

func activeWord(o events.OutletChanged) string {
	if o.Active {
		return "active"
	}
	return "inactive"
}

func (a *app) outletsListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the outlets, with address and state",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withLog(cmd.Context(), func(ctx context.Context, log *events.Log) error {
				outlets, err := registry.Load(ctx, log, 0)
				if err != nil {
					return err
				}
				t := tabwriter.NewWriter(a.stdout, 0, 4, 2, ' ', 0)
				lines := []string{"OUTLET\tADDRESS\tNAME\tSTATE\tSOURCE"}
				for _, o := range outlets.All() {
					lines = append(lines, strings.Join([]string{plain(o.Code), o.Address, plain(o.Name), activeWord(o.OutletChanged), o.Source}, "\t"))
				}
				if _, err := fmt.Fprintln(t, strings.Join(lines, "\n")); err != nil {
					return err
				}
				return t.Flush()
			})
		},
	}
}

// Command backup-monitor watches the database backups of outlet servers.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	_ "time/tzdata" // zones also where the machine has none, as on Windows and in small images

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"backupmonitor/services/internal/config"
)

func main() {
	// A scan keeps the processor little busy and NATS keeps megabytes of the log
	// cached: collecting twice as often costs next to nothing and saves a third
	// of the memory. GOGC, where set, has the last word.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// After the first signal the next one has its usual effect: it ends us at once.
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ())
	stop()
	os.Exit(code)
}

// app is what every command shares.
type app struct {
	stdout, stderr io.Writer
	environ        []string
	terminal       bool // stderr is one: progress is drawn
	envFile        string
	logLevel       string
	config         *config.Config
}

// exitError ends the program with a code and without a message.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, environ []string) int {
	a := &app{stdout: stdout, stderr: stderr, environ: environ}
	if f, ok := stderr.(*os.File); ok {
		a.terminal = term.IsTerminal(int(f.Fd()))
	}
	root := a.rootCommand() //nolint:contextcheck // a command gets its context from ExecuteContext
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if code, ok := errors.AsType[exitError](err); ok {
		return int(code)
	}
	if err != nil {
		_, _ = fmt.Fprintf(stderr, "backup-monitor: %v\n", err)
		return 1
	}
	return 0
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "backup-monitor",
		Short: "Watches the database backups of outlet servers",
		Long: `Outlet DB Backup Monitor lists the backup folders of outlet servers over SMB, on
drive D and on a USB drive of unknown letter, and shows live which outlets made
their backups.

  backup-monitor up --demo     try it on 1000 simulated outlets
  backup-monitor up            run everything in one process
  backup-monitor config        show every setting and where it comes from

Settings come from the environment and from a .env file.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := os.Stat(a.envFile); cmd.Flags().Changed("env-file") && err != nil {
				return fmt.Errorf("--env-file: %w", err)
			}
			c, err := config.Load(a.environ, a.envFile)
			if err != nil {
				return fmt.Errorf("these settings are wrong:\n%w", err)
			}
			a.config = c
			return nil
		},
	}
	root.PersistentFlags().StringVar(&a.envFile, "env-file", ".env", "file with settings, a NAME=value on each line")
	root.PersistentFlags().StringVar(&a.logLevel, "log-level", "info", "debug, info, warn or error")
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(a.upCommand(), a.scanCommand(), a.probeCommand(), a.outletsCommand(), a.usersCommand(), a.settingsCommand(), a.credentialsCommand(), a.judgeCommand(), a.configCommand(), a.versionCommand())
	root.AddCommand(a.rebuildCommand(), a.replayCommand(), a.fsckCommand(), a.quarantineCommand())
	root.AddCommand(a.backupCommand(), a.restoreCommand(), a.archiveCommand(), a.importHistoryCommand())
	root.AddCommand(a.serviceCommands()...)
	return root
}

func (a *app) level() (slog.Level, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(a.logLevel)); err != nil {
		return l, fmt.Errorf("--log-level: %q is none of debug, info, warn, error", a.logLevel)
	}
	return l, nil
}

func (a *app) configCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "config",
		Short: "Check the settings and show them, secrets hidden",
		Long: `Checks the settings and prints each with its value, secrets hidden, and where it
comes from. Durations are written as 30s or 26h, sizes as 1KiB or 100GiB. Every
secret may also be given as <NAME>_FILE, the path of a file that holds it.

Settings marked "first state only" are stored in the log at the first start;
from then on what the log holds is in force. "backup-monitor settings" shows
that, and "backup-monitor settings apply" stores them anew.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.config.Print(a.stdout) },
	}
}

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"backupmonitor/events"
	"backupmonitor/services/internal/adoption"
	"backupmonitor/services/internal/capacity"
	"backupmonitor/services/internal/control"
	"backupmonitor/services/internal/registry"
)

// importRun is what the flags of import-history say.
type importRun struct {
	from, passwordFile     string
	dryRun, registeredOnly bool
}

func (a *app) importHistoryCommand() *cobra.Command {
	var r importRun
	c := &cobra.Command{
		Use:   "import-history --from DSN",
		Short: "Enter the rows of an older database into the log",
		Long: `Enters the rows of both backup tables of an older DBBAK into the log, each once:
run again it enters what is new and nothing twice. The older database is only
read. LEGACY_TZ says which zone its times are in (UTC). A row of its day gives
way to a look that was made on that day, and to nothing else.

--from is sqlserver://user@host?database=DBBAK, with host:port, host/instance
and encrypt=disable or certificate=FILE as need be, or the path of an SQLite
file. The password is asked for, or read as one line from standard input, or
from --password-file; where the DSN holds it nothing is asked.

Outlets are not entered: rows of one that is not registered here are shown in
the lists of their days, and nothing is scanned for it. --registered-only leaves
such rows out. Nothing ever leaves the log again: try --dry-run first, which
names those outlets. Rows that this program made from a log are no history: to
bring those back, restore that log from a backup.

A running "backup-monitor up" goes on meanwhile. What would fill the log, or the
disk of DATA_DIR, is not entered: make room, and run it again.`,
		Example: `  backup-monitor import-history --from 'sqlserver://reader@sql01?database=DBBAK' --dry-run
  LEGACY_TZ=Europe/Berlin backup-monitor import-history --from old/dbbak.db`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.importHistory(cmd.Context(), cmd.InOrStdin(), r); err != nil {
				return fmt.Errorf("import-history: %w", err)
			}
			return nil
		},
	}
	c.Flags().StringVar(&r.from, "from", "", "the older database")
	c.Flags().StringVar(&r.passwordFile, "password-file", "", "file that holds the password of --from")
	c.Flags().BoolVar(&r.dryRun, "dry-run", false, "say what would be entered, and enter nothing")
	c.Flags().BoolVar(&r.registeredOnly, "registered-only", false, "leave out the rows of outlets that are not registered here")
	_ = c.MarkFlagRequired("from") // it is a flag of this command: it cannot fail
	return c
}

func (a *app) importHistory(ctx context.Context, stdin io.Reader, r importRun) (err error) {
	src, err := openEarlier(ctx, r.from, func(user string) (string, error) { return a.askPassword(stdin, user, r.passwordFile) })
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	return a.withLog(ctx, func(ctx context.Context, log *events.Log) error { return a.enterHistory(ctx, log, src, r) })
}

func (a *app) enterHistory(ctx context.Context, log *events.Log, src earlierDatabase, r importRun) error {
	outlets, err := registry.Load(ctx, log, 0)
	if err != nil {
		return err
	}
	what := "entering"
	if r.dryRun {
		what = "reading"
	}
	bar := &progressView{app: a}
	report, err := adoption.Enter(ctx, src, log, adoption.Options{
		Zone: a.config.LegacyZone(), RowsOnly: true, DryRun: r.dryRun, RegisteredOnly: r.registeredOnly,
		Registered: func(key string) bool { _, ok := outlets.Get(key); return ok },
		Until:      events.DateOf(time.Now(), a.config.Zone()),
		Room:       func(ctx context.Context, bytes int64) error { return a.roomForHistory(ctx, log, bytes) },
		Progress: func(r adoption.Report) {
			bar.show(control.Progress{What: what, Done: uint64(r.Done()), Total: uint64(r.Total)})
		},
	})
	bar.close()
	text := importOutcome(report, r)
	if err != nil {
		if report.Done() == 0 {
			return fmt.Errorf("%w; nothing was entered", err)
		}
		_, _ = fmt.Fprint(a.stderr, text) // the error below is what matters
		if r.dryRun {
			return err
		}
		return fmt.Errorf("%w; run it again to go on: nothing is entered twice", err)
	}
	_, err = fmt.Fprint(a.stdout, text)
	return err
}

// spareForHistory is what an import leaves free on the disk of DATA_DIR: the
// tables grow with the log, and where no `up` is running only later.
const spareForHistory = 1 << 30

// roomForHistory leaves the log below the fill that is an alarm, and its disk,
// where that is known, some room. Errors: adoption.ErrNoRoom.
func (a *app) roomForHistory(ctx context.Context, log *events.Log, bytes int64) error {
	id, err := log.Identity(ctx)
	if err != nil {
		return err
	}
	left := max(0, int64(float64(id.MaxBytes)*capacity.AlarmFill)-int64(id.Bytes))
	if id.MaxBytes > 0 && bytes > left {
		return fmt.Errorf("%w: what comes next takes %s of it, and %s are left until it is %.0f %% full: set EVENTS_MAX_BYTES higher and restart `backup-monitor up`, or archive first",
			adoption.ErrNoRoom, mebibytes(bytes), mebibytes(left), 100*capacity.AlarmFill)
	}
	if a.config.NATSURL != "" {
		return nil // it is on other disks
	}
	free, err := capacity.Free(a.config.DataDir)
	if err != nil {
		return err
	}
	if uint64(bytes)+spareForHistory > free {
		return fmt.Errorf("%w: what comes next takes %s, and %s are free on the disk of DATA_DIR, of which %s are to stay so: make room on it",
			adoption.ErrNoRoom, mebibytes(bytes), mebibytes(int64(free)), mebibytes(spareForHistory))
	}
	return nil
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// mostNamed is how many outlets or rows a report names.
const mostNamed = 20

// importOutcome says what became of the rows, in counts and with reasons.
func importOutcome(r adoption.Report, run importRun) string {
	entered := "entered into the log"
	if run.dryRun {
		entered = "would be entered (dry run: nothing was)"
	}
	var out strings.Builder
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(&out, format+"\n", args...) } // to memory: it cannot fail
	for _, why := range r.Left[:min(len(r.Left), mostNamed)] {
		say("Left out: %s.", plain(why))
	}
	if n := r.Skipped - min(len(r.Left), mostNamed); n > 0 {
		say("Left out: %s more.", count(uint64(n), "row", "rows"))
	}
	if len(r.Unregistered) > 0 {
		say("%s not registered here: %s.", count(uint64(len(r.Unregistered)), "outlet with rows is", "outlets with rows are"), strangers(r.Unregistered))
		if !run.registeredOnly {
			say("Their rows are shown in the lists of their days; nothing is scanned for them. \"backup-monitor outlets import\" registers outlets.")
		}
	}
	parts := []string{fmt.Sprintf("%d %s", r.Rows, entered), fmt.Sprintf("%d in the log already", r.KnownRows)}
	for _, p := range []struct {
		n    int
		what string
	}{{r.Twice, "there twice, in another spelling"}, {r.Strange, "of outlets that are not registered left out"}, {r.Skipped, "that cannot be entered left out"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	say("%s read: %s.", count(uint64(r.Done()), "row", "rows"), strings.Join(parts, ", "))
	return out.String()
}

// strangers names outlets with their numbers of rows, those with most first.
func strangers(rows map[string]int) string {
	codes := slices.SortedFunc(maps.Keys(rows), func(a, b string) int {
		return cmp.Or(cmp.Compare(rows[b], rows[a]), strings.Compare(a, b))
	})
	var names []string
	for _, code := range codes[:min(len(codes), mostNamed)] {
		names = append(names, fmt.Sprintf("%s (%d)", plain(code), rows[code]))
	}
	text := strings.Join(names, ", ")
	if n := len(codes) - len(names); n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

// askPassword gets the password of a database: from a file, at a terminal, or
// as a line.
func (a *app) askPassword(stdin io.Reader, user, file string) (string, error) {
	if f, ok := stdin.(*os.File); ok && file == "" && term.IsTerminal(int(f.Fd())) {
		return a.prompt(f, fmt.Sprintf("Password of %s: ", plain(user)))
	}
	return a.readPassword(stdin, file)
}

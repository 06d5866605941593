package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"backupmonitor/events"
	"backupmonitor/services/internal/control"
	"backupmonitor/services/internal/store"
	"backupmonitor/services/projector/rebuild"
)

// quarantineWhole is an event in quarantine with what it says.
type quarantineWhole struct {
	Event     store.Quarantined `json:"event"`
	Dismissed *events.Dismissed `json:"dismissed,omitempty"`
}

type showRequest struct {
	Seq uint64 `json:"seq"`
}

type retryRequest struct {
	Seqs []uint64 `json:"seqs"` // none: all
}

func (m *mending) showQuarantine(ctx context.Context, r showRequest, _ func(control.Progress)) (q quarantineWhole, err error) {
	there := false
	err = rebuild.Quarantined(ctx, m.store, []uint64{r.Seq}, func(e store.Quarantined) { q.Event, there = e, true })
	switch {
	case err != nil:
		return q, err
	case !there:
		return q, notQuarantined(r.Seq)
	}
	state, _, err := m.log.Dismissed(ctx)
	if d, ok := state.Find(r.Seq); ok {
		q.Dismissed = &d
	}
	return q, err
}

// notQuarantined says what to do where an event is not there.
func notQuarantined(seq uint64) error {
	return fmt.Errorf("event %d is not in quarantine (`backup-monitor quarantine list` names those that are)", seq)
}

func (m *mending) retryQuarantine(ctx context.Context, r retryRequest, progress func(control.Progress)) ([]rebuild.Retried, error) {
	done, err := rebuild.Retry(ctx, m.store, r.Seqs, progressOf(progress))
	return slices.Concat([]rebuild.Retried{}, done), errors.Join(err, m.undismissRead(ctx, done))
}

// undismissRead takes back the dismissals of what is read by now: tables that do not
// take it some day, as others made anew, are to tell.
func (m *mending) undismissRead(ctx context.Context, done []rebuild.Retried) error {
	var read []uint64
	for _, r := range done {
		if r.Released {
			read = append(read, r.Seq)
		}
	}
	if len(read) == 0 {
		return nil
	}
	if _, err := m.dismiss(ctx, dismissRequest{Runs: events.RunsOfSeqs(read...), Undo: true}, nil); err != nil {
		return fmt.Errorf("%d events are read and no longer in quarantine, but those that were dismissed still count as that: %w", len(read), err)
	}
	return nil
}

func (a *app) quarantineCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "quarantine",
		Short: "The events of the log that could not be read or stored",
		Long: `An event that cannot be read, because it is damaged or a newer version wrote it,
or that a column in SQL Server does not take, is set aside instead of being dropped;
readiness (/readyz) is red as long as there is one that nobody has dismissed. What it
says is in no table.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return errors.New("say which: `backup-monitor quarantine list`, `show SEQ`, `retry` or `dismiss SEQ --reason TEXT`")
		},
	}
	var raw bool
	show := &cobra.Command{
		Use:   "show SEQ",
		Short: "Show one of them whole",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			seqs, err := parseSeqs(args)
			if err != nil {
				return err
			}
			return a.showQuarantined(cmd.Context(), seqs[0], raw)
		},
	}
	show.Flags().BoolVar(&raw, "raw", false, "only what it says, byte for byte; not meant for a terminal")
	c.AddCommand(a.quarantineListCommand(), show, a.dismissCommand(), &cobra.Command{
		Use:   "retry [SEQ …]",
		Short: "Read and store them once more, all or some",
		Long: `What this version can read, and the columns take by now, enters the tables, under
its own place in the log, as if it had been read at first, and leaves the quarantine.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			seqs, err := parseSeqs(args)
			if err != nil {
				return err
			}
			return a.retryQuarantined(cmd.Context(), seqs)
		},
	})
	return c
}

func parseSeqs(args []string) ([]uint64, error) {
	seqs := make([]uint64, len(args))
	for i, arg := range args {
		n, err := strconv.ParseUint(arg, 10, 63)
		if err != nil || n == 0 {
			return nil, fmt.Errorf("%q is not the sequence of an event, as `backup-monitor quarantine list` shows it", arg)
		}
		seqs[i] = n
	}
	return seqs, nil
}

// dismissedText tells people who dismissed an event and why; "no" where nobody did.
func dismissedText(d *events.Dismissed) string {
	if d == nil {
		return "no"
	}
	return fmt.Sprintf("%s, by %s: %s", d.DismissedAt.Format(time.DateOnly), plain(d.DismissedBy), plain(d.Reason))
}

func (a *app) showQuarantined(ctx context.Context, seq uint64, raw bool) error {
	var whole quarantineWhole
	if err := a.operate(ctx, opQuarantineShow, showRequest{seq}, &whole); err != nil {
		return err
	}
	q := whole.Event
	if raw {
		_, err := a.stdout.Write(q.Data)
		return err
	}
	lines := []string{
		fmt.Sprintf("Event      %d", q.Seq), "Stored     " + q.Stored.Format(time.RFC3339Nano), "Subject    " + plain(q.Subject),
		"Type       " + plain(q.Type), "Reason     " + plain(q.Reason),
		"Dismissed  " + dismissedText(whole.Dismissed), "Header",
	}
	var header map[string][]string
	if err := json.Unmarshal(q.Header, &header); err != nil {
		header = map[string][]string{"(unreadable)": {string(q.Header)}}
	}
	for name, values := range header {
		for _, v := range values {
			lines = append(lines, "  "+plain(name)+": "+plain(v))
		}
	}
	slices.Sort(lines[7:])
	lines = append(lines, fmt.Sprintf("Data       %d bytes", len(q.Data)))
	for line := range strings.Lines(strings.ToValidUTF8(string(q.Data), "\uFFFD")) {
		lines = append(lines, "  "+plain(strings.TrimRight(line, "\r\n")))
	}
	_, err := fmt.Fprintln(a.stdout, strings.Join(lines, "\n"))
	return err
}

func (a *app) retryQuarantined(ctx context.Context, seqs []uint64) error {
	var done []rebuild.Retried
	if err := a.operate(ctx, opQuarantineRetry, retryRequest{seqs}, &done); err != nil {
		return err
	}
	released := uint64(0)
	var lines []string
	for _, r := range done {
		if r.Released {
			released++
		} else {
			lines = append(lines, fmt.Sprintf("Event %d stays in quarantine: %s", r.Seq, plain(r.Reason)))
		}
	}
	lines = append(lines, fmt.Sprintf("%s read; %d stay in quarantine.", count(released, "event", "events"), uint64(len(done))-released))
	_, err := fmt.Fprintln(a.stdout, strings.Join(lines, "\n"))
	return err
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"backupmonitor/events"
	"backupmonitor/services/gateway"
	"backupmonitor/services/internal/control"
	"backupmonitor/services/internal/store"
	"backupmonitor/services/projector/rebuild"
)

// quarantineEntry is an event in quarantine, without what it says.
type quarantineEntry struct {
	Seq    uint64    `json:"seq"`
	Stored time.Time `json:"stored"`
	Type   string    `json:"type"`
	Bytes  int       `json:"bytes"`
	Reason string    `json:"reason"`

	Dismissed *events.Dismissed `json:"dismissed,omitempty"`
}

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

// quarantineListed is the most that `quarantine list` names: one more than can be
// dismissed, so that what readiness is red for is among them.
const quarantineListed = events.MostDismissed + 1

// listQuarantine has one event in memory at a time: each may have a megabyte.
func (m *mending) listQuarantine(ctx context.Context, _ struct{}, _ func(control.Progress)) ([]quarantineEntry, error) {
	aside, err := m.store.QuarantinedSeqs(ctx, quarantineListed)
	if err != nil {
		return nil, err
	}
	state, _, err := m.log.Dismissed(ctx)
	if err != nil {
		return nil, err
	}
	found, all := []quarantineEntry{}, state.BySeq()
	err = rebuild.Quarantined(ctx, m.store, aside, func(q store.Quarantined) {
		found = append(found, quarantineEntry{Seq: q.Seq, Stored: q.Stored, Type: q.Type, Bytes: len(q.Data), Reason: q.Reason, Dismissed: dismissalOf(all, q.Seq)})
	})
	return found, err
}

// dismissalOf is nil where the event is not dismissed.
func dismissalOf(all map[uint64]events.Dismissed, seq uint64) *events.Dismissed {
	if d, ok := all[seq]; ok {
		return &d
	}
	return nil
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
	q.Dismissed = dismissalOf(state.BySeq(), r.Seq)
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
	_, err := m.dismiss(ctx, dismissRequest{Seqs: read, Undo: true}, nil)
	return err
}

// quarantineCheck tells, for readiness, that events could not be read or stored, and
// nobody has dismissed them: what they say is in no table. Anybody may ask, so that it
// reads no events, holds nothing that the projector waits for, and reads no more
// sequences than can be dismissed. Why they are there the projector has logged.
func quarantineCheck(db store.Backend, log *events.Log) gateway.Check {
	return gateway.Check{Name: "quarantine", Run: func(ctx context.Context) (detail string, err error) {
		aside, err := db.QuarantinedSeqs(ctx, events.MostDismissed+1)
		if err != nil {
			return "unknown: the database does not answer", err
		}
		if len(aside) == 0 {
			return "", nil
		}
		state, _, err := log.Dismissed(ctx)
		if err != nil {
			return "unknown: the log does not answer", err
		}
		all := state.BySeq()
		i := slices.IndexFunc(aside, func(seq uint64) bool { _, ok := all[seq]; return !ok })
		switch {
		case i >= 0:
			return undismissed, fmt.Errorf("event %d of the log, and maybe others, could not be read or stored: `backup-monitor quarantine show %d` says why", aside[i], aside[i])
		case len(aside) > events.MostDismissed:
			return undismissed, fmt.Errorf("more than %d events are in quarantine: the older ones are not looked at", events.MostDismissed)
		case len(aside) == 1:
			return "1 event of the log that cannot be read or stored is dismissed", nil
		}
		return fmt.Sprintf("%d events of the log that cannot be read or stored are dismissed", len(aside)), nil
	}}
}

const undismissed = "events of the log could not be read or stored; see `backup-monitor quarantine list`"

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
	c.AddCommand(show, a.dismissCommand(), &cobra.Command{
		Use:   "list",
		Short: "List them, newest first",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.listQuarantined(cmd.Context()) },
	}, &cobra.Command{
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

func (a *app) listQuarantined(ctx context.Context) error {
	var found []quarantineEntry
	if err := a.operate(ctx, opQuarantineList, struct{}{}, &found); err != nil {
		return err
	}
	if len(found) == 0 {
		_, err := fmt.Fprintln(a.stdout, "The quarantine is empty.")
		return err
	}
	t := tabwriter.NewWriter(a.stdout, 0, 4, 2, ' ', 0)
	lines := []string{"EVENT\tSTORED\tTYPE\tBYTES\tDISMISSED\tREASON"}
	for _, q := range found {
		lines = append(lines, fmt.Sprintf("%d\t%s\t%s\t%d\t%s\t%s", q.Seq, q.Stored.Format(time.RFC3339), plain(q.Type), q.Bytes, dismissal(q.Dismissed), plain(q.Reason)))
	}
	if len(found) == quarantineListed {
		lines = append(lines, fmt.Sprintf("(the newest %d)", quarantineListed))
	}
	if _, err := fmt.Fprintln(t, strings.Join(lines, "\n")); err != nil {
		return err
	}
	return t.Flush()
}

// dismissal tells people who dismissed an event and why; "no" where nobody did.
func dismissal(d *events.Dismissed) string {
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
		"Dismissed  " + dismissal(whole.Dismissed), "Header",
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

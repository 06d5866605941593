package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"backupmonitor/events"
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
}

// dismissal is events that were dismissed at once, for one reason.
type dismissal struct {
	Run    events.Run `json:"run"` // from the first to the last; others may be between
	Count  uint64     `json:"count"`
	Reason string     `json:"reason"`
	By     string     `json:"by"`
	At     time.Time  `json:"at"`
}

// quarantineList is the newest of what nobody has dismissed, newest first, and all
// dismissals.
type quarantineList struct {
	Events    []quarantineEntry `json:"events"`
	More      bool              `json:"more"` // there are older ones, too
	Dismissed []dismissal       `json:"dismissed"`
}

// quarantineListed is the most that `quarantine list` names.
const quarantineListed = 1000

// listQuarantine has one event in memory at a time: each may have a megabyte.
func (m *mending) listQuarantine(ctx context.Context, _ struct{}, _ func(control.Progress)) (list quarantineList, err error) {
	state, _, err := m.log.Dismissed(ctx)
	if err != nil {
		return list, err
	}
	for _, d := range state.Events {
		if seqs := d.Sequences(); len(seqs) > 0 {
			between := events.Run{First: seqs[0].First, Last: seqs[len(seqs)-1].Last}
			list.Dismissed = append(list.Dismissed, dismissal{Run: between, Count: seqs.Count(), Reason: d.Reason, By: d.DismissedBy, At: d.DismissedAt})
		}
	}
	seqs, err := undismissed(ctx, m.store, state.Sequences(), quarantineListed+1)
	if err != nil {
		return list, err
	}
	list.More = len(seqs) > quarantineListed
	err = rebuild.Quarantined(ctx, m.store, seqs[:min(len(seqs), quarantineListed)], func(q store.Quarantined) {
		list.Events = append(list.Events, quarantineEntry{Seq: q.Seq, Stored: q.Stored, Type: q.Type, Bytes: len(q.Data), Reason: q.Reason})
	})
	return list, err
}

func (a *app) quarantineListCommand() *cobra.Command {
	var dismissed bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List those that nobody has dismissed, newest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var found quarantineList
			if err := a.operate(cmd.Context(), opQuarantineList, struct{}{}, &found); err != nil {
				return err
			}
			lines := found.undismissedLines()
			if dismissed {
				lines = found.dismissedLines()
			}
			t := tabwriter.NewWriter(a.stdout, 0, 4, 2, ' ', 0)
			if _, err := fmt.Fprintln(t, strings.Join(lines, "\n")); err != nil {
				return err
			}
			return t.Flush()
		},
	}
	c.Flags().BoolVar(&dismissed, "dismissed", false, "what is dismissed instead, by whom, and why")
	return c
}

func (l quarantineList) undismissedLines() (lines []string) {
	if len(l.Events) > 0 {
		lines = append(lines, "EVENT\tSTORED\tTYPE\tBYTES\tREASON")
	}
	for _, q := range l.Events {
		lines = append(lines, fmt.Sprintf("%d\t%s\t%s\t%d\t%s", q.Seq, q.Stored.Format(time.RFC3339), plain(q.Type), q.Bytes, plain(q.Reason)))
	}
	var n uint64
	for _, d := range l.Dismissed {
		n += d.Count
	}
	switch {
	case l.More:
		lines = append(lines, fmt.Sprintf("(the newest %d)", len(l.Events)))
	case len(l.Events) == 0 && n == 0:
		lines = append(lines, "The quarantine is empty.")
	case len(l.Events) == 0:
		lines = append(lines, "All that is in quarantine is dismissed.")
	}
	if n > 0 {
		lines = append(lines, fmt.Sprintf("(dismissed: %s; see --dismissed)", count(n, "event", "events")))
	}
	return lines
}

func (l quarantineList) dismissedLines() []string {
	if len(l.Dismissed) == 0 {
		return []string{"Nothing is dismissed."}
	}
	lines := []string{"EVENTS\tCOUNT\tDISMISSED\tBY\tREASON"}
	for _, d := range l.Dismissed {
		lines = append(lines, fmt.Sprintf("%s\t%d\t%s\t%s\t%s", d.Run, d.Count, d.At.Format(time.RFC3339), plain(d.By), plain(d.Reason)))
	}
	return lines
}

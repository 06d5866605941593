package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"backupmonitor/events"
	"backupmonitor/services/internal/control"
	"backupmonitor/services/internal/store"
	"backupmonitor/services/projector/rebuild"
)

type dismissRequest struct {
	Seqs   []uint64 `json:"seqs"`
	Reason string   `json:"reason,omitempty"`
	Undo   bool     `json:"undo,omitempty"` // take the dismissal back
}

// dismissed says what became of one event.
type dismissed struct {
	Seq     uint64 `json:"seq"`
	Changed bool   `json:"changed"` // else it was so before
}

// dismissTries is how often others who dismiss may come between.
const dismissTries = 1000

// dismiss notes in the log that events in quarantine are nothing to wait for, or
// that they are after all. All of them are noted, or none.
func (m *mending) dismiss(ctx context.Context, r dismissRequest, _ func(control.Progress)) (done []dismissed, err error) {
	slices.Sort(r.Seqs)
	r.Seqs = slices.Compact(r.Seqs)
	if !r.Undo {
		if r.Reason, err = parseReason(r.Reason); err == nil {
			err = m.allQuarantined(ctx, r.Seqs)
		}
		if err != nil {
			return nil, err
		}
	}
	if done, err = m.noteDismissed(ctx, r); err != nil {
		return nil, err
	}
	details := map[string]string{"change": "dismissed", "reason": r.Reason}
	if r.Undo {
		details = map[string]string{"change": "dismissal taken back"}
	}
	for _, d := range done {
		if !d.Changed {
			continue
		}
		if err := tell(ctx, m.log, events.EventDismissed, fmt.Sprint(d.Seq), details); err != nil {
			return nil, err
		}
	}
	return done, nil
}

// parseReason keeps what people are to read in one line, and short.
func parseReason(text string) (string, error) {
	text = strings.TrimSpace(text)
	n := utf8.RuneCountInString(text)
	switch {
	case n == 0:
		return "", errors.New(`say why it is nothing to wait for: --reason "garbage that a test published"`)
	case n > events.LongestReason:
		return "", fmt.Errorf("--reason has %d characters: at most %d are kept", n, events.LongestReason)
	case plain(text) != text: // lists and the audit trail show it as it is
		return "", errors.New("--reason must be one line of plain text")
	}
	return text, nil
}

// allQuarantined refuses events that are not in quarantine: nothing that is read, or
// is yet to come, can be dismissed.
func (m *mending) allQuarantined(ctx context.Context, seqs []uint64) error {
	if len(seqs) > events.MostDismissed {
		return tooManyDismissed()
	}
	there := map[uint64]bool{}
	if err := rebuild.Quarantined(ctx, m.store, seqs, func(q store.Quarantined) { there[q.Seq] = true }); err != nil {
		return err
	}
	if i := slices.IndexFunc(seqs, func(seq uint64) bool { return !there[seq] }); i >= 0 {
		return notQuarantined(seqs[i])
	}
	return nil
}

func tooManyDismissed() error {
	return fmt.Errorf("nothing was dismissed: at most %d events can be at a time. So many are no accident: "+
		"see who publishes them, and take back with --undo what need not stay dismissed", events.MostDismissed)
}

// noteDismissed changes the state in the log, and says what of it is new.
func (m *mending) noteDismissed(ctx context.Context, r dismissRequest) ([]dismissed, error) {
	for range dismissTries {
		// First where the subject ends, then what it says: what comes between is a
		// conflict. An event there that cannot be read is written over, also a newer
		// version's: what is lost with it can only turn readiness red.
		last, err := m.log.Last(ctx, events.SubjectDismissed)
		if err != nil && !errors.Is(err, events.ErrNotFound) {
			return nil, err
		}
		state, _, err := m.log.Dismissed(ctx)
		if err != nil {
			return nil, err
		}
		state.Previous, state.ChangedBy, state.ChangedAt = last.Seq, events.ActorCommandLine, time.Now().UTC()
		done := r.apply(&state)
		switch {
		case !slices.ContainsFunc(done, func(d dismissed) bool { return d.Changed }):
			return done, nil
		case !r.Undo && len(state.Events) > events.MostDismissed:
			return nil, tooManyDismissed()
		}
		if _, err = m.log.Write(ctx, state, last.Seq); err == nil {
			return done, nil
		}
		if !errors.Is(err, events.ErrConflict) {
			return nil, fmt.Errorf("note in the log what is dismissed: %w", err)
		}
	}
	return nil, fmt.Errorf("note in the log what is dismissed: %w", events.ErrConflict)
}

// apply changes the state, and says what of the request was not so before.
func (r dismissRequest) apply(state *events.LogDismissed) []dismissed {
	all := state.BySeq()
	done := make([]dismissed, len(r.Seqs))
	for i, seq := range r.Seqs {
		was, there := all[seq]
		done[i] = dismissed{Seq: seq, Changed: r.Undo && there || !r.Undo && (!there || was.Reason != r.Reason)}
		switch {
		case r.Undo:
			delete(all, seq)
		case done[i].Changed:
			all[seq] = events.Dismissed{Seq: seq, Reason: r.Reason, DismissedBy: state.ChangedBy, DismissedAt: state.ChangedAt}
		}
	}
	state.Events = make([]events.Dismissed, 0, len(all))
	for _, d := range all {
		state.Events = append(state.Events, d)
	}
	slices.SortFunc(state.Events, func(a, b events.Dismissed) int { return cmp.Compare(a.Seq, b.Seq) })
	return done
}

func (a *app) dismissCommand() *cobra.Command {
	var r dismissRequest
	c := &cobra.Command{
		Use:   "dismiss SEQ …",
		Short: "Say that some of them are nothing to wait for",
		Long: `For what no version will ever read, as garbage that somebody published. Look at it
first (` + "`backup-monitor quarantine show SEQ`" + `); whoever can publish such can publish looks, too,
so find out who did.

Readiness is green again once every event in quarantine is dismissed, and ` + "`archive`" + `
goes on where such a one stood in its way. Nothing else changes: they stay in the log
and in quarantine, and what they say is in no table. The log keeps who dismissed what
and why, so that restarts, rebuilds and backups know it, and the audit trail tells of
it. What a newer version wrote, or a column does not take, is better read once more:
see ` + "`quarantine retry`" + `, which ends the dismissal of what it can read.

Each needs --reason; --undo takes a dismissal back. At most ` + fmt.Sprint(events.MostDismissed) + ` can be dismissed at a
time.`,
		Example: `  backup-monitor quarantine dismiss 4711 4712 --reason "published by a load test, 3 March"
  backup-monitor quarantine dismiss --undo 4711`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if r.Seqs, err = parseSeqs(args); err != nil {
				return err
			}
			return a.dismissQuarantined(cmd.Context(), r)
		},
	}
	c.Flags().StringVar(&r.Reason, "reason", "", "why it is nothing to wait for, in a line")
	c.Flags().BoolVar(&r.Undo, "undo", false, "take the dismissal back")
	c.MarkFlagsMutuallyExclusive("reason", "undo")
	return c
}

func (a *app) dismissQuarantined(ctx context.Context, r dismissRequest) error {
	var done []dismissed
	if err := a.operate(ctx, opQuarantineDismiss, r, &done); err != nil {
		return err
	}
	changed, as := "is dismissed.", "was dismissed before, for the same reason."
	if r.Undo {
		changed, as = "is no longer dismissed.", "was not dismissed."
	}
	lines := make([]string, len(done))
	for i, d := range done {
		lines[i] = fmt.Sprintf("Event %d %s", d.Seq, as)
		if d.Changed {
			lines[i] = fmt.Sprintf("Event %d %s", d.Seq, changed)
		}
	}
	_, err := fmt.Fprintln(a.stdout, strings.Join(lines, "\n"))
	return err
}

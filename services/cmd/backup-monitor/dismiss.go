package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"backupmonitor/events"
	"backupmonitor/services/internal/control"
)

type dismissRequest struct {
	Runs   []events.Run `json:"runs"`
	Reason string       `json:"reason,omitempty"`
	Undo   bool         `json:"undo,omitempty"` // take the dismissal back
}

// dismissTries is how often others who dismiss may come between.
const dismissTries = 1000

// dismiss notes in the log that events in quarantine are nothing to wait for, or
// that they are after all. All of them are noted, or none.
func (m *mending) dismiss(ctx context.Context, r dismissRequest, _ func(control.Progress)) (done []dismissed, err error) {
	meant := make([]aside, len(r.Runs))
	for i, run := range r.Runs {
		meant[i] = aside{run: run, seqs: events.RunsOf(run)}
	}
	if !r.Undo {
		if r.Reason, err = parseReason(r.Reason); err == nil {
			meant, err = m.allQuarantined(ctx, r.Runs)
		}
		if err != nil {
			return nil, err
		}
	}
	if done, err = m.noteDismissed(ctx, r, meant); err != nil {
		return nil, err
	}
	if !r.Undo {
		if err := m.undismissGone(ctx, meant); err != nil {
			return nil, err
		}
	}
	return done, m.tellDismissed(ctx, r, done)
}

// undismissGone takes the dismissal back of what was read while it was noted: tables
// that do not take it some day, as others made anew, are to tell. What is read from now
// on takes it back by itself.
func (m *mending) undismissGone(ctx context.Context, meant []aside) error {
	var noted, there []events.Run
	for _, was := range meant {
		now, err := asideIn(ctx, m.store, was.run)
		if err != nil {
			return err
		}
		noted, there = append(noted, was.seqs...), append(there, now.seqs...)
	}
	gone := events.RunsOf(noted...).Without(events.RunsOf(there...))
	if len(gone) == 0 {
		return nil
	}
	_, err := m.noteDismissed(ctx, dismissRequest{Undo: true}, []aside{{seqs: gone}})
	return err
}

func (m *mending) tellDismissed(ctx context.Context, r dismissRequest, done []dismissed) error {
	for _, d := range done {
		details := map[string]string{"change": "dismissed", "reason": r.Reason}
		if r.Undo {
			details = map[string]string{"change": "dismissal taken back"}
		}
		if d.Run.First != d.Run.Last {
			details["events"] = fmt.Sprint(d.Changed)
		}
		if d.Changed == 0 {
			continue
		}
		if err := tell(ctx, m.log, events.EventDismissed, d.Run.String(), details); err != nil {
			return err
		}
	}
	return nil
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

// allQuarantined is what of each run is in quarantine. It refuses one of which nothing
// is: nothing that is read, or is yet to come, can be dismissed.
func (m *mending) allQuarantined(ctx context.Context, runs []events.Run) ([]aside, error) {
	found := make([]aside, len(runs))
	for i, run := range runs {
		var err error
		if found[i], err = asideIn(ctx, m.store, run); err != nil {
			return nil, err
		}
		switch {
		case len(found[i].seqs) > 0:
		case len(found[i].left) > 0:
			return nil, fmt.Errorf("of the events %s none is in quarantine but %s", run, columnsFirst(found[i].left))
		case run.First == run.Last:
			return nil, notQuarantined(run.First)
		default:
			return nil, fmt.Errorf("of the events %s none is in quarantine (`backup-monitor quarantine list` names those that are)", run)
		}
	}
	return found, nil
}

// noteDismissed changes the state in the log, and says what of it is new.
func (m *mending) noteDismissed(ctx context.Context, r dismissRequest, meant []aside) ([]dismissed, error) {
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
		done := r.apply(&state, meant)
		if !slices.ContainsFunc(done, func(d dismissed) bool { return d.Changed > 0 }) {
			return done, nil
		}
		if text, err := json.Marshal(state); err != nil {
			return nil, err
		} else if len(text) > events.LargestDismissed {
			return nil, errTooManyDismissed
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

// errTooManyDismissed says that the list of what is dismissed would not fit into an
// event. An undo of some in a long run can be too much, too.
var errTooManyDismissed = fmt.Errorf("nothing was dismissed, nor taken back: the list of what is dismissed would have over %d kB. "+
	"Events that follow one another take little room, and each reason takes some: take back with --undo A-B what was "+
	"dismissed one by one, and dismiss it as A-B", events.LargestDismissed>>10)

// apply changes the state, and says what of the request was not so before. A range
// leaves to others what they have dismissed; an event that is named is given the reason.
func (r dismissRequest) apply(state *events.LogDismissed, meant []aside) []dismissed {
	var alike []events.Run
	for _, d := range state.Events {
		if d.Reason == r.Reason {
			alike = append(alike, d.Sequences()...)
		}
	}
	before, same := state.Sequences(), events.RunsOf(alike...)
	done := make([]dismissed, len(meant))
	var change events.Runs
	for i, m := range meant {
		fresh := m.seqs.Without(before)
		switch {
		case r.Undo:
			m.seqs = m.seqs.Within(before)
			fresh = m.seqs
		case m.run.First == m.run.Last:
			fresh = m.seqs.Without(same)
		}
		fresh = fresh.Without(change) // what two runs have is told of once
		done[i] = dismissed{Run: m.run, Count: m.seqs.Count(), Changed: fresh.Count(), Types: m.types(), Left: m.left}
		change = events.RunsOf(slices.Concat(change, fresh)...)
	}
	var rest []events.Dismissed
	for _, d := range state.Events {
		if seqs := d.Sequences().Without(change); len(seqs) > 0 {
			rest = append(rest, d.Covering(seqs))
		}
	}
	if !r.Undo && len(change) > 0 {
		rest = append(rest, events.Dismissed{Reason: r.Reason, DismissedBy: state.ChangedBy, DismissedAt: state.ChangedAt}.Covering(change))
	}
	slices.SortFunc(rest, func(a, b events.Dismissed) int { return cmp.Compare(a.Seq, b.Seq) })
	state.Events = rest
	return done
}

func (a *app) dismissCommand() *cobra.Command {
	var r dismissRequest
	c := &cobra.Command{
		Use:   "dismiss {SEQ | FIRST-LAST} …",
		Short: "Say that some of them are nothing to wait for",
		Long: `For what no version will ever read, as garbage that somebody published. Look at it
first (` + "`backup-monitor quarantine show SEQ`" + `); whoever can publish such can publish looks, too,
so find out who did, and give them another password. Of a range all is dismissed that
is in quarantine by now and cannot be read; the answer says of which types it was. What
can be read, and a column did not take, is left, as is what is dismissed already.

Readiness is green again once every event in quarantine is dismissed, and ` + "`archive`" + `
goes on where such a one stood in its way. Nothing else changes: they stay in the log
and in quarantine, and what they say is in no table. The log keeps who dismissed what
and why, so that restarts, rebuilds and backups know it, and the audit trail tells of
it. What a newer version wrote, or a column does not take, is better read once more:
see ` + "`quarantine retry`" + `, which ends the dismissal of what it can read.

Each needs --reason; --undo takes a dismissal back.`,
		Example: `  backup-monitor quarantine dismiss 4711 4720-9800 --reason "published by a load test, 3 March"
  backup-monitor quarantine dismiss --undo 4711`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if r.Runs, err = parseRuns(args); err != nil {
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

// parseRuns takes each run once.
func parseRuns(args []string) (runs []events.Run, err error) {
	for _, arg := range args {
		first, last, ranged := strings.Cut(arg, "-")
		if !ranged {
			last = first
		}
		seqs, err := parseSeqs([]string{first, last})
		if err != nil {
			return nil, err
		}
		run := events.Run{First: seqs[0], Last: seqs[1]}
		if run.Last < run.First {
			return nil, fmt.Errorf("%q ends before it begins: write the smaller sequence first", arg)
		}
		if !slices.Contains(runs, run) {
			runs = append(runs, run)
		}
	}
	return runs, nil
}

func (a *app) dismissQuarantined(ctx context.Context, r dismissRequest) error {
	var done []dismissed
	if err := a.operate(ctx, opQuarantineDismiss, r, &done); err != nil {
		return err
	}
	lines := make([]string, len(done))
	for i, d := range done {
		lines[i] = d.sentence(r.Undo)
	}
	_, err := fmt.Fprintln(a.stdout, strings.Join(lines, "\n"))
	return err
}

package logfile

import (
	"context"
	"errors"
	"fmt"

	"backupmonitor/events"
)

// archived is what was archived so far, and the sequence at which all that was noted
// of it ends. What cannot be read of that must be dismissed: what a newer version
// noted must not be written over, and garbage must not be in the way for ever.
func (a *Archiver) archived(ctx context.Context) (state events.LogArchived, end uint64, err error) {
	last, err := a.Log.Last(ctx, events.SubjectArchived)
	if err != nil && !errors.Is(err, events.ErrNotFound) {
		return state, 0, err
	}
	state, seq, err := a.Log.Archived(ctx)
	if err != nil || seq >= last.Seq {
		return state, seq, err
	}
	dismissed, _, err := a.Log.Dismissed(ctx)
	if err != nil {
		return state, 0, err
	}
	all := dismissed.Sequences()
	for r, err := range a.Log.Read(ctx, events.FeedOptions{From: seq + 1, Subjects: []string{events.SubjectArchived}}) {
		if err != nil {
			return state, 0, err
		}
		if _, err := r.Decode(); err == nil {
			continue // noted meanwhile: to note at end is refused then
		}
		if _, known := all.Find(r.Seq); !known {
			return state, 0, fmt.Errorf("event %d, which says what is archived, cannot be read: use the version of backup-monitor that wrote it, or a newer one; "+
				"if it is garbage that somebody published, dismiss it with `backup-monitor quarantine dismiss`", r.Seq)
		}
	}
	return state, last.Seq, nil
}

// note changes the state of what is archived.
func (a *Archiver) note(ctx context.Context, change func(*events.LogArchived)) error {
	state, end, err := a.archived(ctx)
	if err != nil {
		return err
	}
	change(&state)
	state.Previous, state.ChangedBy, state.ChangedAt = end, a.By, a.Now().UTC()
	if _, err := a.Log.Write(ctx, state, end); err != nil {
		return fmt.Errorf("note in the log what is archived: %w", err)
	}
	return nil
}

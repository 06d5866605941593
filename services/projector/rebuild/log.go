// Package rebuild makes the tables anew from the log, beside those that there
// are: to put right what differs, to say what differs, or to have a whole
// database as of any moment.
package rebuild

import (
	"context"
	"fmt"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/logfile"
)

// Log is the whole log, from its first event on.
type Log interface {
	// Identity is the log's. Errors: logfile.ErrNoArchive and
	// logfile.ErrDamaged, beside which the rest is told; the network's.
	Identity(ctx context.Context) (events.Identity, error)
	// Restored is what the log was restored from, and the sequence of the event
	// that says so.
	Restored(ctx context.Context) (events.LogRestored, uint64, error)
	// Dismissed is which events are dismissed, and the sequence of the event that
	// says so.
	Dismissed(ctx context.Context) (events.LogDismissed, uint64, error)
	// Read hands the events of the sequences from to to, both included, to
	// each, in order and without a gap; each's error ends it and is returned.
	// Errors: logfile.ErrIncomplete, logfile.ErrNoArchive, logfile.ErrDamaged,
	// events.ErrStalled, the network's.
	Read(ctx context.Context, from, to uint64, each func(events.Record) error) error
	// SequenceAt is the sequence of the last event stored by t, 0 without one.
	SequenceAt(ctx context.Context, t time.Time) (uint64, error)
}

// whole tells why no table can be made from the log.
func whole(id events.Identity) error {
	switch {
	case id.FirstSeq > 1:
		return fmt.Errorf("%w: it begins at event %d", logfile.ErrIncomplete, id.FirstSeq)
	case id.Missing > 0:
		return fmt.Errorf("%w: %d of the events up to %d are not there", logfile.ErrIncomplete, id.Missing, id.LastSeq)
	}
	return nil
}

// Package rebuild makes the tables anew from the log, beside those that there
// are: to put right what differs, to say what differs, or to have a whole
// database as of any moment.
package rebuild

import (
	"context"
	"errors"
	"fmt"
	"time"

	"backupmonitor/events"
)

// ErrIncomplete says that the log does not hold every event from the first on,
// so that no table can be made from it.
var ErrIncomplete = errors.New("the log is not whole")

// Log is the whole log, from its first event on.
type Log interface {
	Identity(ctx context.Context) (events.Identity, error)
	// Restored is what the log was restored from, and the sequence of the event
	// that says so.
	Restored(ctx context.Context) (events.LogRestored, uint64, error)
	// Read hands the events of the sequences from to to, both included, to
	// each, in order and without a gap; each's error ends it and is returned.
	// Errors: ErrIncomplete, events.ErrStalled, the network's.
	Read(ctx context.Context, from, to uint64, each func(events.Record) error) error
	// SequenceAt is the sequence of the last event stored by t, 0 without one.
	SequenceAt(ctx context.Context, t time.Time) (uint64, error)
}

// Live is the log as the server holds it.
func Live(log *events.Log) Log { return live{log} }

type live struct{ *events.Log }

// Read implements Log.
func (l live) Read(ctx context.Context, from, to uint64, each func(events.Record) error) error {
	if from > to {
		return nil
	}
	feed, err := l.Feed(ctx, events.FeedOptions{From: from})
	if err != nil {
		return err
	}
	defer feed.Stop()
	for want := from; want <= to; want++ {
		r, err := feed.Next(ctx)
		if err != nil {
			return fmt.Errorf("event %d: %w", want, err)
		}
		if r.Seq != want {
			return fmt.Errorf("%w: event %d is missing, the next is %d", ErrIncomplete, want, r.Seq)
		}
		if err := each(r); err != nil {
			return err
		}
	}
	return nil
}

// whole tells why no table can be made from the log.
func whole(id events.Identity) error {
	switch {
	case id.FirstSeq > 1:
		return fmt.Errorf("%w: it begins at event %d", ErrIncomplete, id.FirstSeq)
	case id.Missing > 0:
		return fmt.Errorf("%w: %d of the events up to %d are not there", ErrIncomplete, id.Missing, id.LastSeq)
	}
	return nil
}

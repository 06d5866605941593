package scan

import (
	"context"
	"fmt"

	"backupmonitor/events"
)

// Update is one step of a scan that is being followed. Exactly one step of a
// scan has Completed, and it is the last.
type Update struct {
	// Progress is nil where the scan has ended without a start. It may be used
	// until the callback returns.
	Progress *Progress
	// Look is the look that counted; nil in the first step, which tells that
	// the scan has started, and in the last.
	Look      *events.BackupObserved
	Completed *events.ScanCompleted
}

// Follow reports a scan's steps, from its start, whenever it began, to its
// completion: the start, every look that counts (in the given modes; none: all
// of the scan's), the end, also of a scan that has ended long ago. Of one that
// ended without a start it reports the end alone.
// An error of each ends it and is returned. Other errors: events.ErrNotFound
// where no scan of this id was asked for, ctx's, or the network's.
//
// A running Follow holds a consumer on the server. Whoever serves many
// followers of a scan shares one among them.
func Follow(
	ctx context.Context, log *events.Log, scanID string, each func(Update) error, only ...events.Mode,
) error {
	requested, err := log.Last(ctx, events.RequestedSubject(scanID))
	if err != nil {
		return fmt.Errorf("follow scan %s: %w", scanID, err)
	}
	started, ended, err := awaitStart(ctx, log, scanID, requested.Seq)
	if err != nil {
		return fmt.Errorf("follow scan %s: %w", scanID, err)
	}
	if ended != nil {
		return each(Update{Completed: ended})
	}
	return followStarted(ctx, log, started, each, only)
}

// Started reads a scan's ScanStarted. Errors: events.ErrNotFound before it has
// started.
func Started(ctx context.Context, log *events.Log, scanID string) (events.ScanStarted, error) {
	return last[events.ScanStarted](ctx, log, events.StartedSubject(scanID))
}

// Completed reads a scan's ScanCompleted. Errors: events.ErrNotFound before it
// has ended.
func Completed(ctx context.Context, log *events.Log, scanID string) (events.ScanCompleted, error) {
	return last[events.ScanCompleted](ctx, log, events.CompletedSubject(scanID))
}

// Requested reads a scan's ScanRequested and its position. Errors:
// events.ErrNotFound where there is none of this id.
func Requested(ctx context.Context, log *events.Log, scanID string) (events.ScanRequested, uint64, error) {
	r, err := log.Last(ctx, events.RequestedSubject(scanID))
	if err != nil {
		return events.ScanRequested{}, 0, err
	}
	p, err := decode[events.ScanRequested](r)
	return p, r.Seq, err
}

func last[T events.Payload](ctx context.Context, log *events.Log, subject string) (T, error) {
	r, err := log.Last(ctx, subject)
	if err != nil {
		var zero T
		return zero, err
	}
	return decode[T](r)
}

func decode[T events.Payload](r events.Record) (T, error) {
	var zero T
	e, err := r.Decode()
	if err != nil {
		return zero, err
	}
	p, ok := e.Data.(T)
	if !ok {
		return zero, fmt.Errorf("event %d on %s: %w: it is a %s", r.Seq, r.Subject, events.ErrMalformed, e.Data.Type())
	}
	return p, nil
}

// awaitStart waits until the scan has started, or ended without: a scan that
// is cancelled early never starts.
func awaitStart(
	ctx context.Context, log *events.Log, scanID string, from uint64,
) (started events.ScanStarted, ended *events.ScanCompleted, err error) {
	feed, err := log.Feed(ctx, events.FeedOptions{
		From:     from,
		Subjects: []string{events.StartedSubject(scanID), events.CompletedSubject(scanID)},
	})
	if err != nil {
		return started, nil, err
	}
	defer feed.Stop()
	r, err := feed.Next(ctx)
	if err != nil {
		return started, nil, err
	}
	if r.Subject == events.CompletedSubject(scanID) {
		c, err := decode[events.ScanCompleted](r)
		return started, &c, err
	}
	started, err = decode[events.ScanStarted](r)
	return started, nil, err
}

func followStarted(
	ctx context.Context, log *events.Log, started events.ScanStarted, each func(Update) error, only []events.Mode,
) error {
	p := NewProgress(started, only...)
	feed, err := log.Feed(ctx, events.FeedOptions{From: started.Position(), Subjects: Subjects(started, only...)})
	if err != nil {
		return fmt.Errorf("follow scan %s: %w", started.ScanID, err)
	}
	defer feed.Stop()
	if err := each(Update{Progress: p}); err != nil {
		return err
	}
	for {
		r, err := feed.Next(ctx)
		if err != nil {
			return fmt.Errorf("follow scan %s: %w", started.ScanID, err)
		}
		e, err := r.Decode()
		if err != nil {
			continue // what cannot be read counts for nobody; the projector quarantines it
		}
		switch d := e.Data.(type) {
		case events.ScanCompleted:
			if d.ScanID == started.ScanID {
				return each(Update{Progress: p, Completed: &d})
			}
		case events.BackupObserved:
			if !p.Apply(d) {
				continue
			}
			if err := each(Update{Progress: p, Look: &d}); err != nil {
				return err
			}
		}
	}
}

package logfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"backupmonitor/events"
)

// Whole is a log with its archives, from its first event on: what a fold of
// everything reads.
type Whole struct {
	Log      *events.Log
	Archives string // directory of the archives
}

// Identity is the log's, as of one that was never archived. Errors:
// ErrNoArchive and ErrDamaged where an archive is not there or another, or the
// log's.
func (w Whole) Identity(ctx context.Context) (events.Identity, error) {
	id, err := w.Log.Identity(ctx)
	if err != nil || id.Archived == 0 {
		return id, err
	}
	id.FirstSeq = 1
	return id, Check(ctx, w.Log, w.Archives, 1)
}

// Restored is the log's.
func (w Whole) Restored(ctx context.Context) (events.LogRestored, uint64, error) {
	return w.Log.Restored(ctx)
}

// Dismissed is the log's.
func (w Whole) Dismissed(ctx context.Context) (events.LogDismissed, uint64, error) {
	return w.Log.Dismissed(ctx)
}

// Read hands the events of the sequences from to to, both included, to each, in
// order and without a gap; each's error ends it and is returned. Errors: those
// of Sequence.
func (w Whole) Read(ctx context.Context, from, to uint64, each func(events.Record) error) error {
	from = max(from, 1)
	if from > to {
		return nil
	}
	s, err := Read(ctx, w.Log, w.Archives, from)
	if err != nil {
		return err
	}
	defer s.Stop()
	for range to - from + 1 {
		r, err := s.Next(ctx)
		if err != nil {
			return err
		}
		if err := each(r); err != nil {
			return err
		}
	}
	return nil
}

// SequenceAt is the sequence of the last event stored by t, 0 without one. The
// log alone cannot tell it of a time whose events were archived: the next that
// it has may have been stored much later.
func (w Whole) SequenceAt(ctx context.Context, t time.Time) (uint64, error) {
	archived, _, err := w.Log.Archived(ctx)
	if err != nil {
		return 0, err
	}
	last := uint64(0)
	for _, a := range archived.Archives {
		r, err := openArchive(w.Archives, a)
		if err != nil {
			return 0, err
		}
		at, later, err := r.lastBy(ctx, t)
		if err != nil {
			return 0, err
		}
		last = max(last, at)
		if later {
			return last, nil
		}
	}
	return w.liveAt(ctx, last, t)
}

// liveAt is SequenceAt for events after those that were archived.
func (w Whole) liveAt(ctx context.Context, archived uint64, t time.Time) (uint64, error) {
	id, err := w.Log.Identity(ctx)
	if err != nil {
		return 0, err
	}
	feed, err := w.Log.Feed(ctx, events.FeedOptions{Since: t.Add(1)})
	if err != nil {
		return 0, err
	}
	defer feed.Stop()
	if feed.Initial == 0 {
		return id.LastSeq, nil
	}
	r, err := feed.Next(ctx)
	if err != nil {
		return 0, err
	}
	return max(archived, r.Seq-1), nil
}

// lastBy is the last sequence in the copy that was stored by t, 0 without one,
// and later whether the copy goes on after it. Only the file in which it lies
// is read to its end.
func (r *Reader) lastBy(ctx context.Context, t time.Time) (last uint64, later bool, err error) {
	files := r.Manifest.Segments
	n := 0 // files that begin by t
	for ; n < len(files); n++ {
		first, err := firstOf(r.dir, files[n])
		if err != nil {
			return 0, false, r.damaged(err)
		}
		if first.Stored.After(t) {
			break
		}
	}
	if n == 0 {
		return 0, len(files) > 0, nil
	}
	s, err := openSegment(r.dir, files[n-1])
	if err != nil {
		return 0, false, r.damaged(err)
	}
	defer func() { err = errors.Join(err, s.release()) }()
	for {
		if err := ctx.Err(); err != nil {
			return 0, false, err
		}
		rec, err := s.next()
		if errors.Is(err, io.EOF) {
			return last, n < len(files), nil
		}
		if err != nil {
			return 0, false, r.damaged(err)
		}
		if rec.Stored.After(t) {
			return last, true, nil
		}
		last = rec.Seq
	}
}

func firstOf(dir string, file Segment) (events.Record, error) {
	s, err := openSegment(dir, file)
	if err != nil {
		return events.Record{}, err
	}
	rec, err := s.next()
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("%s is empty", file.Name)
	}
	return rec, errors.Join(err, s.release())
}

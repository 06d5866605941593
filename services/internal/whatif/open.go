package whatif

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/logfile"
	"backupmonitor/services/internal/registry"
)

var (
	// ErrIncomplete says that events are missing in the log, so that nothing
	// sure can be said.
	ErrIncomplete = errors.New("the log does not hold every event")
	// ErrArchived says that looks of these days stand in archives, and the
	// caller has none.
	ErrArchived = errors.New("looks of these days were archived")
	// ErrMoved says that looks were archived while they were read.
	ErrMoved = errors.New("the log was archived meanwhile: try again")
)

// TooManyError says that more would have to be read than Options.MostLooks.
type TooManyError struct{ Looks uint64 }

// Error implements error.
func (e *TooManyError) Error() string { return fmt.Sprintf("%d looks are too many", e.Looks) }

// Log judges the looks of a running log again, those in its archives first. It
// ends with the last that the log held when it began. Without a directory of
// archives it reads none. Errors: ErrIncomplete, ErrArchived, ErrMoved,
// TooManyError, and those of logfile.
func Log(ctx context.Context, log logfile.Whole, o Options) (Report, error) {
	outlets, err := registry.Load(ctx, log.Log, 0)
	if err != nil {
		return Report{}, err
	}
	id, err := log.Log.Identity(ctx)
	if err != nil {
		return Report{}, err
	}
	if id.Missing > 0 || id.FirstSeq > 1 && id.Archived == 0 {
		return Report{}, fmt.Errorf("%w: it begins at %d and lacks %d", ErrIncomplete, id.FirstSeq, id.Missing)
	}
	j := newJudgment(o, func(key string) bool {
		e, ok := outlets.Get(key)
		return ok && e.MaxAgeSeconds != nil
	})
	p, err := plan(ctx, log, id, o.From)
	if err != nil {
		return Report{}, err
	}
	if err := j.judge(ctx, log, p); err != nil {
		return Report{}, fmt.Errorf("judge the log again: %w", err)
	}
	now, err := log.Log.Identity(ctx)
	if err != nil {
		return Report{}, err
	}
	if now.Archived != id.Archived || now.ID() != id.ID() {
		return Report{}, ErrMoved
	}
	return j.done(), nil
}

// parts is what of a log is read: sequences from archives, then a feed.
type parts struct {
	from, to uint64 // both included; from 0: no archive
	feed     events.FeedOptions
}

// plan finds where the looks for a scan date and later begin.
func plan(ctx context.Context, log logfile.Whole, id events.Identity, first events.Date) (p parts, err error) {
	p.feed.Subjects = []string{events.AllObserved, events.AllHistory}
	if first != "" {
		from, err := time.Parse(time.DateOnly, string(first))
		if err != nil {
			return p, fmt.Errorf("read the first date: %w", err)
		}
		p.feed.Since = from.AddDate(0, 0, -1) // a look for a day is made on that day in some zone, or later
	}
	if id.Archived == 0 {
		return p, nil
	}
	beyond, err := storedBefore(ctx, log.Log, id.Archived+1, p.feed.Since)
	if err != nil || beyond {
		return p, err
	}
	if log.Archives == "" {
		return p, ErrArchived
	}
	p.from, p.to = 1, id.Archived
	if !p.feed.Since.IsZero() {
		before, err := log.SequenceAt(ctx, p.feed.Since.Add(-1))
		if err != nil {
			return p, err
		}
		p.from = before + 1
	}
	p.feed.From, p.feed.Since = id.Archived+1, time.Time{}
	return p, nil
}

// storedBefore tells whether the event of a sequence was stored before t: then
// so was all that comes before it.
func storedBefore(ctx context.Context, log *events.Log, seq uint64, t time.Time) (bool, error) {
	if t.IsZero() {
		return false, nil
	}
	feed, err := log.Feed(ctx, events.FeedOptions{From: seq})
	if err != nil {
		return false, err
	}
	defer feed.Stop()
	if feed.Initial == 0 {
		return false, nil
	}
	r, err := feed.Next(ctx)
	return r.Stored.Before(t), err
}

func (j *judgment) judge(ctx context.Context, log logfile.Whole, p parts) error {
	feed, err := log.Log.Feed(ctx, p.feed)
	if err != nil {
		return err
	}
	defer feed.Stop()
	j.total = feed.Initial
	if p.from > 0 {
		j.total += p.to + 1 - p.from
	}
	if j.MostLooks > 0 && j.total > j.MostLooks {
		return &TooManyError{Looks: j.total}
	}
	if p.from > 0 {
		if err := log.Read(ctx, p.from, p.to, j.add); err != nil {
			return err
		}
	}
	// The feed goes on with what the log gets meanwhile: that is not read.
	for left := feed.Initial; left > 0; left-- {
		r, err := feed.Next(ctx)
		if err != nil {
			return err
		}
		if err := j.add(r); err != nil {
			return err
		}
		if r.Pending == 0 {
			break // some were archived meanwhile
		}
	}
	return nil
}

// isLook tells the subjects that rows come from: archives hold all.
func isLook(subject string) bool {
	return strings.HasPrefix(subject, strings.TrimSuffix(events.AllObserved, ">")) ||
		strings.HasPrefix(subject, strings.TrimSuffix(events.AllHistory, ">"))
}

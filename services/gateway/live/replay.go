package live

import (
	"context"
	"errors"
	"fmt"
	"time"

	"backupmonitor/events"
)

const (
	// lookAgain is how long a replay waits for an event, before it asks whether
	// there is any to come: an archive may have taken it meanwhile.
	lookAgain = time.Second
	// looksInVain is after how many such times a log is given up that says that
	// there is an event, and does not hand it out.
	looksInVain = 15
)

// replay reads the log for one client.
type replay struct {
	log      source
	most     uint64 // events that are caught up with
	identity string
	sent     uint64 // what is selected has been sent up to here
	selected Selection
	send     func(*Frame) error
}

// source is a log that is read anew.
type source interface {
	// open gives a feed of some subjects from a sequence on, and how many events
	// it says there are.
	open(ctx context.Context, from uint64, subjects []string) (feed, uint64, error)
	// last is the sequence of the last event on subjects, none for all; 0 without
	// one. It is the leader's word.
	last(ctx context.Context, subjects []string) (uint64, error)
}

type feed interface {
	Next(ctx context.Context) (events.Record, error)
	Stop()
}

// upTo sends what is selected up to a sequence that the log has. That a feed has
// nothing more says nothing: its server may be behind the leader.
func (r *replay) upTo(ctx context.Context, target uint64) error {
	if r.sent >= target {
		return nil
	}
	if s := r.selected.Subjects; s != nil && len(s) == 0 {
		r.sent = target
		return nil
	}
	feed, left, err := r.log.open(ctx, r.sent+1, r.selected.Subjects)
	if err != nil {
		return err
	}
	defer feed.Stop()
	if left > r.most { // who missed more sees it sooner in the tables
		return fmt.Errorf("%w: %d events follow it, and %d are caught up with at most", ErrGone, left, r.most)
	}
	for vain := 0; r.sent < target; {
		if left == 0 {
			last, err := r.log.last(ctx, r.selected.Subjects)
			if err != nil {
				return err
			}
			if last <= r.sent {
				break
			}
		}
		rec, err := next(ctx, feed)
		switch {
		case errors.Is(err, errNothing):
			if left, vain = 0, vain+1; vain >= looksInVain {
				return events.ErrStalled
			}
			continue
		case err != nil:
			return err
		case rec.Seq > target:
			r.sent = target
			return nil
		}
		left, vain, r.sent = rec.Pending, 0, rec.Seq
		if err := r.one(rec); err != nil {
			return err
		}
	}
	r.sent = max(r.sent, target)
	return nil
}

var errNothing = errors.New("no event has come")

// next is the next event of a feed, or errNothing where none comes soon.
func next(ctx context.Context, f feed) (events.Record, error) {
	soon, cancel := context.WithTimeout(ctx, lookAgain)
	defer cancel()
	rec, err := f.Next(soon)
	if err != nil && ctx.Err() == nil && soon.Err() != nil {
		return rec, errNothing
	}
	return rec, err
}

// one sends a record that can be decoded and is wanted. The hub has told of
// those that cannot.
func (r *replay) one(rec events.Record) error {
	e, err := rec.Decode()
	if err != nil {
		return nil
	}
	f, err := NewFrame(r.identity, rec, e)
	if err != nil || !r.selected.Wants(f) {
		return nil
	}
	return r.send(f)
}

// theLog is the log as a source.
type theLog struct{ *events.Log }

func (l theLog) open(ctx context.Context, from uint64, subjects []string) (feed, uint64, error) {
	f, err := l.Feed(ctx, events.FeedOptions{From: from, Subjects: subjects})
	if err != nil {
		return nil, 0, err
	}
	return f, f.Initial, nil
}

func (l theLog) last(ctx context.Context, subjects []string) (uint64, error) {
	return lastOf(ctx, l.Log, subjects)
}

// lastOf is the sequence of the last event that the log has on subjects, none for
// all, by its leader; 0 without one.
func lastOf(ctx context.Context, log *events.Log, subjects []string) (last uint64, err error) {
	if len(subjects) == 0 {
		subjects = []string{events.AllEvents}
	}
	for _, s := range subjects {
		r, err := log.Last(ctx, s)
		if err != nil && !errors.Is(err, events.ErrNotFound) {
			return 0, err
		}
		last = max(last, r.Seq)
	}
	return last, nil
}

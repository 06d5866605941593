package whatif

import (
	"context"
	"errors"
	"fmt"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/registry"
)

// ErrIncomplete says that the log does not hold all that the rows rest on, so
// that nothing sure can be said.
var ErrIncomplete = errors.New("the log does not hold every look of these days any more")

// Log judges the looks of a running log again. It opens a feed, and ends with
// the last record that the log held when it began.
func Log(ctx context.Context, log *events.Log, o Options) (Report, error) {
	id, err := log.Identity(ctx)
	if err != nil {
		return Report{}, err
	}
	if id.Missing > 0 || id.FirstSeq > 1 || id.Archived > 0 {
		return Report{}, fmt.Errorf("%w: it begins at %d and lacks %d", ErrIncomplete, id.FirstSeq, id.Missing)
	}
	outlets, err := registry.Load(ctx, log, 0)
	if err != nil {
		return Report{}, err
	}
	o.OwnMaxAge = func(key string) bool {
		e, ok := outlets.Get(key)
		return ok && e.MaxAgeSeconds != nil
	}
	options := events.FeedOptions{Subjects: []string{events.AllObserved, events.AllHistory}}
	if o.From != "" {
		// A look for a day is made on that day in some zone, or later.
		from, err := time.Parse(time.DateOnly, string(o.From))
		if err != nil {
			return Report{}, fmt.Errorf("read the first date: %w", err)
		}
		options.Since = from.AddDate(0, 0, -1)
	}
	feed, err := log.Feed(ctx, options)
	if err != nil {
		return Report{}, err
	}
	defer feed.Stop()
	if feed.Initial == 0 {
		return Report{Groups: []Group{}, Changes: []Change{}}, nil
	}
	return Judge(ctx, &until{source: feed, left: feed.Initial}, o)
}

// until is a source that ends where the log ended when it was opened, however
// fast the log grows.
type until struct {
	source Source
	left   uint64
}

// Next implements Source.
func (u *until) Next(ctx context.Context) (events.Record, error) {
	r, err := u.source.Next(ctx)
	if err != nil {
		return r, err
	}
	u.left--
	r.Pending = min(r.Pending, u.left)
	return r, nil
}

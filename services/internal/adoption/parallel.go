package adoption

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"

	"backupmonitor/events"
)

// each calls do for every item, several at once, and returns the first error
// after all calls have ended.
func each[T any](ctx context.Context, items []T, do func(context.Context, T) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan T)
	var wg sync.WaitGroup
	for range min(writers, len(items)) {
		wg.Go(func() {
			for item := range next {
				if ctx.Err() != nil {
					continue
				}
				if err := do(ctx, item); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, item := range items {
		next <- item
	}
	close(next)
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

func isConflict(err error) bool { return errors.Is(err, events.ErrConflict) }

// rowSet is the rows that the log has, and those entered since, by their ids:
// of years of rows there are millions, so it keeps 17 bytes of each. One
// goroutine at a time uses it.
type rowSet struct {
	ids map[[16]byte]state
}

// state is what a rowSet knew of a row.
type state uint8

const (
	added       state = iota // nothing before
	addedBefore              // it was added by this run
	inLog
)

// add adds an id and tells what was known of it before.
func (s *rowSet) add(id string) state { return s.put(id, addedBefore) }

func (s *rowSet) put(id string, as state) state {
	sum := sha256.Sum256([]byte(id))
	h := [16]byte(sum[:16])
	was, there := s.ids[h]
	if !there {
		s.ids[h] = as
	}
	return was
}

func (s *rowSet) len() int { return len(s.ids) }

// knownRows reads which rows the log has.
func knownRows(ctx context.Context, log *events.Log) (*rowSet, error) {
	s := &rowSet{ids: map[[16]byte]state{}}
	for r, err := range log.Read(ctx, events.FeedOptions{Subjects: []string{events.AllHistory}}) {
		if err != nil {
			return nil, fmt.Errorf("read which rows the log has: %w", err)
		}
		s.put(events.ID(r.Header), inLog)
	}
	return s, nil
}

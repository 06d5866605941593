package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"backupmonitor/events"
)

// Kind says what an import does to an outlet.
type Kind string

// The kinds.
const (
	Added     Kind = "added"
	Changed   Kind = "changed"
	Unchanged Kind = "unchanged"
	// Released: the outlet was in OUTLETS_FILE and is not any more. It stays
	// as it is, and can be edited again.
	Released Kind = "released"
	// ReadOnly: the outlet belongs to OUTLETS_FILE and would differ. It stays
	// as it is.
	ReadOnly Kind = "read_only"
)

// Change is what an import does to one outlet.
type Change struct {
	Kind Kind
	// Outlet is the state afterwards, with the Previous that it must be
	// written with.
	Outlet events.OutletChanged

	row    *OutletRow // nil: not in the file
	source string
}

// Writes tells whether the change needs an event.
func (c Change) Writes() bool { return c.Kind == Added || c.Kind == Changed || c.Kind == Released }

// Diff is what importing the rows does to the outlets: source is
// events.SourceFile for OUTLETS_FILE, which keeps what it names read-only for
// others, and events.SourceUser for an upload. Outlets that the file does not
// name are never retired; those that came from OUTLETS_FILE and have left it
// are released. First come the rows in their order, then the released.
func Diff(current Outlets, rows []OutletRow, source string) []Change {
	changes := make([]Change, 0, len(rows))
	named := make(map[string]bool, len(rows))
	for _, row := range rows {
		named[events.Key(row.Code)] = true
		e, ok := current.Get(row.Code)
		changes = append(changes, diffRow(e, ok, row, source))
	}
	if source != events.SourceFile {
		return changes
	}
	for _, e := range current.All() {
		if e.Source == events.SourceFile && !named[events.Key(e.Code)] {
			changes = append(changes, release(e))
		}
	}
	return changes
}

func diffRow(e Entry, exists bool, row OutletRow, source string) Change {
	c := Change{row: &row, source: source}
	if !exists {
		c.Kind = Added
		c.Outlet = events.OutletChanged{Code: row.Code, Address: row.Address, Active: true, Source: source, Previous: e.Seq}
	} else {
		c.Outlet = e.OutletChanged
		c.Outlet.Address, c.Outlet.Previous = row.Address, e.Seq
	}
	if row.Name != nil {
		c.Outlet.Name = *row.Name
	}
	if row.Active != nil {
		c.Outlet.Active = *row.Active
	}
	if !exists {
		return c
	}
	now := &c.Outlet
	differs := now.Address != e.Address || now.Name != e.Name || now.Active != e.Active
	switch {
	case e.Source == events.SourceFile && source != events.SourceFile && differs:
		c.Kind, c.Outlet = ReadOnly, e.OutletChanged
	case differs, source == events.SourceFile && e.Source != events.SourceFile:
		c.Kind, now.Source = Changed, source
	default:
		c.Kind = Unchanged
	}
	return c
}

func release(e Entry) Change {
	c := Change{Kind: Released, Outlet: e.OutletChanged, source: events.SourceFile}
	c.Outlet.Source, c.Outlet.Previous = events.SourceUser, e.Seq
	return c
}

// again is the same change on what the outlet has become meanwhile.
func (c Change) again(e Entry, exists bool) Change {
	if c.row != nil {
		return diffRow(e, exists, *c.row, c.source)
	}
	if exists && e.Source == events.SourceFile {
		return release(e)
	}
	return Change{Kind: Unchanged, Outlet: e.OutletChanged, source: c.source}
}

const (
	writers       = 16 // at once: each write waits for its fsync
	writeAttempts = 5
)

// Apply writes what the changes need and returns them as they were done in the
// end: where an outlet was changed by somebody else meanwhile, the change is
// made on that. After an error no other change begins, and only those are
// returned that are surely done; doing it all again is harmless.
func Apply(ctx context.Context, log *events.Log, changes []Change, actor string, now time.Time) ([]Change, error) {
	made := slices.Clone(changes)
	errs := make([]error, len(changes))
	next := make(chan int)
	going, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for i := range next {
				if errs[i] = going.Err(); errs[i] != nil {
					continue
				}
				// With ctx: what has begun ends, so that it is known whether it is written.
				if made[i], errs[i] = apply(ctx, log, made[i], actor, now); errs[i] != nil {
					stop()
				}
			}
		})
	}
	for i, c := range made {
		if c.Writes() {
			next <- i
		}
	}
	close(next)
	wg.Wait()
	err := firstCause(errs)
	if err == nil {
		return made, nil
	}
	var done []Change
	for i, c := range made {
		if errs[i] == nil {
			done = append(done, c)
		}
	}
	return done, err
}

// Writing is how many of the changes write an event, or have written one.
func Writing(changes []Change) (n int) {
	for _, c := range changes {
		if c.Writes() {
			n++
		}
	}
	return n
}

// firstCause prefers the error that stopped the others over theirs.
func firstCause(errs []error) error {
	var stopped error
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
		stopped = cmp.Or(stopped, err)
	}
	return stopped
}

func apply(ctx context.Context, log *events.Log, c Change, actor string, now time.Time) (Change, error) {
	for range writeAttempts {
		if !c.Writes() {
			return c, nil
		}
		c.Outlet.ChangedBy, c.Outlet.ChangedAt = actor, now.UTC()
		_, err := log.Write(ctx, c.Outlet, c.Outlet.Previous)
		if err == nil {
			return c, nil
		}
		if !errors.Is(err, events.ErrConflict) {
			return c, fmt.Errorf("change outlet %s: %w", c.Outlet.Code, err)
		}
		e, err := Current(ctx, log, c.Outlet.Code)
		if err != nil && !errors.Is(err, events.ErrNotFound) {
			return c, fmt.Errorf("change outlet %s: %w", c.Outlet.Code, err)
		}
		c = c.again(e, err == nil)
	}
	return c, fmt.Errorf("change outlet %s: %w", c.Outlet.Code, events.ErrConflict)
}

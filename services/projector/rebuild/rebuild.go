package rebuild

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// ErrForeign says that the tables' checkpoint is of no place in this log.
var ErrForeign = errors.New("the tables were not made from this log")

// putRows is how many rows are put right at once.
const putRows = 500

// Run folds the log anew beside the tables, as far as their checkpoint, and
// compares. Unless dry it then puts right, in one transaction, what is missing
// or different; rows that the log does not know stay, and so do events in the
// quarantine that the tables could not hold. The projector may go on
// meanwhile. Ended at any moment, it has put right everything or nothing.
// Errors: those of log, ErrForeign, store.ErrStaged, store.ErrUnstorable, those of
// log and database.
func Run(ctx context.Context, log Log, db store.Rebuilder, dry bool, progress Progress) (r Report, err error) {
	f, at, err := begin(ctx, log, db, progress)
	if err != nil {
		return r, err
	}
	staging, err := db.Stage(ctx)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, staging.Close()) }()
	f.to = staging
	// Most of it before the view begins: that one is to be short.
	if err := f.until(ctx, at.Seq); err != nil {
		return r, err
	}
	var c *comparison
	err = db.View(ctx, func(ctx context.Context, t store.Tables) error {
		if at, err = f.reach(ctx, t); err != nil {
			return err
		}
		c, err = compare(ctx, t, staging, progress)
		return err
	})
	if err != nil {
		return r, err
	}
	r = Report{Log: f.stream, Checkpoint: at.Seq, Tables: c.tables}
	if err := f.count(ctx, staging, &r); err != nil {
		return r, err
	}
	if dry || r.Wrong() == 0 {
		return r, nil
	}
	err = db.Repair(ctx, func(ctx context.Context, t store.Tables, put func(store.Repairs) error) error {
		if _, err := f.reach(ctx, t); err != nil {
			return err
		}
		return c.repair(ctx, put)
	})
	r.Repaired = err == nil
	return r, refusal(err)
}

// begin checks that the tables' checkpoint is a place in a log that is whole, and
// reads which events they could not hold.
func begin(ctx context.Context, log Log, db store.Rebuilder, progress Progress) (*folding, store.Checkpoint, error) {
	id, err := log.Identity(ctx)
	if err != nil {
		return nil, store.Checkpoint{}, err
	}
	at, err := db.Checkpoint(ctx)
	if err == nil {
		err = whole(id)
	}
	if err == nil {
		err = belongs(ctx, log, at, id)
	}
	f := &folding{log: log, stream: id.ID(), progress: progress, leaving: leaving{left: map[uint64]Unstorable{}}}
	f.project = f.leaving.project
	if err == nil {
		err = db.View(ctx, f.heed)
	}
	return f, at, err
}

// belongs tells whether a checkpoint is a place in a log, or in one that it was
// restored from with all that the tables have of it.
func belongs(ctx context.Context, log Log, at store.Checkpoint, id events.Identity) error {
	if at.Stream != "" && at.Stream != id.ID() {
		state, _, err := log.Restored(ctx)
		if err != nil {
			return err
		}
		switch holds, known := state.Holds(at.Stream, at.Seq); {
		case !known:
			return fmt.Errorf("%w: they come from log %s, and this is %s, created %s", ErrForeign, at.Stream, id.ID(), id.Created.Format(time.RFC3339))
		case !holds:
			return fmt.Errorf("%w: it was restored from %s, which does not hold all of the events up to %d that they know", ErrForeign, state.Backup, at.Seq)
		}
	}
	if at.Seq > id.LastSeq {
		return fmt.Errorf("%w: they know events up to %d, and it ends at %d: it lost its end, as one restored from an older backup has", ErrForeign, at.Seq, id.LastSeq)
	}
	return nil
}

// reach folds what came since, up to the checkpoint of the tables, and returns
// that.
func (f *folding) reach(ctx context.Context, t store.Tables) (store.Checkpoint, error) {
	at, err := t.Checkpoint(ctx)
	if err != nil {
		return at, err
	}
	id, err := f.log.Identity(ctx)
	if err != nil {
		return at, err
	}
	if err := errors.Join(belongs(ctx, f.log, at, id), whole(id)); err != nil {
		return at, err
	}
	if id.ID() != f.stream {
		return at, fmt.Errorf("%w: the log was made anew meanwhile", ErrForeign)
	}
	if at.Seq < f.at {
		return at, fmt.Errorf("%w: their checkpoint went from %d back to %d", ErrForeign, f.at, at.Seq)
	}
	if err := f.heed(ctx, t); err != nil {
		return at, err
	}
	return at, f.until(ctx, at.Seq)
}

// repair puts what is wrong, as the fold has it by now.
func (c *comparison) repair(ctx context.Context, put func(store.Repairs) error) error {
	if err := c.repairLines(ctx, put); err != nil {
		return err
	}
	if err := c.repairRows(ctx, put); err != nil {
		return err
	}
	outlets, err := c.fromLog.Registrations(ctx)
	if err != nil {
		return err
	}
	outlets = slices.DeleteFunc(outlets, func(o store.Outlet) bool { return !c.outlets[events.Key(o.Code)] })
	if err := put(store.Repairs{Outlets: outlets, Released: c.released}); err != nil {
		return err
	}
	for _, seq := range c.quarantined {
		q, err := c.fromLog.QuarantinedAfter(ctx, seq-1, 1)
		if err != nil {
			return err
		}
		if err := put(store.Repairs{Quarantined: q}); err != nil {
			return err
		}
	}
	return nil
}

func (c *comparison) repairLines(ctx context.Context, put func(store.Repairs) error) error {
	done, total := uint64(0), uint64(0)
	for _, s := range c.lines {
		total += s.to - s.from + 1
	}
	for _, s := range c.lines {
		for after := s.from - 1; after < s.to; {
			lines, err := c.fromLog.Lines(ctx, after, int(min(s.to-after, putRows)))
			if err != nil {
				return err
			}
			lines = slices.DeleteFunc(lines, func(l store.Look) bool { return l.Seq > s.to })
			if len(lines) == 0 {
				break
			}
			if err := put(store.Repairs{Lines: lines}); err != nil {
				return err
			}
			after = lines[len(lines)-1].Seq
			c.progress("putting the history right", done+after-s.from+1, total)
		}
		done += s.to - s.from + 1
	}
	return nil
}

func (c *comparison) repairRows(ctx context.Context, put func(store.Repairs) error) error {
	done, total := uint64(0), uint64(0)
	for _, keys := range c.days {
		total += uint64(len(keys))
	}
	days := slices.SortedFunc(maps.Keys(c.days), func(a, b day) int { return slices.Compare(a.text(), b.text()) })
	for _, d := range days {
		rows, err := c.fromLog.DayRows(ctx, d.mode, d.date)
		if err != nil {
			return err
		}
		rows = slices.DeleteFunc(rows, func(l store.Look) bool { return !c.days[d][events.Key(l.Outlet)] })
		for chunk := range slices.Chunk(rows, putRows) {
			if err := put(store.Repairs{Rows: chunk}); err != nil {
				return err
			}
		}
		done += uint64(len(c.days[d]))
		c.progress("putting the rows right", done, total)
	}
	return nil
}

func (d day) text() []string { return []string{string(d.mode), string(d.date)} }

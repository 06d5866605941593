package rebuild

import (
	"context"
	"errors"
	"fmt"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
	"backupmonitor/services/internal/verdict"
	"backupmonitor/services/projector"
)

// ErrNotEmpty says that a database holds something already.
var ErrNotEmpty = errors.New("the database is not empty")

// Empty is a database that a replay fills.
type Empty interface {
	store.Rebuilder
	Migrate(ctx context.Context) error
	Apply(ctx context.Context, b store.Batch) error
	CountUsers(ctx context.Context) (int, error)
}

// Replayed says what a replay has made.
type Replayed struct {
	Seq        uint64 // the last event that it knows; 0: none
	Unreadable uint64 // events among them that cannot be read
	Judged     uint64 // looks that were judged anew
	Changed    uint64 // of these, such whose status or cause is another than the event's
}

// Replay makes a whole database as known at a sequence of the log, in an empty
// one. With a policy every look is judged anew; the checkpoint then names a
// log that there is none of, so that no projector goes on with such tables.
// Users are not in the log: there are none. Errors: ErrNotEmpty, those of log and
// database.
func Replay(ctx context.Context, log Log, db Empty, until uint64, policy *verdict.Change, progress Progress) (Replayed, error) {
	id, err := log.Identity(ctx)
	if err == nil {
		err = whole(id)
	}
	if err != nil {
		return Replayed{}, err
	}
	if until > id.LastSeq {
		return Replayed{}, fmt.Errorf("the log ends at event %d", id.LastSeq)
	}
	if err := db.Migrate(ctx); err != nil {
		return Replayed{}, err
	}
	if err := empty(ctx, db); err != nil {
		return Replayed{}, err
	}
	f := &folding{log: log, to: db, stream: id.ID(), project: projector.Project, progress: progress}
	j := judging{ages: map[string]*int64{}}
	if policy != nil {
		f.stream += " judged anew"
		j.policy = *policy
		f.project = j.project
	}
	if err := f.until(ctx, until); err != nil {
		return Replayed{}, err
	}
	return Replayed{Seq: until, Unreadable: f.unreadable(), Judged: j.judged, Changed: j.changed}, nil
}

func empty(ctx context.Context, db Empty) error {
	users, err := db.CountUsers(ctx)
	if err != nil {
		return err
	}
	return db.View(ctx, func(ctx context.Context, t store.Tables) error {
		at, err := t.Checkpoint(ctx)
		if err != nil {
			return err
		}
		n := users
		outlets, err := t.Registrations(ctx)
		n += len(outlets)
		for _, m := range events.Modes() {
			days, derr := t.ScanDates(ctx, m)
			n, err = n+len(days), errors.Join(err, derr)
		}
		if err == nil && (n > 0 || at != store.Checkpoint{}) {
			err = ErrNotEmpty
		}
		return err
	})
}

// judging judges looks anew, in the order of the log. An outlet's own age rule
// stands, as it was registered when the look was stored.
type judging struct {
	policy          verdict.Change
	ages            map[string]*int64 // by the outlet's key
	judged, changed uint64
}

func (j *judging) project(r events.Record) projector.Projection {
	p := projector.ProjectAnew(r, func(look events.BackupObserved) events.Verdict {
		v := verdict.Judge(look, j.policy.On(look.Verdict.Policy, j.ages[events.Key(look.Outlet)]))
		if j.judged++; v.Status != look.Verdict.Status || v.Cause != look.Verdict.Cause {
			j.changed++
		}
		return v
	})
	if p.Outlet != nil {
		j.ages[events.Key(p.Outlet.Code)] = p.Outlet.MaxAgeSeconds
	}
	return p
}

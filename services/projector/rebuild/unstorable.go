package rebuild

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
	"backupmonitor/services/projector"
)

// Unstorable is an event that a column of the tables did not take, so that it is
// in their quarantine and what it says is in none.
type Unstorable struct {
	Seq      uint64      `json:"seq"`
	Outlet   string      `json:"outlet"`
	Mode     events.Mode `json:"mode,omitempty"`     // "" for a registration
	ScanDate events.Date `json:"scanDate,omitempty"` // likewise
	Reason   string      `json:"reason"`
}

// String names it to people.
func (u Unstorable) String() string {
	what := "its registration"
	if u.Mode != "" {
		what = fmt.Sprintf("%s, day %s", u.Mode, u.ScanDate)
	}
	return fmt.Sprintf("event %d of outlet %s, %s: %s", u.Seq, u.Outlet, what, u.Reason)
}

// leaving folds events that the tables could not hold as they have them: in
// quarantine. So both sides agree where nothing is amiss, down to the rows that
// stand instead.
type leaving struct {
	aside map[uint64]setAside   // by sequence
	left  map[uint64]Unstorable // those of them that are folded
}

// setAside is what tables have of an event that is in their quarantine because
// they could not hold it.
type setAside struct {
	reason string
	line   string // id of the event whose line of history has that sequence all the same; "" for none
}

func (l *leaving) project(r events.Record) projector.Projection {
	p := projector.Project(r)
	a, ok := l.aside[r.Seq]
	u := Unstorable{Seq: r.Seq, Reason: a.reason}
	switch {
	case ok && p.Look != nil && p.Look.EventID != a.line:
		u.Outlet, u.Mode, u.ScanDate = p.Look.Outlet, p.Look.Mode, p.Look.ScanDate
	case ok && p.Outlet != nil:
		u.Outlet = p.Outlet.Code
	default:
		return p
	}
	l.left[r.Seq] = u
	q := projector.SetAside(r, a.reason)
	return projector.Projection{Quarantined: &q}
}

// list is in the order of the log.
func (l *leaving) list() []Unstorable {
	list := make([]Unstorable, 0, len(l.left))
	for _, seq := range slices.Sorted(maps.Keys(l.left)) {
		list = append(list, l.left[seq])
	}
	return list
}

// unstorable are the events that tables have in quarantine because they could not
// hold them. A registration that they hold all the same is none of these.
func unstorable(ctx context.Context, t store.Tables) (map[uint64]setAside, error) {
	found := map[uint64]setAside{}
	walk := &pages[store.Quarantined]{size: pageQuarantined, read: t.QuarantinedAfter, seq: func(q *store.Quarantined) uint64 { return q.Seq }}
	for q, err := walk.next(ctx); q != nil || err != nil; q, err = walk.next(ctx) {
		if err != nil {
			return nil, err
		}
		if q.Unstorable() {
			found[q.Seq] = setAside{reason: q.Reason}
		}
	}
	if len(found) == 0 {
		return found, nil
	}
	outlets, err := t.Registrations(ctx)
	if err != nil {
		return nil, err
	}
	for _, o := range outlets {
		delete(found, o.Seq)
	}
	for seq, a := range found {
		line, err := t.Lines(ctx, seq-1, 1)
		if err != nil {
			return nil, err
		}
		if len(line) > 0 && line[0].Seq == seq {
			a.line = line[0].EventID
			found[seq] = a
		}
	}
	return found, nil
}

// count says in the report what was set aside, apart from what somebody has
// dismissed.
func (f *folding) count(ctx context.Context, made store.Tables, r *Report) error {
	state, _, err := f.log.Dismissed(ctx)
	if err != nil {
		return err
	}
	// Whoever wrote that more are: those are none of what was read.
	dismissed := state.Sequences().Within(events.RunsOf(events.Run{First: 1, Last: f.at}))
	if r.Dismissed, err = quarantinedOf(ctx, made, dismissed); err != nil {
		return err
	}
	all := f.list()
	left := slices.DeleteFunc(slices.Clone(all), func(u Unstorable) bool { _, ok := dismissed.Find(u.Seq); return ok })
	r.Unreadable = f.unreadable() - (r.Dismissed - uint64(len(all)-len(left)))
	r.Unstorable, r.FirstUnstorable = uint64(len(left)), left[:min(shown, len(left))]
	return nil
}

// quarantinedOf is how many events of some sequences are in quarantine. It leaps over
// what is between them.
func quarantinedOf(ctx context.Context, t store.Tables, seqs events.Runs) (n uint64, err error) {
	for after := uint64(0); len(seqs) > 0; {
		page, err := t.QuarantinedAfter(ctx, max(after, seqs[0].First-1), pageQuarantined)
		if err != nil {
			return n, err
		}
		for _, q := range page {
			if _, ok := seqs.Find(q.Seq); ok {
				n++
			}
		}
		if len(page) < pageQuarantined {
			return n, nil
		}
		for after = page[len(page)-1].Seq; len(seqs) > 0 && seqs[0].Last <= after; seqs = seqs[1:] {
		}
	}
	return n, nil
}

// heed has the fold leave what the tables leave by now. What they have taken
// since, as by Retry, is folded as they did: under its own sequence.
func (f *folding) heed(ctx context.Context, t store.Tables) error {
	aside, err := unstorable(ctx, t)
	if err != nil {
		return err
	}
	for _, u := range f.list() {
		if _, still := aside[u.Seq]; still {
			continue
		}
		if err := f.log.Read(ctx, u.Seq, u.Seq, func(r events.Record) error { return f.take(ctx, r) }); err != nil {
			return err
		}
	}
	f.aside = aside
	return nil
}

// take folds an event that was left.
func (f *folding) take(ctx context.Context, r events.Record) error {
	at := store.Checkpoint{Stream: f.stream, Seq: f.at}
	b := store.Batch{Old: at, New: at, Released: []uint64{r.Seq}}
	switch p := projector.Project(r); {
	case p.Look != nil:
		b.Looks = []store.Look{*p.Look}
	case p.Outlet != nil:
		b.Outlets = []store.Outlet{*p.Outlet}
	}
	if err := f.to.Apply(ctx, b); err != nil {
		return fmt.Errorf("fold event %d: %w", r.Seq, err)
	}
	delete(f.left, r.Seq)
	f.quarantined--
	return nil
}

// refusal says what to do where the tables take nothing of a repair because of an
// ErrUnstorable.
func refusal(err error) error {
	if !errors.Is(err, store.ErrUnstorable) {
		return err
	}
	return fmt.Errorf("nothing was put right, because the tables do not take what the log says: mend the column; "+
		"or, if `backup-monitor quarantine list` has events, run `backup-monitor quarantine retry` first, which tells which of them do not fit: %w", err)
}

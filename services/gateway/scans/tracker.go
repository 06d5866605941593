// Package scans knows the scans of the last day as the log tells of them:
// which there are, how far they have come, how they ended. It is a fold that
// the gateway's one reading of the log feeds; whoever follows a scan costs the
// log nothing.
package scans

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/scan"
)

const (
	// window is how far back scans are known: a scan lasts at most 24 h, so
	// every one that can still be running is among them.
	window = scan.MaxDeadline + time.Hour
	// keepLooks is how long after a scan's end the looks since its request are
	// kept: a scan that attached to it may start late and counts them.
	keepLooks = time.Hour
)

// Tracker is the fold. Load and Apply belong to one goroutine; the rest may be
// called by any.
type Tracker struct {
	now func() time.Time

	mu       sync.Mutex
	scans    map[string]*entry
	asked    map[string]asked // by id
	looks    []look           // in the order of the log
	watchers map[string]map[*Watcher]struct{}
}

type entry struct {
	requested    events.ScanRequested
	requestedSeq uint64
	started      *events.ScanStarted
	completed    *events.ScanCompleted
	completedSeq uint64
	completedAt  time.Time // by the log
	progress     *scan.Progress
	lookSeq      uint64 // of the last look that counted
}

// look is what counting needs of a BackupObserved.
type look struct {
	seq uint64
	events.BackupObserved
}

// New returns an empty tracker.
func New(now func() time.Time) *Tracker {
	return &Tracker{now: now, scans: map[string]*entry{}, asked: map[string]asked{}, watchers: map[string]map[*Watcher]struct{}{}}
}

// Load reads the scans of the last day and gives the sequence from which Apply
// needs the whole log: the request of the oldest scan that runs or ended only
// just now, a sequence beyond every log where there is none.
func (t *Tracker) Load(ctx context.Context, log *events.Log) (from uint64, err error) {
	t.mu.Lock()
	clear(t.scans)
	t.looks = nil
	t.mu.Unlock()
	for r, err := range log.Read(ctx, events.FeedOptions{Since: t.now().Add(-window), Subjects: []string{events.AllScans}}) {
		if err != nil {
			return 0, err
		}
		if e, err := r.Decode(); err == nil {
			t.Apply(r, e)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.floor(), nil
}

// floor is the oldest sequence whose looks may still count.
func (t *Tracker) floor() uint64 {
	now := t.now()
	floor := ^uint64(0)
	for _, e := range t.scans {
		if e.completed == nil || now.Sub(e.completedAt) < keepLooks {
			floor = min(floor, e.requestedSeq)
		}
	}
	return floor
}

// Apply folds one record. Folding a record again changes nothing.
func (t *Tracker) Apply(r events.Record, e events.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch d := e.Data.(type) {
	case events.ScanRequested:
		delete(t.asked, d.ScanID)
		if _, ok := t.scans[d.ScanID]; !ok {
			s := &entry{requested: d, requestedSeq: r.Seq}
			t.scans[d.ScanID] = s
			t.tell(d.ScanID, s)
			t.prune()
		}
	case events.ScanStarted:
		if s, ok := t.scans[d.ScanID]; ok && s.started == nil {
			t.start(s, d)
		}
	case events.ScanCompleted:
		if s, ok := t.scans[d.ScanID]; ok && s.completed == nil {
			s.completed, s.completedSeq, s.completedAt = &d, r.Seq, r.Stored
			t.tell(d.ScanID, s)
		}
	case events.BackupObserved:
		t.observe(r.Seq, d)
	}
}

// start begins to count, with the looks that came before the scan had started.
func (t *Tracker) start(s *entry, d events.ScanStarted) {
	s.started, s.progress = &d, scan.NewProgress(d)
	for _, l := range t.looks {
		if l.seq >= d.Position() && s.progress.Apply(l.BackupObserved) {
			s.lookSeq = l.seq
		}
	}
	t.tell(d.ScanID, s)
}

func (t *Tracker) observe(seq uint64, d events.BackupObserved) {
	if n := len(t.looks); n > 0 && t.looks[n-1].seq >= seq {
		return
	}
	t.looks = append(t.looks, look{seq: seq, BackupObserved: events.BackupObserved{
		Outlet: d.Outlet, Mode: d.Mode, ScanID: d.ScanID, ScanDate: d.ScanDate, RequestPosition: d.RequestPosition,
		Verdict: events.Verdict{Status: d.Verdict.Status, Cause: d.Verdict.Cause, Conclusive: d.Verdict.Conclusive},
	}})
	for id, s := range t.scans {
		if s.completed == nil && s.progress != nil && s.progress.Apply(d) {
			s.lookSeq = seq
			t.tell(id, s)
		}
	}
}

// prune forgets scans that are older than the window, and looks that no scan
// can count any more.
func (t *Tracker) prune() {
	oldest := t.now().Add(-window)
	for id, s := range t.scans {
		if s.requested.RequestedAt.Before(oldest) {
			delete(t.scans, id)
		}
	}
	for id, r := range t.asked { // the log was replaced before it had them
		if r.RequestedAt.Before(oldest) {
			delete(t.asked, id)
		}
	}
	floor := t.floor()
	i, _ := slices.BinarySearchFunc(t.looks, floor, func(l look, seq uint64) int { return cmp.Compare(l.seq, seq) })
	if i > 0 {
		t.looks = slices.Clone(t.looks[i:])
	}
}

// Get is the state of a scan of the last day.
func (t *Tracker) Get(id string) (State, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, ok := t.scans[id]
	if !ok {
		return State{}, false
	}
	return s.state(), true
}

// List is the state of every scan of the last day, the newest first.
func (t *Tracker) List() []State {
	t.mu.Lock()
	defer t.mu.Unlock()
	oldest := t.now().Add(-window)
	list := make([]State, 0, len(t.scans))
	for _, s := range t.scans {
		if !s.requested.RequestedAt.Before(oldest) {
			list = append(list, s.state())
		}
	}
	slices.SortFunc(list, func(a, b State) int { return cmp.Compare(b.Position, a.Position) })
	return list
}

// Find is the state of a scan of any age: one that the tracker does not know
// is read from the log. Errors: events.ErrNotFound where no such scan was asked
// for, events.ErrMalformed, ctx's, or the network's.
func (t *Tracker) Find(ctx context.Context, log *events.Log, id string) (State, error) {
	if s, ok := t.Get(id); ok {
		return s, nil
	}
	e, err := read(ctx, log, id)
	if err != nil {
		return State{}, fmt.Errorf("find scan %s: %w", id, err)
	}
	return e.state(), nil
}

// read is a scan as the log has it. That the log holds no start and no end
// says something of the scan; that it does not answer says nothing.
func read(ctx context.Context, log *events.Log, id string) (*entry, error) {
	var e entry
	var err error
	if e.requested, e.requestedSeq, err = scan.Requested(ctx, log, id); err != nil {
		return nil, err
	}
	started, err := scan.Started(ctx, log, id)
	switch {
	case err == nil:
		e.started = &started
	case !errors.Is(err, events.ErrNotFound):
		return nil, err
	}
	last, err := log.Last(ctx, events.CompletedSubject(id))
	switch {
	case errors.Is(err, events.ErrNotFound): // it was asked for just now, or never ended
		return &e, nil
	case err != nil:
		return nil, err
	}
	d, err := last.Decode()
	if err != nil {
		return nil, err
	}
	c, ok := d.Data.(events.ScanCompleted)
	if !ok {
		return nil, fmt.Errorf("event %d: %w: it is a %s", last.Seq, events.ErrMalformed, d.Data.Type())
	}
	e.completed, e.completedSeq = &c, last.Seq
	return &e, nil
}

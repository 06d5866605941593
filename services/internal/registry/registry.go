package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"backupmonitor/events"
)

// Entry is an outlet's state and the sequence it has in the log: what the next
// change of it must name as Previous.
type Entry struct {
	events.OutletChanged
	Seq uint64
}

// Scannable tells whether a full scan at the given time includes the outlet:
// it is active and not paused.
func (e Entry) Scannable(at time.Time) bool {
	return e.Active && (e.PausedUntil == nil || !e.PausedUntil.After(at))
}

// Outlets are the states of all outlets. The zero value has none.
type Outlets struct {
	entries map[string]Entry
	// Unreadable are the outlets of which some state cannot be decoded, with
	// the reason; such an outlet stands here as it last could be read, or not
	// at all.
	Unreadable []error
}

// Get finds an outlet, ignoring the case of the code.
func (o Outlets) Get(code string) (Entry, bool) {
	e, ok := o.entries[events.Key(code)]
	return e, ok
}

// Len is how many outlets there are, active or not.
func (o Outlets) Len() int { return len(o.entries) }

// All lists the outlets by code, ignoring case.
func (o Outlets) All() []Entry {
	all := make([]Entry, 0, len(o.entries))
	for _, e := range o.entries {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b Entry) int { return cmp.Compare(events.Key(a.Code), events.Key(b.Code)) })
	return all
}

// fewSubjects is the number of outlets up to which their histories are read
// one by one, instead of that of all outlets.
const fewSubjects = 32

// Load reads the outlets as they were at sequence asOf of the log, 0 for now.
func Load(ctx context.Context, log *events.Log, asOf uint64) (Outlets, error) {
	var o Outlets
	entries := map[string]Entry{}
	var older []string // subjects whose last event is too new, or unreadable
	latest := events.FeedOptions{LastPerSubject: true, Subjects: []string{events.AllOutlets}}
	err := read(ctx, log, latest, 0, func(r events.Record) {
		e, err := decode(r)
		switch {
		case asOf != 0 && r.Seq > asOf:
			older = append(older, r.Subject)
		case err != nil:
			o.Unreadable = append(o.Unreadable, err)
			older = append(older, r.Subject)
		default:
			entries[events.Key(e.Code)] = e
		}
	})
	if err != nil {
		return Outlets{}, fmt.Errorf("read the outlets: %w", err)
	}
	if len(older) > 0 {
		if err := loadOlder(ctx, log, asOf, older, entries); err != nil {
			return Outlets{}, fmt.Errorf("read the outlets: %w", err)
		}
	}
	o.entries = entries
	return o, nil
}

// loadOlder reads from the histories of the given subjects their last readable
// state at or before asOf.
func loadOlder(ctx context.Context, log *events.Log, asOf uint64, subjects []string, into map[string]Entry) error {
	wanted := make(map[string]bool, len(subjects))
	for _, s := range subjects {
		wanted[s] = true
	}
	if len(subjects) > fewSubjects {
		subjects = []string{events.AllOutlets}
	}
	return read(ctx, log, events.FeedOptions{Subjects: subjects}, asOf, func(r events.Record) {
		if !wanted[r.Subject] {
			return
		}
		if e, err := decode(r); err == nil {
			into[events.Key(e.Code)] = e
		}
	})
}

// read hands over what there is to read, up to sequence asOf where that is not
// 0, and returns when it has caught up.
func read(ctx context.Context, log *events.Log, o events.FeedOptions, asOf uint64, each func(events.Record)) error {
	for r, err := range log.Read(ctx, o) {
		if err != nil {
			return err
		}
		if asOf != 0 && !o.LastPerSubject && r.Seq > asOf {
			return nil
		}
		each(r)
	}
	return nil
}

func decode(r events.Record) (Entry, error) {
	e, err := r.Decode()
	if err != nil {
		return Entry{}, err
	}
	changed, ok := e.Data.(events.OutletChanged)
	if !ok || events.OutletSubject(changed.Code) != r.Subject {
		return Entry{}, fmt.Errorf("event %d on %s: %w: it is not a state of this outlet", r.Seq, r.Subject, events.ErrMalformed)
	}
	return Entry{OutletChanged: changed, Seq: r.Seq}, nil
}

// Settings reads the settings as they were at sequence asOf of the log, 0 for
// now, and the sequence they have: what the next change must name as Previous.
// Errors: events.ErrNotFound where there were none.
func Settings(ctx context.Context, log *events.Log, asOf uint64) (events.SettingsChanged, uint64, error) {
	last, err := log.Last(ctx, events.SubjectSettings)
	if err != nil {
		return events.SettingsChanged{}, 0, fmt.Errorf("read the settings: %w", err)
	}
	if s, err := decodeSettings(last); err == nil && (asOf == 0 || last.Seq <= asOf) {
		return s, last.Seq, nil
	}
	var found events.SettingsChanged
	var seq uint64
	err = read(ctx, log, events.FeedOptions{Subjects: []string{events.SubjectSettings}}, asOf, func(r events.Record) {
		if s, err := decodeSettings(r); err == nil {
			found, seq = s, r.Seq
		}
	})
	if err != nil {
		return events.SettingsChanged{}, 0, fmt.Errorf("read the settings: %w", err)
	}
	if seq == 0 {
		return events.SettingsChanged{}, 0, fmt.Errorf("read the settings as of %d: %w", asOf, events.ErrNotFound)
	}
	return found, seq, nil
}

func decodeSettings(r events.Record) (events.SettingsChanged, error) {
	e, err := r.Decode()
	if err != nil {
		return events.SettingsChanged{}, err
	}
	s, ok := e.Data.(events.SettingsChanged)
	if !ok {
		return s, fmt.Errorf("event %d on %s: %w", r.Seq, r.Subject, events.ErrMalformed)
	}
	return s, nil
}

// Current is an outlet's state now, read from the leader. Errors:
// events.ErrNotFound.
func Current(ctx context.Context, log *events.Log, code string) (Entry, error) {
	return last(ctx, log, events.OutletSubject(code))
}

func last(ctx context.Context, log *events.Log, subject string) (Entry, error) {
	r, err := log.Last(ctx, subject)
	if err != nil {
		return Entry{}, err
	}
	return decode(r)
}

// Sample are up to n outlets that a full scan at the given time includes, drawn by lot
// from those whose state can be read. It needs no consumer on the log.
func Sample(ctx context.Context, log *events.Log, n int, at time.Time) ([]Entry, error) {
	subjects, err := log.Subjects(ctx, events.AllOutlets)
	if err != nil {
		return nil, fmt.Errorf("read the outlets: %w", err)
	}
	rand.Shuffle(len(subjects), func(i, j int) { subjects[i], subjects[j] = subjects[j], subjects[i] })
	var drawn []Entry
	for _, s := range subjects {
		if len(drawn) == n {
			break
		}
		e, err := last(ctx, log, s)
		switch {
		case errors.Is(err, events.ErrMalformed), errors.Is(err, events.ErrUnknownType):
		case err != nil:
			return nil, fmt.Errorf("read the outlets: %w", err)
		case e.Scannable(at):
			drawn = append(drawn, e)
		}
	}
	return drawn, nil
}

package audit

import (
	"context"
	"slices"
	"time"

	"backupmonitor/events"
)

// MaxEntries is how many entries one reading gives at most.
const MaxEntries = 1000

// firstStretch is how far back the first look goes; each next one goes four
// times as far.
const firstStretch = 24 * time.Hour

// beginning is before every log.
const beginning = 50 * 365 * 24 * time.Hour

// Query selects entries. Zero fields do not select.
type Query struct {
	Kind   events.AuditKind
	Actor  string    // user id, ignoring case
	Object string    // ignoring case
	Since  time.Time // stored at or after it
	Before uint64    // sequence: only older ones, for the next page
	Limit  int       // 1 to MaxEntries
}

// Entry is one event of the trail and its sequence in the log.
type Entry struct {
	Seq uint64
	events.Audited
}

// Newest reads the newest entries that the query selects, newest first. The
// log is read forward only: it looks back further and further, until there are
// enough or the beginning is reached. Memory holds no more than the answer.
// Errors: ctx's, or the network's.
func Newest(ctx context.Context, log *events.Log, now time.Time, q Query) ([]Entry, error) {
	for stretch := firstStretch; ; stretch *= 4 {
		since, last := now.Add(-stretch), stretch > beginning
		if !q.Since.IsZero() && !since.After(q.Since) {
			since, last = q.Since, true
		}
		found, err := lastSince(ctx, log, since, q)
		if err != nil {
			return nil, err
		}
		if last || len(found) == q.Limit {
			slices.Reverse(found)
			return found, nil
		}
	}
}

// lastSince reads the last Limit of the entries that were stored since then,
// in the order of the log.
func lastSince(ctx context.Context, log *events.Log, since time.Time, q Query) ([]Entry, error) {
	subject := events.AllAudit
	if q.Kind != "" {
		subject = events.Audited{Kind: q.Kind}.Subject()
	}
	found := []Entry{}
	for r, err := range log.Read(ctx, events.FeedOptions{Since: since, Subjects: []string{subject}}) {
		if err != nil {
			return nil, err
		}
		if q.Before > 0 && r.Seq >= q.Before {
			break
		}
		e, ok := q.selects(r)
		if !ok {
			continue
		}
		if len(found) == 2*q.Limit { // now and then, so that an entry moves once
			found = append(found[:0], found[q.Limit:]...)
		}
		found = append(found, e)
	}
	return found[max(0, len(found)-q.Limit):], nil
}

// selects leaves out what cannot be decoded; the live feed tells of that.
func (q Query) selects(r events.Record) (Entry, bool) {
	ev, err := r.Decode()
	if err != nil {
		return Entry{}, false
	}
	a, ok := ev.Data.(events.Audited)
	switch {
	case !ok,
		q.Actor != "" && events.Key(a.Actor) != events.Key(q.Actor),
		q.Object != "" && events.Key(a.Object) != events.Key(q.Object):
		return Entry{}, false
	}
	return Entry{Seq: r.Seq, Audited: a}, true
}

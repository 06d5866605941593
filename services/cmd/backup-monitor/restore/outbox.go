package restore

import (
	"context"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// Waiting is an audit event that waits for its delivery to the log, or is parked.
type Waiting struct {
	Event events.Audited
	Due   time.Time
	// Raw is what the outbox holds where that is no event, byte for byte; then
	// Event has nothing but its id. nil: it is an event.
	Raw []byte
}

// waiting is a note as a backup has it.
func waiting(n store.Note) Waiting {
	w := Waiting{Event: n.Audited, Due: n.Due}
	if n.Unreadable != nil {
		w.Raw = []byte(n.Raw)
	}
	return w
}

// note is what is put into the outbox; this version may be one that can read it.
func (w Waiting) note() store.Note {
	if w.Raw != nil {
		return store.DecodeNote(w.Event.ID, string(w.Raw), w.Due)
	}
	return store.Note{Audited: w.Event, Due: w.Due}
}

// undelivered are those that wait and are not in the log: between reading them
// and copying the log they may have been delivered. What cannot be read was not,
// whatever the log has under its id.
func undelivered(ctx context.Context, log *events.Log, all []Waiting) ([]Waiting, error) {
	if len(all) == 0 {
		return nil, nil
	}
	feed, err := log.Feed(ctx, events.FeedOptions{Subjects: []string{events.AllAudit}})
	if err != nil {
		return nil, err
	}
	defer feed.Stop()
	delivered := map[string]bool{}
	for range feed.Initial {
		r, err := feed.Next(ctx)
		if err != nil {
			return nil, err
		}
		if e, err := r.Decode(); err == nil {
			if d, ok := e.Data.(events.Audited); ok {
				delivered[d.ID] = true
			}
		}
	}
	var left []Waiting
	for _, w := range all {
		if w.note().Unreadable != nil || !delivered[w.Event.ID] {
			left = append(left, w)
		}
	}
	return left, nil
}

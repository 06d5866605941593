package live

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/gateway/sse"
)

// Frame is one event of the log as clients get it, encoded once for all.
type Frame struct {
	Seq   uint64
	Type  string // ce-type
	About string // ce-subject
	Audit bool   // for Admins only
	Bytes []byte // the server-sent event
	// Bare is the same without what happened: that something did, for who may not
	// read the rest. nil where Bytes is for everybody who may read the feed.
	Bare []byte
}

// wire is the data of the server-sent event.
type wire struct {
	ID      string          `json:"id"`
	Type    string          `json:"type"`
	Time    time.Time       `json:"time"`
	Subject string          `json:"subject"`
	Data    json.RawMessage `json:"data"`
}

// NewFrame encodes a record of the log with the given identity, and the event
// it was decoded to. Errors wrap events.ErrMalformed.
func NewFrame(identity string, r events.Record, e events.Event) (*Frame, error) {
	f := &Frame{Seq: r.Seq, Type: e.Data.Type(), About: e.Data.About()}
	_, f.Audit = e.Data.(events.Audited)
	if strings.ContainsAny(f.Type, "\r\n") {
		return nil, fmt.Errorf("event %d: %w: a line break in its type", r.Seq, events.ErrMalformed)
	}
	data, err := json.Marshal(wire{ID: e.ID, Type: f.Type, Time: e.Time, Subject: f.About, Data: r.Data})
	if err != nil {
		return nil, fmt.Errorf("event %d: %w: %w", r.Seq, events.ErrMalformed, err)
	}
	id := Position{Identity: identity, Seq: r.Seq}.String()
	f.Bytes = sse.Message{ID: id, Event: f.Type, Data: data}.Bytes()
	if withheld(f.Type) {
		if data, err = json.Marshal(wire{ID: e.ID, Type: f.Type, Time: e.Time, Subject: f.About, Data: json.RawMessage(`{}`)}); err != nil {
			return nil, fmt.Errorf("event %d: %w: %w", r.Seq, events.ErrMalformed, err)
		}
		f.Bare = sse.Message{ID: id, Event: f.Type, Data: data}.Bytes()
	}
	return f, nil
}

// withheld are the types of which a screen on a wall gets to know only that there
// was one: what they hold are the resources that the API refuses it.
func withheld(ceType string) bool {
	switch ceType {
	case events.TypeOutletChanged, events.TypeSettingsChanged, events.TypeLogArchived, events.TypeLogRestored:
		return true
	}
	return false
}

// For is what a client gets: the whole event, or the bare one.
func (f *Frame) For(whole bool) []byte {
	if whole || f.Bare == nil {
		return f.Bytes
	}
	return f.Bare
}

// Position is a place in one incarnation of the log: after the event of that
// sequence. It is what clients hold as the id of the last event they have.
type Position struct {
	Identity string // events.Identity.ID
	Seq      uint64
}

// String is the position as an event id.
func (p Position) String() string { return p.Identity + "-" + strconv.FormatUint(p.Seq, 10) }

// ParsePosition reads what String writes.
func ParsePosition(s string) (Position, error) {
	identity, number, ok := strings.Cut(s, "-")
	seq, err := strconv.ParseUint(number, 10, 64)
	if !ok || err != nil || identity == "" {
		return Position{}, fmt.Errorf("%q is not the id of an event", s)
	}
	return Position{Identity: identity, Seq: seq}, nil
}

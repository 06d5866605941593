package live

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
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

	bare func() []byte // the same for who may not read all that the event holds
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
	w := wire{ID: e.ID, Type: f.Type, Time: e.Time, Subject: f.About, Data: r.Data}
	id := Position{Identity: identity, Seq: r.Seq}.String()
	encode := func(w wire) ([]byte, error) {
		data, err := json.Marshal(w)
		return sse.Message{ID: id, Event: f.Type, Data: data}.Bytes(), err
	}
	var err error
	if f.Bytes, err = encode(w); err != nil {
		return nil, fmt.Errorf("event %d: %w: %w", r.Seq, events.ErrMalformed, err)
	}
	f.bare = sync.OnceValue(func() []byte {
		data, err := json.Marshal(bare(e.Data))
		if err != nil {
			data = []byte("{}") // that there was one
		}
		w.Data = data
		b, _ := encode(w) // as the whole could be
		return b
	})
	return f, nil
}

// For is what a client gets: the whole event, or the bare one, which is encoded for
// the first who gets it.
func (f *Frame) For(whole bool) []byte {
	if whole {
		return f.Bytes
	}
	return f.bare()
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

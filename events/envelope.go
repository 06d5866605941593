package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// Errors of Decode.
var (
	// ErrMalformed says that a message is not an event of this contract.
	ErrMalformed = errors.New("malformed event")
	// ErrUnknownType says that an event is of a type this version does not know.
	ErrUnknownType = errors.New("unknown event type")
)

// Header names of CloudEvents 1.0, binary mode.
// Source: CloudEvents, NATS protocol binding, section 3.1.
const (
	headerSpecVersion = "ce-specversion"
	headerID          = "ce-id"
	headerSource      = "ce-source"
	headerType        = "ce-type"
	headerTime        = "ce-time"
	headerSubject     = "ce-subject"
	headerContentType = "ce-datacontenttype"

	specVersion = "1.0"
	contentType = "application/json"
)

// Event is an event of the contract with its envelope.
type Event struct {
	ID     string
	Source string    // the service that published it, as /backup-monitor/prober
	Time   time.Time // when it was made, UTC
	Data   Payload
}

// Encode writes p as a message: CloudEvents 1.0 in binary mode, ce-id also as
// Nats-Msg-Id. Commands carry no Nats-Msg-Id: on a work queue it would forget
// what was acknowledged only at a restart. Nor do imported rows, whose import
// may be repeated long after any window.
func Encode(source string, at time.Time, p Payload) (*nats.Msg, error) {
	data, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", p.Type(), err)
	}
	id := p.id(data)
	m := nats.NewMsg(p.Subject())
	m.Data = data
	set := func(name, value string) { m.Header[name] = []string{escapeHeader(value)} }
	set(headerSpecVersion, specVersion)
	set(headerID, id)
	set(headerSource, source)
	set(headerType, p.Type())
	set(headerTime, at.UTC().Format(time.RFC3339Nano))
	set(headerSubject, p.About())
	set(headerContentType, contentType)
	switch p.(type) {
	case ProbeCommand, HistoryImported:
	default:
		m.Header[nats.MsgIdHdr] = []string{id}
	}
	return m, nil
}

// Decode reads a message of the contract. Unknown fields are ignored and
// missing ones have their zero value. Errors wrap ErrMalformed or
// ErrUnknownType.
func Decode(h nats.Header, data []byte) (Event, error) {
	var e Event
	if v := header(h, headerSpecVersion); v != specVersion {
		return e, fmt.Errorf("%w: ce-specversion %q", ErrMalformed, v)
	}
	e.ID, e.Source = header(h, headerID), header(h, headerSource)
	if e.ID == "" || e.Source == "" {
		return e, fmt.Errorf("%w: without ce-id or ce-source", ErrMalformed)
	}
	if v := header(h, headerTime); v != "" {
		t, err := time.Parse(time.RFC3339Nano, v)
		if err != nil {
			return e, fmt.Errorf("%w: ce-time: %w", ErrMalformed, err)
		}
		e.Time = t.UTC()
	}
	var err error
	e.Data, err = decodePayload(header(h, headerType), data)
	return e, err
}

// ID is the ce-id of a message, "" where it has none.
func ID(h nats.Header) string { return header(h, headerID) }

// TypeOf is the ce-type of a message, "" where it has none.
func TypeOf(h nats.Header) string { return header(h, headerType) }

func header(h nats.Header, name string) string {
	v := h[name]
	if len(v) == 0 {
		return ""
	}
	s, err := url.PathUnescape(v[0])
	if err != nil {
		return v[0]
	}
	return s
}

// escapeHeader percent-encodes what a header value must not hold: everything
// but printable ASCII, and space, quote and percent.
// Source: CloudEvents, HTTP protocol binding, section 3.1.3.2.
func escapeHeader(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// Package sse writes server-sent events.
// Source: HTML Standard, section 9.2, "Server-sent events".
package sse

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// Heartbeat is how often a quiet stream sends a comment, so that proxies
	// keep it and clients can tell silence from death.
	Heartbeat = 15 * time.Second
	// retry is the pause after which a browser reconnects.
	retry = 3 * time.Second
	// writeTimeout ends the stream of a client that does not read: without it
	// a full connection blocks for ever, and the request's context stays good.
	writeTimeout = 10 * time.Second
)

// Message is one event. Data must be a single line, as JSON is; what would break
// a line in ID or Event is left out.
type Message struct {
	ID    string // not sent when empty
	Event string // not sent when empty
	Data  []byte
}

// Bytes is the message as it goes over the wire.
func (m Message) Bytes() []byte {
	var b bytes.Buffer
	b.Grow(len(m.ID) + len(m.Event) + len(m.Data) + 24)
	if m.ID != "" {
		b.WriteString("id: ")
		b.WriteString(oneLine(m.ID))
		b.WriteByte('\n')
	}
	if m.Event != "" {
		b.WriteString("event: ")
		b.WriteString(oneLine(m.Event))
		b.WriteByte('\n')
	}
	b.WriteString("data: ")
	b.Write(m.Data)
	b.WriteString("\n\n")
	return b.Bytes()
}

// oneLine leaves out line breaks, and the NUL for which a client ignores an id.
func oneLine(s string) string {
	if !strings.ContainsAny(s, "\r\n\x00") {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r == '\r' || r == '\n' || r == 0 {
			return -1
		}
		return r
	}, s)
}

// Stream is the answer to one request. One goroutine at a time writes it.
type Stream struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

// Open starts the answer.
func Open(w http.ResponseWriter) (*Stream, error) {
	s := &Stream{w: w, rc: http.NewResponseController(w)}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache, no-transform")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	w.WriteHeader(http.StatusOK)
	return s, s.Write([]byte("retry: " + strconv.FormatInt(retry.Milliseconds(), 10) + "\n\n"))
}

// Send writes messages and has them leave at once.
func (s *Stream) Send(ms ...Message) error {
	for _, m := range ms {
		if err := s.buffer(m.Bytes()); err != nil {
			return err
		}
	}
	return s.flush()
}

// Write sends what is encoded already, in one go.
func (s *Stream) Write(frames ...[]byte) error {
	for _, f := range frames {
		if err := s.buffer(f); err != nil {
			return err
		}
	}
	return s.flush()
}

// Beat sends a comment, which clients ignore.
func (s *Stream) Beat() error { return s.Write([]byte(": \n\n")) }

func (s *Stream) buffer(b []byte) error {
	if err := s.deadline(); err != nil {
		return err
	}
	if _, err := s.w.Write(b); err != nil {
		return fmt.Errorf("write to the stream: %w", err)
	}
	return nil
}

func (s *Stream) flush() error {
	if err := s.deadline(); err != nil {
		return err
	}
	if err := s.rc.Flush(); err != nil {
		return fmt.Errorf("write to the stream: %w", err)
	}
	return s.quiet()
}

// quiet takes the bound of the last write back: one that is left behind ends an HTTP/2
// stream when it is over, though nothing is written.
func (s *Stream) quiet() error {
	if err := s.rc.SetWriteDeadline(time.Time{}); err != nil {
		return fmt.Errorf("bound a write to the stream: %w", err)
	}
	return nil
}

func (s *Stream) deadline() error {
	if err := s.rc.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return fmt.Errorf("bound a write to the stream: %w", err)
	}
	return nil
}

package prober

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"backupmonitor/events"
)

// delivery is a message of the queue as far as reading a command needs it.
type delivery struct {
	jetstream.Msg
	m *nats.Msg
}

func (d delivery) Metadata() (*jetstream.MsgMetadata, error) {
	return &jetstream.MsgMetadata{NumDelivered: 1}, nil
}
func (d delivery) Headers() nats.Header { return d.m.Header }
func (d delivery) Data() []byte         { return d.m.Data }
func (d delivery) Subject() string      { return d.m.Subject }

// FuzzReadCommand: what is taken for a command can be carried out, whatever it
// says: what it ends in has an id and a subject.
func FuzzReadCommand(f *testing.F) {
	now := time.Date(2026, 3, 14, 2, 0, 4, 0, time.UTC)
	good, err := events.Encode("/test", now, events.ProbeCommand{
		ScanID: "s1", ScanDate: "2026-03-14", Outlet: "B0001", Server: "10.0.0.1", Modes: events.Modes(),
		Deadline: now.Add(time.Hour), RequestPosition: 1, Policy: events.Policy{Patterns: []string{"*.bak"}},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good.Subject, good.Data)
	f.Add("cmd.probe.B1", []byte(`{"scanId":"s","outlet":" b1","scanDate":"2026-02-30","modes":["d_drive","d_drive"],"deadline":"2026-03-14T00:00:00Z"}`))
	f.Add("cmd.probe.", []byte(`{"scanId":"s","outlet":"","modes":[""]}`))
	f.Fuzz(func(t *testing.T, subject string, data []byte) {
		m := &nats.Msg{Subject: subject, Header: good.Header, Data: data}
		c, err := readCommand(delivery{m: m})
		if err != nil {
			return
		}
		for _, mode := range c.Modes {
			if events.LookID(c.ScanID, c.Outlet, mode) == "" || events.ObservedSubject(mode, c.Outlet) == "" {
				t.Errorf("%+v", c)
			}
		}
		if _, _, err := c.ScanDate.Bounds(time.UTC); err != nil || c.Subject() != subject {
			t.Errorf("%v: %+v", err, c)
		}
	})
}

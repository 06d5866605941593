package gateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// register puts outlets into the log, and into the tables as a projector would.
func (e *env) register(t testing.TB, codes ...string) {
	t.Helper()
	for _, code := range codes {
		e.append(t, events.OutletChanged{Code: code, Address: "10.0.0.1", Name: "Shop " + code, Active: true, Source: events.SourceUser, ChangedAt: time.Now()})
	}
}

// look is a BackupObserved for a scan that was asked for at a position.
func look(r events.ScanRequested, position uint64, outlet string, m events.Mode, cause events.Cause) events.BackupObserved {
	o := events.BackupObserved{
		Outlet: outlet, Server: "10.0.0.1", Mode: m, ScanID: r.ScanID, ScanDate: r.ScanDate, RequestPosition: position,
		StartedAt: time.Now().UTC(), DurationMS: 12,
		Verdict: events.Verdict{Status: events.Failed, Cause: cause, Conclusive: cause.Conclusive()},
	}
	if cause.Conclusive() {
		o.Verdict.Evidence = events.EvidenceFull
	}
	if cause == events.CauseOK {
		o.Verdict.Status = events.Successful
		o.Verdict.File = &events.File{Name: "a.bak", Bytes: 5 << 20, Modified: time.Now().UTC()}
	}
	return o
}

// projector applies the log to the tables, in batches of one record.
type projector struct {
	hold sync.Mutex // while locked the tables stand still
}

func (e *env) project(t *testing.T) *projector {
	t.Helper()
	p := &projector{}
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	t.Cleanup(func() { cancel(); done.Wait() })
	feed, err := e.nats.Log.Feed(ctx, events.FeedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	id, err := e.nats.Log.Identity(ctx)
	if err != nil {
		t.Fatal(err)
	}
	done.Go(func() {
		defer feed.Stop()
		cp := store.Checkpoint{}
		for {
			r, err := feed.Next(ctx)
			if err != nil {
				return
			}
			b := store.Batch{Old: cp, New: store.Checkpoint{Stream: id.ID(), Seq: r.Seq}}
			ev, err := r.Decode()
			if err != nil {
				t.Error(err)
				return
			}
			switch d := ev.Data.(type) {
			case events.BackupObserved:
				b.Looks = append(b.Looks, lookOf(r, ev.ID, d))
			case events.OutletChanged:
				b.Outlets = append(b.Outlets, store.Outlet{Code: d.Code, Address: d.Address, Name: d.Name, Active: d.Active, Source: d.Source, Seq: r.Seq})
			}
			p.hold.Lock()
			err = e.store.Apply(ctx, b)
			p.hold.Unlock()
			if err != nil {
				if ctx.Err() == nil {
					t.Error(err)
				}
				return
			}
			cp = b.New
		}
	})
	return p
}

func lookOf(r events.Record, id string, d events.BackupObserved) store.Look {
	l := store.Look{
		EventID: id, Seq: r.Seq, Stored: r.Stored, Mode: d.Mode, Outlet: d.Outlet, ScanDate: d.ScanDate, Status: d.Verdict.Status,
		Cause: d.Verdict.Cause, Conclusive: d.Verdict.Conclusive, Evidence: d.Verdict.Evidence, Duration: "0.01 s",
		Server: d.Server, ObservedAt: &d.StartedAt, DurationMS: d.DurationMS, ScanID: d.ScanID,
	}
	if f := d.Verdict.File; f != nil {
		l.LastBackupTaken, l.BackupFile, l.BackupFileSize, l.SizeBytes = &f.Modified, f.Name, "5.00 MB", &f.Bytes
	}
	return l
}

// schedule answers every requested scan of outlets that exist: the outlets
// whose code begins with X cannot be reached.
func (e *env) schedule(t *testing.T, all ...string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	t.Cleanup(func() { cancel(); done.Wait() })
	feed, err := e.nats.Log.Feed(ctx, events.FeedOptions{Subjects: []string{events.AllRequested}})
	if err != nil {
		t.Fatal(err)
	}
	_, _, log := e.nats.Client(t, "scheduler")
	t.Cleanup(cancel)
	done.Go(func() {
		defer feed.Stop()
		for {
			r, err := feed.Next(ctx)
			if err != nil {
				return
			}
			ev, err := r.Decode()
			if err != nil {
				t.Error(err)
				return
			}
			for _, p := range wholeScan(ev.Data.(events.ScanRequested), r.Seq, all) {
				if _, _, err := log.Append(ctx, p); err != nil {
					if ctx.Err() == nil {
						t.Error(err)
					}
					return
				}
			}
		}
	})
}

// wholeScan is every event that follows a request.
func wholeScan(req events.ScanRequested, position uint64, all []string) []events.Payload {
	outlets := req.Outlets
	if req.Full() {
		outlets = all
	}
	ps := []events.Payload{started(req, position, outlets...)}
	done := events.ScanCompleted{ScanID: req.ScanID, ScanDate: req.ScanDate, Modes: req.Modes, Counts: map[events.Mode]events.ModeCount{}, CompletedAt: time.Now()}
	for _, m := range req.Modes {
		c := events.ModeCount{Total: len(outlets)}
		for _, o := range outlets {
			cause := events.CauseOK
			if strings.HasPrefix(o, "X") {
				cause = events.CauseUnreachable
				c.Failed++
				c.NotObserved++
			} else {
				c.Successful++
			}
			ps = append(ps, look(req, position, o, m, cause))
		}
		done.Counts[m] = c
	}
	return append(ps, done)
}

func started(req events.ScanRequested, position uint64, outlets ...string) events.ScanStarted {
	return events.ScanStarted{
		ScanID: req.ScanID, ScanDate: req.ScanDate, Modes: req.Modes, RequestPosition: position, Outlets: outlets,
		StartedAt: time.Now().UTC(), Deadline: req.Deadline,
	}
}

// message is a server-sent event as it came.
type message struct{ id, event, data string }

func (m message) is(t testing.TB, want string) {
	t.Helper()
	if m.data != want {
		t.Errorf("message %s and not %s", m.data, want)
	}
}

// events is an open stream.
type eventStream struct {
	t      testing.TB
	res    *http.Response
	r      *bufio.Reader
	cancel context.CancelFunc
}

// listen opens a stream. Whoever opens it closes it.
func (e *env) listen(t testing.TB, c call) *eventStream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*limit)
	if c.header == nil {
		c.header = map[string]string{}
	}
	c.header["Accept"] = "text/event-stream"
	r := e.request(ctx, t, c)
	res, err := e.client.Do(r) //nolint:bodyclose // the stream closes it
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(res.Body)
		t.Fatalf("%s: %d %s", c.path, res.StatusCode, body)
	}
	e.validate(t, r, res, nil)
	for name, want := range map[string]string{
		"Content-Type": "text/event-stream", "Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no",
	} {
		if got := res.Header.Get(name); got != want {
			t.Errorf("%s: %s is %q", c.path, name, got)
		}
	}
	return &eventStream{t: t, res: res, r: bufio.NewReader(res.Body), cancel: cancel}
}

func (s *eventStream) close() {
	s.cancel()
	closeBody(s.t, s.res)
}

// next is the next message; its error is that of the connection.
func (s *eventStream) read() (message, error) {
	var m message
	for {
		line, err := s.r.ReadString('\n')
		if err != nil {
			return m, err
		}
		line = strings.TrimSuffix(line, "\n")
		name, value, _ := strings.Cut(line, ": ")
		switch name {
		case "id":
			m.id = value
		case "event":
			m.event = value
		case "data":
			m.data = value
		case "":
			if m.data != "" {
				return m, nil
			}
			m = message{}
		}
	}
}

func (s *eventStream) next() message {
	s.t.Helper()
	m, err := s.read()
	if err != nil {
		s.t.Fatalf("the stream ended: %v", err)
	}
	return m
}

// ended fails when anything more comes.
func (s *eventStream) ended() {
	s.t.Helper()
	if m, err := s.read(); !errors.Is(err, io.EOF) {
		s.t.Errorf("the stream should have ended, but: %+v, %v", m, err)
	}
}

func decodeMessage(t testing.TB, m message) (typ string, fields map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(m.data), &fields); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(fields["type"]), fields
}

// publish stores an event as it was encoded once.
func (e *env) publish(t testing.TB, subject string, header map[string]string, data []byte) {
	t.Helper()
	m := &nats.Msg{Subject: subject, Header: nats.Header{}, Data: data}
	for name, v := range header {
		m.Header.Set(name, v)
	}
	if _, err := e.nats.JS.PublishMsg(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

package instance_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"backupmonitor/events"
	"backupmonitor/services/cmd/backup-monitor/instance"
)

// outside is a prober's connection from another machine.
func outside(t *testing.T, path string, n *instance.NATS, more ...nats.Option) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	nc, err := nats.Connect(n.URL(), append(append(events.ConnectOptions(events.ServiceProber), proberPassword(t, path)), more...)...)
	if err != nil {
		t.Fatal(err)
	}
	return nc, jetStream(t, nc)
}

// keeper is a connection that may do everything.
func keeper(t *testing.T, n *instance.NATS) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	nc, err := n.ConnectKeeper("keeper")
	if err != nil {
		t.Fatal(err)
	}
	return nc, jetStream(t, nc)
}

// jetStream is that of a connection, which ends with the test.
func jetStream(t *testing.T, nc *nats.Conn) jetstream.JetStream {
	t.Helper()
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// TestProbersElsewhere: what a prober does with commands and events works from its
// account, and an event is stored there as one of anybody's.
func TestProbersElsewhere(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	path, n := running(ctx, t, instance.NATSOptions{})
	_, own := keeper(t, n)
	here := events.NewLog(own, "here")
	_, js := outside(t, path, n, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { t.Error(err) }))
	there := events.NewLog(js, events.ServiceProber)
	for _, outlet := range []string{"B0001", "B0002", "B0003"} {
		if err := here.Command(ctx, events.ProbeCommand{ScanID: "s", Outlet: outlet}); err != nil {
			t.Fatal(err)
		}
	}
	queue, err := js.Consumer(ctx, events.StreamProbes, events.ConsumerProbers)
	if err != nil {
		t.Fatal(err)
	}
	batch, err := queue.Fetch(3, jetstream.FetchContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	for m := range batch.Messages() {
		if err := m.InProgress(); err != nil {
			t.Error(err)
		}
		if err := m.DoubleAck(ctx); err != nil {
			t.Error(err)
		}
	}
	s, err := own.Stream(ctx, events.StreamProbes)
	if err != nil || s.CachedInfo().State.Msgs > 0 {
		t.Fatalf("%d commands are left of 3, %v", s.CachedInfo().State.Msgs, err)
	}
	state := events.ProberChanged{Prober: "there", Online: true, Since: time.Now().UTC()}
	seq, err := there.Write(ctx, state, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, log := range []*events.Log{here, there} {
		r, err := log.Last(ctx, state.Subject())
		if err != nil || r.Seq != seq {
			t.Fatalf("event %d, %v", r.Seq, err)
		}
		if _, err := r.Decode(); err != nil {
			t.Error(err)
		}
		for name := range r.Header {
			if !strings.HasPrefix(name, "Nats-Msg-Id") && !strings.HasPrefix(name, "ce-") && !strings.HasPrefix(name, "Nats-Expected-") && name != "Content-Type" && name != "content-type" {
				t.Errorf("the event tells of its way: %s: %s", name, r.Header.Get(name))
			}
		}
	}
}

// TestProbersOnlyLook: what a prober on a machine of its own asks for by name makes no
// user, forges no event of the audit trail, requests no scan and hears no other service.
func TestProbersOnlyLook(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	path, n := running(ctx, t, instance.NATSOptions{})
	refusals := make(chan string, 100)
	nc, js := outside(t, path, n, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refusals <- err.Error() }))
	for _, subject := range []string{
		"ctl.users", "ctl.do.archive", "ev.audit.x", "ev.settings", "ev.outlet.B0001", "ev.scan.requested.x", "ev.scan.completed.x", "ev.history.x",
		"ev.log.archived", "ev.log.dismissed", "cmd.probe.B0001", "_INBOX.gateway.x", "$JS.API.CONSUMER.CREATE.EVENTS.own", "$JS.API.CONSUMER.MSG.NEXT.EVENTS.schedulers", "$JS.ACK.EVENTS.schedulers.1.1.1.1.1",
	} {
		refused(t, nc, refusals, subject, []byte("{}"))
	}
	for subject, body := range takings(ctx, t, js) {
		refused(t, nc, refusals, subject, body)
	}
	for _, subject := range []string{">", "_INBOX.>", "ctl.>", "ev.>"} {
		if _, err := nc.SubscribeSync(subject); err != nil {
			t.Fatal(err)
		}
		select {
		case r := <-refusals:
			if !strings.Contains(r, `Subscription to "`+subject+`"`) {
				t.Errorf("%s: %s", subject, r)
			}
		case <-time.After(5 * time.Second):
			t.Errorf("%s is heard", subject)
		}
	}
}

// TestAnswersStayOutside: wherever somebody outside the process has NATS answer or trace
// a request, it is stored nowhere, heard by nobody else, and asks nothing of the log's
// keeper.
func TestAnswersStayOutside(t *testing.T) {
	t.Parallel()
	// Nobody may have a purge published; a service may write events and commands.
	taking := []string{"$JS.API.STREAM.PURGE.EVENTS", "$JS.API.STREAM.DELETE.EVENTS", "$JS.API.STREAM.PURGE.PROBES", "$JS.API.CONSUMER.DELETE.EVENTS.schedulers", "_INBOX.own.x"}
	writing := []string{events.SubjectSettings, events.SubjectArchived, events.SubjectDismissed, "ev.outlet.B0001", "ev.audit.x", "ev.scan.requested.x", "cmd.probe.B0002", "ctl.users", "ctl.do.archive"}
	t.Run("prober", func(t *testing.T) {
		t.Parallel()
		answersStay(t, events.ProberPermissions().Ask, append(taking, writing...), func(path string, n *instance.NATS, ignored nats.Option) *nats.Conn {
			nc, _ := outside(t, path, n, ignored)
			return nc
		})
	})
	t.Run("service", func(t *testing.T) {
		t.Parallel()
		answersStay(t, events.ServicePermissions().Ask, taking, func(path string, _ *instance.NATS, ignored nats.Option) *nats.Conn {
			nc, err := instance.Find(path, "service", ignored)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(nc.Close)
			return nc
		})
	})
}

func answersStay(t *testing.T, requests, targets []string, connect func(path string, n *instance.NATS, ignored nats.Option) *nats.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	path, n := running(ctx, t, instance.NATSOptions{})
	conn, own := keeper(t, n)
	for _, subject := range []string{events.SubjectSettings, "cmd.probe.B0001"} {
		if _, err := own.Publish(ctx, subject, []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	heard := listen(t, conn)
	nc := connect(path, n, nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})) // some are refused at once
	for _, subject := range requests {
		subject = strings.NewReplacer("*.*.", "", "*.*", "PROBES.probers", "*", "EVENTS", ">", "D.1.1.1.1.1").Replace(subject)
		for _, target := range targets {
			for _, body := range []string{"", "{}", "{bad", `{"no_wait":true}`, `{"last_by_subj":"ev.settings"}`} {
				if err := nc.PublishRequest(subject, target, []byte(body)); err != nil {
					t.Fatal(err)
				}
			}
			traced := &nats.Msg{Subject: subject, Header: nats.Header{"Nats-Trace-Dest": {target}}}
			rolled := &nats.Msg{Subject: subject, Reply: target, Header: nats.Header{"Nats-Rollup": {"all"}}}
			for _, m := range []*nats.Msg{traced, rolled} {
				if err := nc.PublishMsg(m); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	// What was asked last is answered last.
	for _, subject := range []string{"$JS.API.STREAM.INFO.EVENTS", events.RequestNext + "PROBES.probers", "ev.prober.x"} {
		if _, err := nc.RequestWithContext(ctx, subject, []byte(`{"no_wait":true}`)); err != nil {
			t.Fatalf("%s: %v", subject, err)
		}
	}
	log, err := own.Stream(ctx, events.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	info, err := log.Info(ctx, jetstream.WithSubjectFilter(">"))
	if err != nil {
		t.Fatal(err)
	}
	if info.State.FirstSeq != 1 || info.State.Msgs != info.State.LastSeq || info.State.Subjects[events.SubjectSettings] != 1 {
		t.Errorf("of the log is left: %+v", info.State)
	}
	for subject := range info.State.Subjects {
		if slices.Contains(targets, subject) && subject != events.SubjectSettings {
			t.Errorf("an answer is stored at %s", subject)
		}
	}
	if err := conn.FlushWithContext(ctx); err != nil {
		t.Fatal(err)
	}
	for _, subject := range heard() {
		if slices.Contains(targets, subject) {
			t.Errorf("an answer is heard at %s", subject)
		}
	}
}

// listen gathers the subjects of all that is published where the log is.
func listen(t *testing.T, nc *nats.Conn) (heard func() []string) {
	t.Helper()
	var mu sync.Mutex
	var all []string
	if _, err := nc.Subscribe(">", func(m *nats.Msg) { mu.Lock(); defer mu.Unlock(); all = append(all, m.Subject) }); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return func() []string { mu.Lock(); defer mu.Unlock(); return slices.Clone(all) }
}

// TestConsumersDeliverNowhere: a service elsewhere may make a consumer on the log that
// pushes. It would do so where the log is, with the server's own right; that nobody
// there listens at exactly the subject it names is what keeps it from doing so.
func TestConsumersDeliverNowhere(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	path, n := running(ctx, t, instance.NATSOptions{})
	_, own := keeper(t, n)
	if _, err := own.Publish(ctx, events.SubjectSettings, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	before := states(ctx, t, own)
	nc, err := instance.Find(path, "service")
	if err != nil {
		t.Fatal(err)
	}
	js := jetStream(t, nc)
	consume := func(name, target string) error {
		_, err := js.CreateOrUpdatePushConsumer(ctx, events.StreamEvents, jetstream.ConsumerConfig{
			Name: name, DeliverSubject: target, AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, InactiveThreshold: time.Minute,
		})
		return err
	}
	bound := func(name string) bool {
		t.Helper()
		c, err := js.PushConsumer(ctx, events.StreamEvents, name)
		if err != nil {
			t.Fatal(err)
		}
		return c.CachedInfo().PushBound || c.CachedInfo().Delivered.Consumer > 0
	}
	for i, target := range []string{"$JS.API.STREAM.PURGE.EVENTS", "$JS.API.STREAM.DELETE.EVENTS", "cmd.probe.B0001", "ctl.do.archive"} {
		name := fmt.Sprint("c", i)
		if err := consume(name, target); err != nil {
			t.Fatalf("%s: %v", target, err)
		}
		if bound(name) {
			t.Errorf("it delivers to %s", target)
		}
	}
	// Here the server itself listens; once bound, a consumer goes nowhere else.
	if err := consume("listened", events.RequestNext+"PROBES.probers"); err != nil || !bound("listened") {
		t.Fatalf("it is not bound: %v", err)
	}
	if err := consume("listened", "$JS.API.STREAM.PURGE.EVENTS"); err == nil {
		t.Error("a bound consumer may be sent elsewhere")
	}
	if after := states(ctx, t, own); !slices.Equal(before, after) {
		t.Errorf("before: %s\nafter: %s", before, after)
	}
}

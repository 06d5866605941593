package instance_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"backupmonitor/events"
	"backupmonitor/services/cmd/backup-monitor/instance"
)

// running is a server with its streams, and its data directory, until the test ends.
func running(ctx context.Context, t *testing.T, o instance.NATSOptions) (path string, n *instance.NATS) {
	t.Helper()
	path, o.Log = t.TempDir(), quiet()
	d, err := instance.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeDir(t, d) })
	if n, err = d.StartNATS(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	provision(ctx, t, n)
	return path, n
}

// proberPassword is what probers on other machines are given.
func proberPassword(t *testing.T, path string) nats.Option {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path, "nats-prober-password"))
	if err != nil {
		t.Fatal(err)
	}
	return nats.UserInfo(events.ServiceProber, string(b))
}

// provision makes the streams as the process itself does.
func provision(ctx context.Context, t *testing.T, n *instance.NATS) {
	t.Helper()
	nc, js := keeper(t, n)
	defer nc.Close()
	if err := events.Provision(ctx, js, events.Limits{EventsMaxBytes: 64 << 20}); err != nil {
		t.Fatal(err)
	}
}

// TestServicesTakeNothingFromTheLog: what the services know, also those on
// machines of their own, changes neither stream nor the consumers that are
// everybody's; and what they need works.
func TestServicesTakeNothingFromTheLog(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	path, n := running(ctx, t, instance.NATSOptions{})
	for name, connect := range map[string]func(...nats.Option) (*nats.Conn, error){
		"of this process": func(o ...nats.Option) (*nats.Conn, error) { return n.Connect("gateway", o...) },
		"elsewhere":       func(o ...nats.Option) (*nats.Conn, error) { return instance.Find(path, "gateway", o...) },
	} {
		t.Run(name, func(t *testing.T) {
			refusals := make(chan string, 100)
			nc, err := connect(nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refusals <- err.Error() }))
			if err != nil {
				t.Fatal(err)
			}
			js := jetStream(t, nc)
			serve(ctx, t, events.NewLog(js, "gateway"))
			select {
			case r := <-refusals:
				t.Fatalf("of what a service needs was refused: %s", r)
			default:
			}
			before := states(ctx, t, js)
			for subject, body := range takings(ctx, t, js) {
				refused(t, nc, refusals, subject, body)
			}
			if after := states(ctx, t, js); !slices.Equal(before, after) {
				t.Errorf("before: %s\nafter: %s", before, after)
			}
		})
	}
}

func refused(t *testing.T, nc *nats.Conn, refusals <-chan string, subject string, body []byte) {
	t.Helper()
	if err := nc.PublishRequest(subject, nc.NewRespInbox(), body); err != nil {
		t.Fatal(err)
	}
	select {
	case r := <-refusals:
		if !strings.Contains(strings.ToLower(r), "permissions violation") || !strings.Contains(r, subject) {
			t.Errorf("%s: %s", subject, r)
		}
	case <-time.After(5 * time.Second):
		t.Errorf("%s was not refused", subject)
	}
}

// TestEncrypted: clients elsewhere may want TLS, and trust the certificate; those on
// the machine itself and in the process do without.
func TestEncrypted(t *testing.T) {
	t.Parallel()
	known := httptest.NewTLSServer(nil) // has a certificate for 127.0.0.1
	defer known.Close()
	path, n := running(t.Context(), t, instance.NATSOptions{Listen: "127.0.0.1:0", TLS: &tls.Config{Certificates: known.TLS.Certificates}})
	address, roots := strings.Replace(n.URL(), "nats://", "tls://", 1), x509.NewCertPool()
	who := proberPassword(t, path)
	if _, err := nats.Connect(address, who, nats.Secure(&tls.Config{RootCAs: roots})); err == nil { // it trusts nobody
		t.Error("whoever answers is believed")
	}
	roots.AddCert(known.Certificate())
	nc, err := nats.Connect(address, who, nats.Secure(&tls.Config{RootCAs: roots}))
	if err != nil {
		t.Fatal(err)
	}
	if state, err := nc.TLSConnectionState(); err != nil || !state.HandshakeComplete {
		t.Errorf("%+v, %v", state, err)
	}
	nc.Close()
	local, err := instance.Find(path, "cli")
	if err != nil {
		t.Fatal(err)
	}
	local.Close()
}

// serve does what services do with the log.
func serve(ctx context.Context, t *testing.T, log *events.Log) {
	t.Helper()
	_, _, err := log.Append(ctx, events.Audited{ID: "1", Kind: events.SignedIn})
	if err == nil {
		_, err = log.Identity(ctx)
	}
	if err == nil {
		_, err = log.SequenceAt(ctx, time.Now().Add(-time.Hour))
	}
	for _, subjects := range [][]string{nil, {events.AllAudit}, {events.AllAudit, events.AllRequested}} {
		var feed *events.Feed
		if err == nil {
			feed, err = log.Feed(ctx, events.FeedOptions{Subjects: subjects})
		}
		if err == nil {
			_, err = feed.Next(ctx)
			feed.Stop()
		}
	}
	for _, shared := range [][2]string{{events.StreamProbes, events.ConsumerProbers}, {events.StreamEvents, events.ConsumerSchedulers}} {
		var c jetstream.Consumer
		if err == nil {
			c, err = log.JetStream().Consumer(ctx, shared[0], shared[1])
		}
		if err == nil {
			_, err = c.FetchNoWait(1)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// takings are requests that would take from the log, or from everybody what
// they share.
func takings(ctx context.Context, t *testing.T, js jetstream.JetStream) map[string][]byte {
	t.Helper()
	s, err := js.Stream(ctx, events.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	forgetful, own := s.CachedInfo().Config, s.CachedInfo().Config
	forgetful.MaxMsgs, forgetful.Discard = 1, jetstream.DiscardOld
	own.Name, own.Subjects = "OWN", []string{"own.>"}
	requests := map[string]any{
		"STREAM.UPDATE.EVENTS":                                forgetful,
		"STREAM.CREATE.OWN":                                   own,
		"STREAM.PURGE.EVENTS":                                 struct{}{},
		"STREAM.DELETE.EVENTS":                                struct{}{},
		"STREAM.MSG.DELETE.EVENTS":                            map[string]any{"seq": 1},
		"STREAM.SNAPSHOT.EVENTS":                              map[string]any{"deliver_subject": "own"},
		"STREAM.RESTORE.EVENTS":                               map[string]any{"config": own},
		"STREAM.PURGE.PROBES":                                 struct{}{},
		"STREAM.DELETE.PROBES":                                struct{}{},
		"CONSUMER.DELETE.PROBES." + events.ConsumerProbers:    struct{}{},
		"CONSUMER.PAUSE.PROBES." + events.ConsumerProbers:     map[string]any{"pause_until": time.Now().Add(time.Hour)},
		"CONSUMER.DELETE.EVENTS." + events.ConsumerSchedulers: struct{}{},
		"CONSUMER.CREATE.EVENTS":                              map[string]any{"stream_name": "EVENTS"},
		"CONSUMER.CREATE.EVENTS." + events.ConsumerSchedulers: map[string]any{
			"stream_name": "EVENTS", "config": jetstream.ConsumerConfig{Durable: events.ConsumerSchedulers, FilterSubject: "ev.none"}},
		"CONSUMER.CREATE.EVENTS." + events.ConsumerSchedulers + ".ev.none": map[string]any{
			"stream_name": "EVENTS", "config": jetstream.ConsumerConfig{Durable: events.ConsumerSchedulers, FilterSubject: "ev.none"}},
		"CONSUMER.DURABLE.CREATE.EVENTS." + events.ConsumerSchedulers: map[string]any{"stream_name": "EVENTS"},
	}
	takings := map[string][]byte{}
	for subject, request := range requests {
		b, err := json.Marshal(request)
		if err != nil {
			t.Fatal(err)
		}
		takings["$JS.API."+subject] = b
	}
	return takings
}

// states are what must stay as it is.
func states(ctx context.Context, t *testing.T, js jetstream.JetStream) (all []string) {
	t.Helper()
	for stream, consumer := range map[string]string{events.StreamProbes: events.ConsumerProbers, events.StreamEvents: events.ConsumerSchedulers} {
		s, err := js.Stream(ctx, stream)
		if err != nil {
			t.Fatal(err)
		}
		c, cerr := s.Consumer(ctx, consumer)
		if cerr != nil {
			t.Fatal(errors.Join(err, cerr))
		}
		state, err := json.Marshal([]any{s.CachedInfo().Config, s.CachedInfo().State.Msgs, c.CachedInfo().Config})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(state))
	}
	slices.Sort(all)
	return all
}

package instance_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"backupmonitor/events"
	"backupmonitor/services/cmd/backup-monitor/instance"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func closeDir(t *testing.T, d *instance.Dir) {
	t.Helper()
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func start(t *testing.T, path string) (*instance.Dir, *instance.NATS) {
	t.Helper()
	d, err := instance.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	n, err := d.StartNATS(instance.NATSOptions{Log: quiet()})
	if err != nil {
		t.Fatal(errors.Join(err, d.Close()))
	}
	return d, n
}

func TestSecondProcessIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data")
	d, err := instance.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := instance.Open(path); !errors.Is(err, instance.ErrInUse) {
		t.Fatalf("second: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if d, err = instance.Open(path); err != nil {
		t.Fatalf("after the first: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestUnusableDirectory(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := instance.Open(file); err == nil || !strings.Contains(err.Error(), "DATA_DIR") {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "nats"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := instance.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer closeDir(t, d)
	if _, err := d.StartNATS(instance.NATSOptions{Log: quiet()}); err == nil {
		t.Fatal("a server started on a file")
	}
}

// TestFoundByItsAddress: a command finds the running process, may read and
// write, and may not take from the log.
func TestFoundByItsAddress(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	if _, err := instance.Find(path, "cli"); !errors.Is(err, instance.ErrNotRunning) {
		t.Fatalf("before: %v", err)
	}
	d, n := start(t, path)
	defer closeDir(t, d)
	info, err := os.Stat(filepath.Join(path, "nats.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info.Mode(), err)
	}
	nc, err := instance.Find(path, "cli")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	provision(ctx, t, n)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	log := events.NewLog(js, "cli")
	for i := range 3 {
		if _, _, err := log.Append(ctx, events.Audited{ID: strconv.Itoa(i), Kind: events.SignedIn}); err != nil {
			t.Fatal(err)
		}
	}
	tamper(ctx, t, nc, js)
	feed, err := log.Feed(ctx, events.FeedOptions{Subjects: []string{events.AllAudit}})
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Stop()
	if r, err := feed.Next(ctx); err != nil || r.Seq != 1 || r.Pending != 2 {
		t.Fatalf("the log is not as it was: %+v, %v", r, err)
	}
	if _, err := n.Check(ctx); err != nil {
		t.Fatal(err)
	}
	nc.Close()
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := instance.Find(path, "cli"); !errors.Is(err, instance.ErrNotRunning) {
		t.Fatalf("after: %v", err)
	}
}

// provision makes the streams, as only the process itself may.
func provision(ctx context.Context, t *testing.T, n *instance.NATS) {
	t.Helper()
	nc, err := n.ConnectKeeper("provision")
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err == nil {
		err = events.Provision(ctx, js, events.Limits{EventsMaxBytes: 64 << 20})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// tamper tries all that would take from the log, or from those who work on it.
func tamper(ctx context.Context, t *testing.T, nc *nats.Conn, js jetstream.JetStream) {
	t.Helper()
	s, err := js.Stream(ctx, events.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	forgetful := s.CachedInfo().Config
	forgetful.MaxMsgs, forgetful.Discard = 1, jetstream.DiscardOld
	body, err := json.Marshal(forgetful)
	if err != nil {
		t.Fatal(err)
	}
	refused := make(chan string, 100)
	nc.SetErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err.Error() })
	for _, api := range []string{
		"STREAM.UPDATE.EVENTS", "STREAM.CREATE.EVENTS", "STREAM.CREATE.OTHER", "STREAM.PURGE.EVENTS", "STREAM.DELETE.EVENTS", "STREAM.DELETE.PROBES",
		"STREAM.MSG.DELETE.EVENTS", "STREAM.RESTORE.EVENTS", "STREAM.SNAPSHOT.EVENTS", "CONSUMER.DELETE.PROBES.probers",
		"CONSUMER.DELETE.EVENTS.schedulers", "CONSUMER.CREATE.EVENTS.schedulers", "CONSUMER.CREATE.EVENTS.schedulers.ev.>",
		"CONSUMER.DURABLE.CREATE.EVENTS.schedulers", "CONSUMER.CREATE.PROBES", "CONSUMER.CREATE.PROBES.mine", "CONSUMER.CREATE.PROBES.probers.cmd.>",
		"CONSUMER.PAUSE.EVENTS.schedulers", "CONSUMER.RESET.EVENTS.schedulers", "META.LEADER.STEPDOWN", "ACCOUNT.PURGE.$G",
	} {
		if err := nc.PublishMsg(&nats.Msg{Subject: "$JS.API." + api, Reply: nc.NewRespInbox(), Data: body}); err != nil {
			t.Fatal(err)
		}
		select {
		case why := <-refused:
			if !strings.Contains(strings.ToUpper(why), strings.ToUpper(`"$JS.API.`+api+`"`)) {
				t.Errorf("%s: %s", api, why)
			}
		case <-ctx.Done():
			t.Fatalf("%s is allowed", api)
		}
	}
}

// TestAProberAlone: its credential, which stands beside outlets, tells of looks and
// of nothing else, and hears nothing of others.
func TestAProberAlone(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	d, n := start(t, path)
	defer closeDir(t, d)
	defer func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	provision(ctx, t, n)
	b, err := os.ReadFile(filepath.Join(path, "nats.json"))
	if err != nil {
		t.Fatal(err)
	}
	var a struct {
		URL    string
		Prober struct{ User, Password string }
	}
	if err := json.Unmarshal(b, &a); err != nil {
		t.Fatal(err)
	}
	refused := make(chan string, 100)
	nc, err := nats.Connect(a.URL, append(events.ConnectOptions("prober"), nats.UserInfo(a.Prober.User, a.Prober.Password),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err.Error() }))...)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	log := events.NewLog(js, "prober")
	for _, e := range []events.Payload{
		events.BackupObserved{Outlet: "A/1", Mode: events.DDrive, ScanID: "x"}, events.ProberChanged{Prober: "p"}, events.CredentialChanged{Account: `D\u`},
	} {
		if _, _, err := log.Append(ctx, e); err != nil {
			t.Error(err)
		}
		if _, err := log.Last(ctx, e.Subject()); err != nil {
			t.Error(err)
		}
	}
	for subject, try := range map[string]func(string) error{
		"ctl.users": func(s string) error { return nc.Publish(s, nil) }, "ctl.do.rebuild": func(s string) error { return nc.Publish(s, nil) },
		"ev.audit.signed_in": func(s string) error { return nc.Publish(s, nil) }, "ev.outlet.A1": func(s string) error { return nc.Publish(s, nil) },
		"ev.settings": func(s string) error { return nc.Publish(s, nil) }, "ev.scan.requested.x": func(s string) error { return nc.Publish(s, nil) },
		"cmd.probe.A1":                     func(s string) error { return nc.Publish(s, nil) },
		"$JS.API.STREAM.UPDATE.EVENTS":     func(s string) error { return nc.Publish(s, nil) },
		"$JS.API.CONSUMER.CREATE.EVENTS.x": func(s string) error { return nc.Publish(s, nil) },
		">":                                func(s string) error { _, err := nc.SubscribeSync(s); return err },
		"ctl.>":                            func(s string) error { _, err := nc.SubscribeSync(s); return err },
		"_INBOX_command-line.>":            func(s string) error { _, err := nc.SubscribeSync(s); return err },
	} {
		if err := try(subject); err != nil {
			t.Fatal(err)
		}
		select {
		case why := <-refused:
			if !strings.Contains(strings.ToUpper(why), strings.ToUpper(`"`+subject+`"`)) {
				t.Errorf("%s: %s", subject, why)
			}
		case <-ctx.Done():
			t.Fatalf("%s is allowed", subject)
		}
	}
}

// TestLeftBehind: the address that a killed process left is no running one,
// whatever is in it and whoever is there now.
func TestLeftBehind(t *testing.T) {
	t.Parallel()
	stranger, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stranger.Close() })
	for _, text := range []string{"", "{", "[]", `{"url":"nats://` + stranger.Addr().String() + `"}`} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "nats.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := instance.Find(dir, "cli"); !errors.Is(err, instance.ErrNotRunning) {
			t.Errorf("%q: %v", text, err)
		}
	}
	path := t.TempDir()
	d, n := start(t, path)
	left, err := os.ReadFile(filepath.Join(path, "nats.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(n.Close(), d.Close(), os.WriteFile(filepath.Join(path, "nats.json"), left, 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := instance.Find(path, "cli"); !errors.Is(err, instance.ErrNotRunning) {
		t.Fatal(err)
	}
}

func TestSecretIsKept(t *testing.T) {
	t.Parallel()
	d, err := instance.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer closeDir(t, d)
	a, err := d.Secret("jwt-secret")
	if err != nil || len(a) != 64 {
		t.Fatalf("%q %v", a, err)
	}
	b, err := d.Secret("jwt-secret")
	other, err2 := d.Secret("other")
	if err != nil || err2 != nil || a != b || a == other {
		t.Fatalf("%v %v", err, err2)
	}
}

package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"backupmonitor/events"
	"backupmonitor/services/internal/natstest"
	"backupmonitor/services/internal/registry"
	"backupmonitor/services/internal/scan"
	"backupmonitor/services/scheduler"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long anything may take before a test fails.
const patience = 60 * time.Second

func policy() events.Policy {
	return events.Policy{MaxAgeSeconds: 26 * 3600, MinSizeBytes: 1024, Patterns: []string{"*.bak"}}
}

// fixture is a server with schedulers and probers to be started on it.
type fixture struct {
	*natstest.Server
	t   *testing.T
	ctx context.Context
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	t.Cleanup(cancel)
	return &fixture{Server: natstest.Start(t), t: t, ctx: ctx}
}

// running is a started scheduler.
type running struct {
	*scheduler.Scheduler
	*fixture
	conn  *nats.Conn
	stop  func()     // asks it to stop and waits
	ended chan error // holds what it ended with
}

func (f *fixture) config() scheduler.Config {
	return scheduler.Config{
		Zone:         time.UTC,
		Settings:     events.SettingsChanged{Policy: policy()},
		Deadline:     time.Hour,
		ProbeTimeout: 200 * time.Millisecond,
	}
}

func (f *fixture) schedule(change ...func(*scheduler.Config)) *running {
	f.t.Helper()
	cfg := f.config()
	for _, c := range change {
		c(&cfg)
	}
	conn, _, log := f.Client(f.t, "scheduler")
	s := f.make(cfg, log)
	ctx, cancel := context.WithCancel(f.ctx)
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if killed := conn.IsClosed() && errors.Is(err, nats.ErrConnectionClosed); err != nil && !killed {
				f.t.Errorf("the scheduler ended with %v", err)
			}
		case <-time.After(patience):
			f.t.Error("the scheduler did not stop")
		}
	})
	f.t.Cleanup(stop)
	return &running{Scheduler: s, fixture: f, conn: conn, stop: stop, ended: ended}
}

func (f *fixture) make(cfg scheduler.Config, log *events.Log) *scheduler.Scheduler {
	return scheduler.New(cfg, log, slog.New(slog.NewTextHandler(f.t.Output(), nil)))
}

// detail waits until the scheduler tells of itself what is wanted.
func (s *running) detail(want string) {
	s.t.Helper()
	s.until("it says: "+want, func() bool {
		detail, _ := s.Check(s.ctx)
		return strings.Contains(detail, want)
	})
}

// register makes active outlets R0001, R0002 and so on.
func (f *fixture) register(n int) []string {
	f.t.Helper()
	var rows []registry.OutletRow
	var codes []string
	for i := range n {
		codes = append(codes, fmt.Sprintf("R%04d", i+1))
		rows = append(rows, registry.OutletRow{Code: codes[i], Address: fmt.Sprintf("10.0.%d.%d", i/250, i%250+1)})
	}
	changes := registry.Diff(registry.Outlets{}, rows, events.SourceUser)
	if _, err := registry.Apply(f.ctx, f.Log, changes, "test", time.Now()); err != nil {
		f.t.Fatal(err)
	}
	return codes
}

// change writes one outlet's next state.
func (f *fixture) change(code string, edit func(*events.OutletChanged)) {
	f.t.Helper()
	e, err := registry.Current(f.ctx, f.Log, code)
	if err != nil {
		f.t.Fatal(err)
	}
	o := e.OutletChanged
	o.Previous = e.Seq
	edit(&o)
	if _, err := f.Log.Write(f.ctx, o, e.Seq); err != nil {
		f.t.Fatal(err)
	}
}

func request(id string, modes ...events.Mode) events.ScanRequested {
	now := time.Now().UTC()
	return events.ScanRequested{
		ScanID: id, ScanDate: events.DateOf(now, time.UTC), Modes: modes,
		Trigger: events.TriggerAPI, RequestedAt: now, Deadline: now.Add(time.Hour),
	}
}

func (f *fixture) request(r events.ScanRequested) uint64 {
	f.t.Helper()
	seq, err := scan.Request(f.ctx, f.Log, time.UTC, r)
	if err != nil {
		f.t.Fatal(err)
	}
	return seq
}

// completed waits for a scan's end.
func (f *fixture) completed(id string) events.ScanCompleted {
	f.t.Helper()
	var c events.ScanCompleted
	ctx, cancel := context.WithTimeout(f.ctx, patience)
	defer cancel()
	err := scan.Follow(ctx, f.Log, id, func(u scan.Update) error {
		if u.Completed != nil {
			c = *u.Completed
		}
		return nil
	})
	if err != nil {
		f.t.Fatalf("scan %s: %v", id, err)
	}
	return c
}

// started waits for a scan's start.
func (f *fixture) started(id string) events.ScanStarted {
	f.t.Helper()
	var started events.ScanStarted
	f.until("scan "+id+" has started", func() bool {
		var err error
		started, err = scan.Started(f.ctx, f.Log, id)
		return err == nil
	})
	return started
}

// until polls, because what is waited for is the server's own state.
func (f *fixture) until(what string, ok func() bool) {
	f.t.Helper()
	limit := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-limit:
			f.t.Fatalf("it did not come about that %s", what)
		case <-tick.C:
		}
	}
}

// looks reads all looks that the log holds.
func (f *fixture) looks() []events.BackupObserved {
	f.t.Helper()
	feed, err := f.Log.Feed(f.ctx, events.FeedOptions{Subjects: []string{events.AllObserved}})
	if err != nil {
		f.t.Fatal(err)
	}
	defer feed.Stop()
	var all []events.BackupObserved
	for more := feed.Initial > 0; more; {
		r, err := feed.Next(f.ctx)
		if err != nil {
			f.t.Fatal(err)
		}
		e, err := r.Decode()
		if err != nil {
			f.t.Fatal(err)
		}
		all = append(all, e.Data.(events.BackupObserved))
		more = r.Pending > 0
	}
	return all
}

func (f *fixture) queued() uint64 {
	f.t.Helper()
	st, err := f.JS.Stream(f.ctx, events.StreamProbes)
	if err != nil {
		f.t.Fatal(err)
	}
	return st.CachedInfo().State.Msgs
}

func (f *fixture) queueEmpties() {
	f.t.Helper()
	f.until("no command is outstanding", func() bool { return f.queued() == 0 })
}

// nothingUnacknowledged waits until no request waits for a scheduler.
func (f *fixture) nothingUnacknowledged() {
	f.t.Helper()
	f.until("every request is acknowledged", func() bool {
		c, err := f.JS.Consumer(f.ctx, events.StreamEvents, events.ConsumerSchedulers)
		if err != nil {
			f.t.Fatal(err)
		}
		return c.CachedInfo().NumAckPending == 0 && c.CachedInfo().NumPending == 0
	})
}

// quickTakeover shortens the time after which an unrenewed request is
// delivered to another scheduler.
func (f *fixture) quickTakeover() {
	f.t.Helper()
	f.takeoverAfter(time.Second)
}

func (f *fixture) takeoverAfter(unrenewed time.Duration) {
	f.t.Helper()
	c, err := f.JS.Consumer(f.ctx, events.StreamEvents, events.ConsumerSchedulers)
	if err != nil {
		f.t.Fatal(err)
	}
	cfg := c.CachedInfo().Config
	cfg.AckWait = unrenewed
	if _, err := f.JS.UpdateConsumer(f.ctx, events.StreamEvents, cfg); err != nil {
		f.t.Fatal(err)
	}
}

// commandsOf opens the probers' consumer.
func (f *fixture) commandsOf() jetstream.Consumer {
	f.t.Helper()
	c, err := f.JS.Consumer(f.ctx, events.StreamProbes, events.ConsumerProbers)
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

package prober_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"backupmonitor/events"
	"backupmonitor/services/internal/fleet"
	"backupmonitor/services/internal/natstest"
	"backupmonitor/services/prober"
	"backupmonitor/services/prober/smb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// limit is how long anything may take that is to happen.
const limit = 60 * time.Second

func places() []smb.Place {
	cred := smb.NewCredential(fleet.DefaultUser, fleet.DefaultPassword, "")
	return []smb.Place{
		{Mode: events.DDrive, Credential: cred, Shares: []string{fleet.DShare}, Folder: fleet.BackupFolder},
		{Mode: events.IBStorage, Credential: cred, Shares: fleet.USBShares(), Folder: fleet.BackupFolder},
	}
}

// quick is a configuration that does not make a test wait.
func quick() prober.Config {
	return prober.Config{
		Places: places(), Concurrency: 4, ProbeTimeout: limit, RetryDelay: 20 * time.Millisecond,
		LogDelay: 50 * time.Millisecond, Grace: 50 * time.Millisecond,
	}
}

// run runs a prober on a client of its own until the returned function is
// called, or the test ends.
func run(t *testing.T, n *natstest.Server, cfg prober.Config) (stop func()) {
	t.Helper()
	_, _, log := n.Client(t, events.ServiceProber)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	p := prober.New(cfg, log, slog.New(slog.NewTextHandler(testWriter{t}, nil)))
	go func() { done <- p.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run returned %v", err)
			}
		case <-time.After(limit):
			t.Error("Run did not return")
		}
		if detail, _ := p.Check(ctx); !strings.HasPrefix(detail, "0 of ") {
			t.Errorf("after Run: %s", detail)
		}
	})
	t.Cleanup(stop)
	return stop
}

// testWriter writes a service's log to the test's.
type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(string(bytes.TrimSpace(p)))
	return len(p), nil
}

// command is one for both modes, today, with all the time it needs.
func command(scan, outlet, server string) events.ProbeCommand {
	return events.ProbeCommand{
		ScanID: scan, ScanDate: events.DateOf(time.Now(), time.UTC), Outlet: outlet, Server: server,
		Modes: events.Modes(), RequestPosition: 1, Deadline: time.Now().Add(time.Hour).UTC(),
		Policy: events.Policy{MaxAgeSeconds: 26 * 3600, MinSizeBytes: 1024, Patterns: []string{"*.bak"}},
	}
}

func offer(t *testing.T, n *natstest.Server, commands ...events.ProbeCommand) {
	t.Helper()
	for _, c := range commands {
		if err := n.Log.Command(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
}

// deliver takes a command out of the queue and puts it back, as often as told,
// as if probers had died with it.
func deliver(t *testing.T, n *natstest.Server, times int) {
	t.Helper()
	c, err := n.JS.Consumer(t.Context(), events.StreamProbes, events.ConsumerProbers)
	if err != nil {
		t.Fatal(err)
	}
	for range times {
		m, err := c.Next(jetstream.FetchMaxWait(limit))
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Nak(); err != nil {
			t.Fatal(err)
		}
	}
}

// observed waits for count events and for an empty queue, and checks that
// there is none too many.
func observed(t *testing.T, n *natstest.Server, count int) map[string]events.BackupObserved {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if err := until(ctx, func() (bool, error) { return queued(ctx, n) }); err != nil {
		t.Fatalf("the queue is not empty: %v", err)
	}
	feed, err := n.Log.Feed(ctx, events.FeedOptions{Subjects: []string{events.AllObserved}})
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Stop()
	looks := map[string]events.BackupObserved{}
	for i := range int(feed.Initial) {
		r, err := feed.Next(ctx)
		if err != nil {
			t.Fatalf("after %d events: %v", i, err)
		}
		e, err := r.Decode()
		if err != nil {
			t.Fatal(err)
		}
		l := e.Data.(events.BackupObserved)
		if want := events.LookID(l.ScanID, l.Outlet, l.Mode); e.ID != want {
			t.Errorf("event %s, want %s", e.ID, want)
		}
		if _, twice := looks[e.ID]; twice {
			t.Errorf("%s is there twice", e.ID)
		}
		looks[e.ID] = l
	}
	if len(looks) != count {
		t.Fatalf("%d events, want %d", len(looks), count)
	}
	return looks
}

// queued tells whether the queue is empty.
func queued(ctx context.Context, n *natstest.Server) (bool, error) {
	s, err := n.JS.Stream(ctx, events.StreamProbes)
	if err != nil {
		return false, err
	}
	return s.CachedInfo().State.Msgs == 0, nil
}

// until asks again and again until the answer is yes or ctx ends.
func until(ctx context.Context, yes func() (bool, error)) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok, err := yes(); err != nil || ok {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// of is the event of scan s1, outlet B1.
func of(t *testing.T, looks map[string]events.BackupObserved, m events.Mode) events.BackupObserved {
	t.Helper()
	l, ok := looks[events.LookID("s1", "B1", m)]
	if !ok {
		t.Fatalf("no event for %s", m)
	}
	return l
}

// good is what a look sees where all is well.
func good(mode events.Mode) smb.Result {
	now := time.Now().UTC()
	return smb.Result{Mode: mode, Cutoff: now, Drives: []events.Drive{{
		Letter: "D", Share: "d$", Folder: "BackupFull", FileCount: 1,
		Files: []events.File{{Name: "DB.bak", Bytes: 1 << 30, Modified: now.Add(-time.Hour)}},
	}}}
}

// failed is what a look sees that gets nowhere.
func failed(mode events.Mode, cause events.Cause) smb.Result {
	return smb.Result{Mode: mode, Cutoff: time.Now().UTC(), Error: &events.LookError{Code: cause, Step: smb.StepConnect, Detail: "made up"}}
}

// script is a Looker that answers each mode from a list, the last answer for
// ever, and notes what it was asked.
type script struct {
	mu      sync.Mutex
	answers map[events.Mode][]smb.Result
	asked   [][]events.Mode
}

func (s *script) look(_ context.Context, target smb.Target, _ smb.Request) []smb.Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	var results []smb.Result
	var modes []events.Mode
	for _, p := range target.Places {
		modes = append(modes, p.Mode)
		list := s.answers[p.Mode]
		if len(list) == 0 {
			results = append(results, good(p.Mode))
			continue
		}
		results = append(results, list[0])
		if len(list) > 1 {
			s.answers[p.Mode] = list[1:]
		}
	}
	s.asked = append(s.asked, modes)
	return results
}

func (s *script) history() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprint(s.asked)
}

// forbidden is a Looker that must not be called.
func forbidden(t *testing.T) prober.Looker {
	return func(_ context.Context, target smb.Target, _ smb.Request) []smb.Result {
		t.Errorf("a look at %s", target.Address)
		var results []smb.Result
		for _, p := range target.Places {
			results = append(results, failed(p.Mode, events.CauseAuthFailed))
		}
		return results
	}
}

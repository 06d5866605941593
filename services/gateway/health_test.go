package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"backupmonitor/events"
	"backupmonitor/services/gateway"
	"backupmonitor/services/internal/natstest"
)

func TestHealth(t *testing.T) {
	t.Parallel()
	down := &downStore{}
	var bad atomic.Bool
	e := start(t, func(s *setup) {
		s.store = func(st gatewayStore) gatewayStore { down.gatewayStore = st; return down }
		s.cfg.Checks = []gateway.Check{{Name: "disk", Run: func(context.Context) (string, error) {
			if bad.Load() {
				return "1 GB free", errors.New("/secret/path is nearly full")
			}
			return "90 GB free", nil
		}}}
		s.cfg.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("up 1\n")) })
	})
	ready := func(status int, has ...string) {
		t.Helper()
		var res answer
		eventually(t, fmt.Sprintf("%d with %v", status, has), func() bool { // an answer is kept for a moment
			res = e.plain(t, http.MethodGet, "/readyz?verbose", nil)
			return res.status == status && !slices.ContainsFunc(has, func(h string) bool { return !strings.Contains(res.body, h) })
		})
		if res.status != status || strings.Contains(res.body, "secret") || strings.Contains(res.body, "10.9.8.7") {
			t.Errorf("%d %s", res.status, res.body)
		}
	}
	eventually(t, "ready", func() bool {
		res := e.plain(t, http.MethodGet, "/readyz", nil)
		return res.status == http.StatusOK
	})
	ready(http.StatusOK, `{"name":"disk","ok":true,"detail":"90 GB free"}`, `"name":"event log","ok":true`)
	bad.Store(true)
	ready(http.StatusServiceUnavailable, `{"name":"disk","ok":false,"detail":"1 GB free"}`)
	bad.Store(false)
	down.down.Store(true)
	ready(http.StatusServiceUnavailable, `"name":"database","ok":false`)
	down.down.Store(false)
	e.fill(t, nil, unseen("S1", "2026-02-21")) // the tables of a log that is not this one
	ready(http.StatusServiceUnavailable, `"name":"tables","ok":false,"detail":"are of another event log"`)
	if res := e.plain(t, http.MethodGet, "/livez", nil); res.status != http.StatusOK || !strings.Contains(res.body, "ok") {
		t.Errorf("%d %s", res.status, res.body)
	}
	if res := e.plain(t, http.MethodGet, "/metrics", nil); res.body != "up 1\n" {
		t.Errorf("%s", res.body)
	}
	e.nats.Stop()
	ready(http.StatusServiceUnavailable, `"name":"event log","ok":false`)
}

// The log tells that a check fails when it begins to, and when it has ended,
// however often it is asked. Who leaves before the answer says nothing of it.
func TestHealthLogsChangesOnly(t *testing.T) {
	t.Parallel()
	var bad, slow atomic.Bool
	entered, end := make(chan struct{}), make(chan struct{})
	e := start(t, func(s *setup) {
		s.cfg.Checks = []gateway.Check{{Name: "disk", Run: func(ctx context.Context) (string, error) {
			if slow.Load() {
				close(entered)
				select {
				case <-ctx.Done():
					return "", ctx.Err()
				case <-end:
				}
			}
			if bad.Load() {
				return "", errors.New("the disk is nearly full")
			}
			return "", nil
		}}}
	})
	ask := func() string { return e.plain(t, http.MethodGet, "/readyz?verbose", nil).body }
	lines := func(message string) (n int) {
		for line := range strings.Lines(e.logs.String()) {
			if strings.Contains(line, `"msg":"`+message+`"`) && strings.Contains(line, `"check":"disk"`) {
				n++
			}
		}
		return n
	}
	for i, step := range []struct {
		bad        bool
		red, green int // lines so far
	}{{false, 0, 0}, {true, 1, 0}, {false, 1, 1}, {true, 2, 1}, {false, 2, 2}} {
		bad.Store(step.bad)
		as := func() bool { return strings.Contains(ask(), `{"name":"disk","ok":true}`) != step.bad }
		eventually(t, fmt.Sprintf("step %d", i), as)
		for range 5 {
			if !as() {
				t.Errorf("step %d: not any more", i)
			}
		}
		if red, green := lines("Not ready."), lines("Ready again."); red != step.red || green != step.green {
			t.Errorf("step %d: %d lines of red and %d of green", i, red, green)
		}
	}
	e.gateway.ForgetReadiness()
	slow.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, e.url+"/readyz", nil)
	if err != nil {
		t.Fatal(err)
	}
	left := make(chan struct{})
	go func() {
		defer close(left)
		if res, err := e.client.Do(r); err == nil {
			closeBody(t, res)
		}
	}()
	<-entered
	slow.Store(false)
	cancel()
	<-left
	close(end)
	e.gateway.ForgetReadiness()
	ask()
	if r, g := lines("Not ready."), lines("Ready again."); r != 2 || g != 2 {
		t.Errorf("after one who left: %d lines of red and %d of green", r, g)
	}
}

// A check that hangs, heeding nothing, is one that fails: /readyz answers, as
// often as it is asked, and asks that check no second time meanwhile.
func TestHealthWithACheckThatHangs(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	end := make(chan struct{})
	e := start(t, func(s *setup) {
		s.cfg.Checks = []gateway.Check{{Name: "stuck", Run: func(context.Context) (string, error) {
			asked.Add(1)
			<-end
			return "", nil
		}}}
	})
	for range 2 {
		e.gateway.ForgetReadiness()
		res := e.plain(t, http.MethodGet, "/readyz?verbose", nil) // it comes while the check hangs
		if res.status != http.StatusServiceUnavailable || !strings.Contains(res.body, `{"name":"stuck","ok":false,"detail":"does not answer"}`) {
			t.Errorf("%d %s", res.status, res.body)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	close(end)
	eventually(t, "ready again", func() bool { return e.plain(t, http.MethodGet, "/readyz", nil).status == http.StatusOK })
}

// Anybody may ask whether the gateway is ready, and by asking often makes it
// neither work more nor seem not ready.
func TestHealthAskedByACrowd(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	let := make(chan struct{})
	e := start(t, func(s *setup) {
		s.cfg.Checks = []gateway.Check{{Name: "slow", Run: func(ctx context.Context) (string, error) {
			asked.Add(1)
			select {
			case <-let:
			case <-ctx.Done():
			}
			return "", ctx.Err()
		}}}
	})
	var crowd sync.WaitGroup
	for range 100 {
		crowd.Go(func() {
			if res := e.plain(t, http.MethodGet, "/readyz", nil); res.status != http.StatusOK {
				t.Errorf("%d %s", res.status, res.body)
			}
		})
	}
	eventually(t, "all ask", func() bool { return e.gateway.InFlight() > 100 })
	close(let)
	crowd.Wait()
	if n := asked.Load(); n != 1 {
		t.Errorf("%d who ask have the check asked %d times", 100, n)
	}
	if strings.Contains(e.logs.String(), "Not ready.") {
		t.Error("a crowd makes the gateway seem not ready")
	}
}

// A log that can be read and not be written is no log, and neither is one that has
// lost events.
func TestHealthWithALogThatTakesNothing(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		spoil  func(*testing.T, *natstest.Server)
		detail string
	}{
		"sealed": {func(t *testing.T, n *natstest.Server) {
			s, err := n.JS.Stream(t.Context(), events.StreamEvents)
			if err != nil {
				t.Fatal(err)
			}
			cfg := s.CachedInfo().Config
			cfg.Sealed = true
			if _, err := n.JS.UpdateStream(t.Context(), cfg); err != nil {
				t.Fatal(err)
			}
		}, "takes no events"},
		"full": {func(t *testing.T, n *natstest.Server) {
			if err := events.Provision(t.Context(), n.JS, events.Limits{EventsMaxBytes: 1 << 20, Replicas: 1}); err != nil {
				t.Fatal(err)
			}
		}, "is full"},
		"emptied": {func(t *testing.T, n *natstest.Server) {
			s, err := n.JS.Stream(t.Context(), events.StreamEvents)
			if err == nil {
				err = s.Purge(t.Context(), jetstream.WithPurgeKeep(1))
			}
			if err != nil {
				t.Fatal(err)
			}
		}, "1 events are missing; `backup-monitor fsck` says"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := start(t)
			eventually(t, "ready", func() bool { return e.plain(t, http.MethodGet, "/readyz", nil).status == http.StatusOK })
			if got := e.plain(t, http.MethodGet, "/readyz", nil).status; got != http.StatusOK {
				t.Errorf("not ready: %d", got)
			}
			if n := e.identity(t).LastSeq; n != 2 { // those of the sign-ins
				t.Errorf("asking wrote to the log: it has %d events", n)
			}
			x.spoil(t, e.nats)
			e.gateway.ForgetReadiness()
			res := e.plain(t, http.MethodGet, "/readyz?verbose", nil)
			if res.status != http.StatusServiceUnavailable || !strings.Contains(res.body, `{"name":"event log","ok":false,"detail":"`+x.detail) {
				t.Errorf("%d %s", res.status, res.body)
			}
		})
	}
}

package gateway_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

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
		res := e.plain(t, http.MethodGet, "/readyz?verbose", nil)
		if res.status != status || strings.Contains(res.body, "secret") || strings.Contains(res.body, "10.9.8.7") {
			t.Errorf("%d %s", res.status, res.body)
		}
		for _, h := range has {
			if !strings.Contains(res.body, h) {
				t.Errorf("%s lacks %s", res.body, h)
			}
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
		began := time.Now()
		res := e.plain(t, http.MethodGet, "/readyz?verbose", nil)
		if res.status != http.StatusServiceUnavailable || !strings.Contains(res.body, `{"name":"stuck","ok":false,"detail":"does not answer"}`) {
			t.Errorf("%d %s", res.status, res.body)
		}
		if took := time.Since(began); took > 2*3*time.Second {
			t.Errorf("the answer took %s", took)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	close(end)
	eventually(t, "ready again", func() bool { return e.plain(t, http.MethodGet, "/readyz", nil).status == http.StatusOK })
}

// A log that can be read and not be written is no log.
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
			res := e.plain(t, http.MethodGet, "/readyz?verbose", nil)
			if res.status != http.StatusServiceUnavailable || !strings.Contains(res.body, `{"name":"event log","ok":false,"detail":"`+x.detail) {
				t.Errorf("%d %s", res.status, res.body)
			}
		})
	}
}

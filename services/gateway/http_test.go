package gateway_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"backupmonitor/services/gateway"
	"backupmonitor/services/internal/natstest"
	"backupmonitor/services/internal/store"
	"backupmonitor/services/internal/store/sqlitetest"
)

type gatewayStore = gateway.Store

// changingUsers is a store whose users somebody changes meanwhile.
type changingUsers struct {
	gatewayStore
	change atomic.Value
}

func (c *changingUsers) User(ctx context.Context, id string) (store.User, error) {
	u, err := c.gatewayStore.User(ctx, id)
	if f, ok := c.change.Load().(func(store.User) store.User); ok {
		u = f(u)
	}
	return u, err
}

var errDown = errors.New("connection to 10.9.8.7 as sa refused")

// downStore is a store that can be taken down.
type downStore struct {
	gatewayStore
	down, panics atomic.Bool
}

func (d *downStore) err() error {
	if d.panics.Load() {
		panic("at the disco")
	}
	if d.down.Load() {
		return errDown
	}
	return nil
}

func (d *downStore) Ping(context.Context) error { return d.err() }

func (d *downStore) ActiveOutlets(ctx context.Context) ([]store.Outlet, error) {
	if err := d.err(); err != nil {
		return nil, err
	}
	return d.gatewayStore.ActiveOutlets(ctx)
}

// Rows fails in the middle.
func (d *downStore) Rows(ctx context.Context, q store.Query, each func(store.Row) error) error {
	err := d.gatewayStore.Rows(ctx, q, each)
	return errors.Join(err, d.err())
}

// answer is a response that was read.
type answer struct {
	status int
	header http.Header
	body   string
}

// plain makes a request outside the API.
func (e *env) plain(t *testing.T, method, target string, header http.Header) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, e.url+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header.Clone()
	if r.Header == nil {
		r.Header = http.Header{}
	}
	res, err := e.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer closeBody(t, res)
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(body)}
}

func TestErrorsNeverTellInternals(t *testing.T) {
	t.Parallel()
	down := &downStore{}
	e := start(t, func(s *setup) {
		s.store = func(st gatewayStore) gatewayStore { down.gatewayStore = st; return down }
	})
	down.down.Store(true)
	status, h, body := e.do(t, call{path: "/outlets", token: e.support, header: map[string]string{"X-Request-Id": "my-request.1"}})
	if status != http.StatusServiceUnavailable || strings.Contains(string(body), "10.9.8.7") || h.Get("X-Request-Id") != "my-request.1" || h.Get("Retry-After") == "" {
		t.Errorf("%d %v %s", status, h, body)
	}
	down.panics.Store(true)
	status, h, body = e.do(t, call{path: "/outlets", token: e.support, header: map[string]string{"X-Request-Id": "bad\tid"}})
	if status != http.StatusInternalServerError || strings.Contains(string(body), "disco") {
		t.Errorf("%d %s", status, body)
	}
	if id := h.Get("X-Request-Id"); id == "" || strings.Contains(id, "bad") {
		t.Errorf("request id %q", id)
	}
	for _, want := range []string{"10.9.8.7", "my-request.1", "at the disco"} {
		if !strings.Contains(e.logs.String(), want) {
			t.Errorf("the log does not tell of %s", want)
		}
	}
}

// An answer that breaks off in the middle is not taken for whole.
func TestAnAnswerThatBreaksOffIsCut(t *testing.T) {
	t.Parallel()
	down := &downStore{}
	e := start(t, func(s *setup) {
		s.store = func(st gatewayStore) gatewayStore { down.gatewayStore = st; return down }
	})
	var looks []store.Look
	for i := range 500 {
		looks = append(looks, unseen("S"+strings.Repeat("x", i%40)+string(rune('A'+i/40)), "2026-02-21"))
	}
	e.fill(t, nil, looks...)
	// The first chunk is out when the database fails.
	e.fill(t, nil)
	down.down.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	res, err := e.client.Do(e.request(ctx, t, call{path: "/backup-stats?format=csv", token: e.support}))
	if err != nil {
		return // cut before its head
	}
	defer closeBody(t, res)
	if body, err := io.ReadAll(res.Body); res.StatusCode == http.StatusOK && err == nil {
		t.Errorf("%d bytes look like a whole answer", len(body))
	}
}

func TestUnknownPlacesAndMethods(t *testing.T) {
	t.Parallel()
	e := start(t)
	for _, c := range []call{{path: "/nothing"}, {path: "/backup-stats/"}, {path: "/scans/a/b"}, {path: "/../etc/passwd"}, {path: "/outlets/S1/x"}} {
		get[failure](t, e, http.StatusNotFound, c)
	}
	get[failure](t, e, http.StatusNotFound, call{path: "/scans/" + strings.Repeat("*", 20_000), token: e.support, header: map[string]string{"Accept": "application/json"}})
	for c, allow := range map[string]string{"DELETE /backup-stats": "GET", "PUT /scans": "GET, POST", "GET /auth/login": "POST", "POST /scans/a": "GET, DELETE"} {
		method, path, _ := strings.Cut(c, " ")
		status, h, body := e.do(t, call{method: method, path: path, token: e.admin})
		if status != http.StatusMethodNotAllowed || h.Get("Allow") != allow || !strings.Contains(string(body), `"status":"Error"`) {
			t.Errorf("%s: %d, Allow %q, %s", c, status, h.Get("Allow"), body)
		}
	}
}

func TestHeadersOfEveryAnswer(t *testing.T) {
	t.Parallel()
	e := start(t, func(s *setup) { s.cfg.CORSOrigins = []string{"http://localhost:3000"} })
	for _, path := range []string{"/backup-monitor/", "/api/v1/outlets", "/nothing", "/livez"} {
		res := e.plain(t, http.MethodGet, path, http.Header{"Accept": {"text/html"}})
		csp := res.header.Get("Content-Security-Policy")
		for _, must := range []string{"default-src 'self'", "script-src 'self'", "frame-ancestors 'none'", "object-src 'none'", "base-uri 'none'"} {
			if !strings.Contains(csp, must) {
				t.Errorf("%s: the policy %q lacks %s", path, csp, must)
			}
		}
		if strings.Contains(csp, "unsafe") || res.header.Get("X-Content-Type-Options") != "nosniff" || res.header.Get("Referrer-Policy") == "" || res.header.Get("X-Request-Id") == "" {
			t.Errorf("%s: %v", path, res.header)
		}
	}
	preflight := http.Header{"Origin": {"http://localhost:3000"}, "Access-Control-Request-Method": {"POST"}}
	res := e.plain(t, http.MethodOptions, "/api/v1/scans", preflight)
	if res.status != http.StatusNoContent || res.header.Get("Access-Control-Allow-Origin") != "http://localhost:3000" || !strings.Contains(res.header.Get("Access-Control-Allow-Headers"), "Authorization") {
		t.Errorf("%d %v", res.status, res.header)
	}
	for _, origin := range []string{"http://evil.example", "http://localhost:30001", "null"} {
		res := e.plain(t, http.MethodGet, "/api/v1/openapi.yaml", http.Header{"Origin": {origin}})
		if got := res.header.Get("Access-Control-Allow-Origin"); got != "" || res.header.Get("Vary") != "Origin" {
			t.Errorf("%s may read: %q, Vary %q", origin, got, res.header.Get("Vary"))
		}
	}
}

func TestStartRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	n, st := natstest.Start(t), sqlitetest.Open(t)
	build := func(cfg gateway.Config) (*gateway.Gateway, error) {
		return gateway.New(cfg, n.Log, st, fstest.MapFS{}, slog.New(slog.DiscardHandler))
	}
	if _, err := build(gateway.Config{JWTSecret: secret[:31], TokenLifetime: time.Hour, BcryptCost: 4}); err == nil || !strings.Contains(err.Error(), "JWT_SECRET_KEY") {
		t.Errorf("a short secret: %v", err)
	}
	if _, err := build(gateway.Config{JWTSecret: secret, BcryptCost: 4}); err == nil || !strings.Contains(err.Error(), "JWT_EXPIRATION_HOURS") {
		t.Errorf("no lifetime: %v", err)
	}
	var c net.ListenConfig
	taken, err := c.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := taken.Close(); err != nil {
			t.Error(err)
		}
	})
	g, err := build(gateway.Config{Addr: taken.Addr().String(), JWTSecret: secret, TokenLifetime: time.Hour, BcryptCost: 4})
	if err != nil {
		t.Fatal(err)
	}
	err = g.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), taken.Addr().String()) || !strings.Contains(err.Error(), "HTTP_ADDR or PORT") || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a port in use: %v", err)
	}
}

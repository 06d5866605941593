package gateway_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/crypto/bcrypt"

	"backupmonitor/services/gateway"
	"backupmonitor/services/gateway/auth"
	"backupmonitor/services/gateway/throttle"
)

// another is one more gateway on the same log, and on a database, as a rule the same.
func (e *env) another(t *testing.T, database gateway.Store) *env {
	t.Helper()
	_, _, log := e.nats.Client(t, "gateway")
	cfg := gateway.Config{
		Addr: "127.0.0.1:0", JWTSecret: secret, TokenLifetime: time.Hour, BcryptCost: bcrypt.MinCost, RefusalStep: time.Millisecond,
		AddressLimit: throttle.Limit{Burst: 1000, Every: time.Millisecond}, AccountLimit: throttle.Limit{Burst: 1000, Every: time.Millisecond},
	}
	o := &env{nats: e.nats, store: e.store, logs: &syncBuffer{}, admin: e.admin, support: e.support, doc: e.doc, router: e.router}
	var err error
	o.gateway, err = gateway.New(cfg, log, database, fstest.MapFS{}, slog.New(slog.NewJSONHandler(o.logs, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := o.gateway.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.url = "http://" + o.gateway.Addr().String()
	o.run(t)
	return o
}

// Tries that come too often are held back, for known and unknown accounts
// alike, and count for nothing.
func TestTriesAreHeldBackByAccount(t *testing.T) {
	t.Parallel()
	e := start(t, func(s *setup) { s.cfg.AccountLimit = throttle.Limit{Burst: 3, Every: time.Hour} })
	for _, user := range []string{"support", "nobody"} {
		for range 3 {
			get[failure](t, e, http.StatusUnauthorized, login(user, "wrong"))
		}
		for _, spelling := range []string{user, strings.ToUpper(user), " " + user + " "} {
			status, h, body := e.do(t, login(spelling, password))
			if status != http.StatusTooManyRequests || !strings.Contains(string(body), "Too many tries") {
				t.Errorf("%q: %d %s", spelling, status, body)
			}
			if s, err := strconv.Atoi(h.Get("Retry-After")); err != nil || s < 3000 || s > 3600 {
				t.Errorf("Retry-After %q", h.Get("Retry-After"))
			}
		}
	}
	if n := e.user(t, "support").LoginFalseAttempt; n != 3 {
		t.Errorf("%d failures counted and not 3", n)
	}
	for range 5 { // who knows the password is not held back
		e.signIn(t, "admin")
	}
}

func TestTriesAreHeldBackByAddress(t *testing.T) {
	t.Parallel()
	e := start(t, func(s *setup) {
		s.cfg.AddressLimit = throttle.Limit{Burst: 3, Every: time.Hour}
		s.cfg.TrustedProxies = []string{"127.0.0.1"}
	})
	from := func(address string) call {
		c := login("nobody", "x")
		c.header = map[string]string{"X-Forwarded-For": address}
		return c
	}
	for range 3 {
		get[failure](t, e, http.StatusUnauthorized, from("203.0.113.9"))
	}
	get[failure](t, e, http.StatusTooManyRequests, from("203.0.113.9"))
	get[failure](t, e, http.StatusTooManyRequests, from("198.51.100.1, 203.0.113.9"))
	get[failure](t, e, http.StatusUnauthorized, from("203.0.113.10"))
	for i := range 3 {
		get[failure](t, e, http.StatusUnauthorized, from("2a00::"+strconv.Itoa(i+1)))
	}
	get[failure](t, e, http.StatusTooManyRequests, from("2a00::99")) // the same network
}

// Failures are counted exactly, however many gateways are tried at once.
func TestFailuresOnSeveralGateways(t *testing.T) {
	t.Parallel()
	e := start(t)
	gateways := []*env{e, e.another(t, e.store), e.another(t, e.store)}
	const each = 7
	var tries sync.WaitGroup
	var refusals atomic.Int32
	for _, g := range gateways {
		for range each {
			tries.Go(func() {
				switch status, _, body := g.do(t, login("support", "wrong")); status {
				case http.StatusUnauthorized:
					refusals.Add(1)
				case http.StatusTooManyRequests: // this machine is busy
				default:
					t.Errorf("a wrong password gets %d %s", status, body)
				}
			})
		}
	}
	tries.Wait()
	for e.user(t, "support").LoginFalseAttempt < 5 {
		get[failure](t, e, http.StatusUnauthorized, login("support", "wrong"))
		refusals.Add(1)
	}
	var counted int
	eventually(t, "every failure is told of", func() bool {
		counted = 0
		locked := 0
		for _, a := range e.audits(t) {
			switch a.Details["reason"] {
			case "wrong password":
				counted++
			case "locked":
				locked++
			}
		}
		return counted+locked == int(refusals.Load())
	})
	if n := e.user(t, "support").LoginFalseAttempt; n != counted || n < 5 {
		t.Errorf("%d failures are counted, and %d told of", n, counted)
	}
	for _, g := range gateways {
		get[failure](t, g, http.StatusUnauthorized, login("support", password))
	}
	// What one gateway changes holds on all, at once.
	token := gateways[1].signIn(t, "admin")
	get[userAnswer](t, gateways[1], http.StatusOK, call{method: "POST", path: "/users/support/unlock", token: token})
	session := gateways[2].signIn(t, "support")
	get[userAnswer](t, gateways[0], http.StatusOK, call{method: "PUT", path: "/users/support", token: token, body: `{"active":false}`})
	get[failure](t, gateways[2], http.StatusUnauthorized, call{path: "/auth/me", token: session})
}

// A server that compares passwords as fast as it can says so.
func TestTooManySignInsAtOnce(t *testing.T) {
	t.Parallel()
	status, wait := gateway.ProblemOf(fmt.Errorf("sign in: %w", auth.ErrBusy))
	if status != http.StatusTooManyRequests || wait <= 0 {
		t.Errorf("status %d, try again after %s", status, wait)
	}
}

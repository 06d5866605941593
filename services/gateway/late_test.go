package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/gateway"
	"backupmonitor/services/internal/store"
)

// held is a request of which all has come but the end of its body.
type held struct {
	call call
	r    *http.Request
	conn net.Conn
	rest string
}

func (e *env) hold(t *testing.T, c call, contentType string) held {
	t.Helper()
	r := e.request(t.Context(), t, c)
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", r.URL.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := conn.SetDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	_, err = fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s",
		c.method, r.URL.RequestURI(), r.URL.Host, contentType, c.token, len(c.body), c.body[:1])
	if err != nil {
		t.Fatal(err)
	}
	return held{c, r, conn, c.body[1:]}
}

func (h held) finish(t *testing.T) (status int, body string) {
	t.Helper()
	if _, err := io.WriteString(h.conn, h.rest); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(h.conn), h.r)
	if err != nil {
		t.Fatal(err)
	}
	defer closeBody(t, res)
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// wishes are all an Admin can ask for with a body.
func wishes(token string) (all []held) {
	for _, w := range []struct{ method, path, kind, body string }{
		{"POST", "/users", "application/json", `{"userId":"backdoor","userType":"A","password":"blue kettle nine"}`},
		{"PUT", "/users/eve", "application/json", `{"active":true,"userType":"A"}`},
		{"PUT", "/users/support/password", "application/json", `{"password":"blue kettle nine"}`},
		{"PUT", "/auth/password", "application/json", `{"currentPassword":"` + password + `","newPassword":"blue kettle nine"}`},
		{"POST", "/tokens", "application/json", `{"name":"backdoor","scope":"read"}`},
		{"PUT", "/scheduler/config", "application/json", `{"policy":{"maxAgeSeconds":0,"minSizeBytes":0,"patterns":["*"]}}`},
		{"PUT", "/outlets/B1", "application/json", `{"ipAddress":"10.9.9.9"}`},
		{"POST", "/outlets/import", "text/csv", "OutletCode,IPAddress,OutletName\nB1,10.9.9.9,x\n"},
		{"POST", "/scans", "application/json", `{"modes":["d_drive"]}`},
		{"POST", "/system/credentials/retry", "application/json", `{"account":"D\\u"}`},
	} {
		all = append(all, held{call: call{method: w.method, path: w.path, body: w.body, token: token}, rest: w.kind})
	}
	return all
}

// Between the head of a request and the end of its body lies as much time as the
// client takes: who was an Admin at the head and is none at the end does nothing.
func TestAnAdminWhoIsNoneAnyMore(t *testing.T) {
	t.Parallel()
	for _, change := range []string{`{"active":false}`, `{"userType":"S"}`} {
		e := start(t)
		e.settings(t)
		addUser(t, e.store, store.User{ID: "eve", Type: "A", Active: true})
		var all []held
		for _, w := range wishes(e.signIn(t, "eve")) {
			all = append(all, e.hold(t, w.call, w.rest))
		}
		// All have been admitted when another one of theirs has been answered.
		eventually(t, "the heads have been read", func() bool { return e.gateway.InFlight() == len(all) })
		get[userAnswer](t, e, http.StatusOK, e.as("PUT", "/users/eve", change))
		before := e.identity(t).LastSeq
		for _, h := range all {
			if status, body := h.finish(t); status != http.StatusUnauthorized {
				t.Errorf("%s: %s %s: %d %s", change, h.call.method, h.call.path, status, body)
			}
		}
		e.unchanged(t, before)
	}
}

// unchanged: nothing of what was wished for has happened. The one event that may
// follow tells of the Admin's own change.
func (e *env) unchanged(t *testing.T, before uint64) {
	t.Helper()
	if _, err := e.store.User(t.Context(), "backdoor"); err == nil {
		t.Error("the user was made")
	}
	if list, err := e.store.APITokens(t.Context()); err != nil || len(list) > 0 {
		t.Errorf("%+v, %v", list, err)
	}
	e.signIn(t, "support")
	all, err := e.nats.Log.Feed(t.Context(), events.FeedOptions{From: before + 1})
	if err != nil {
		t.Fatal(err)
	}
	defer all.Stop()
	for left := all.Initial; left > 0; left-- {
		r, err := all.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ev, err := r.Decode()
		if err != nil {
			t.Fatal(err)
		}
		if a, ok := ev.Data.(events.Audited); !ok || a.Kind != events.SignedIn && a.Actor != "admin" {
			t.Errorf("%+v", ev.Data)
		}
	}
}

// overtaken is a database in which another change comes first, after all that
// the gateway can ask before its own.
type overtaken struct {
	gateway.Store
	mu     sync.Mutex
	before func() // called once; nil: nothing comes first
}

func (o *overtaken) once() {
	o.mu.Lock()
	f := o.before
	o.before = nil
	o.mu.Unlock()
	if f != nil {
		f()
	}
}

func (o *overtaken) AddUser(ctx context.Context, u store.User, notes ...store.Note) error {
	o.once()
	return o.Store.AddUser(ctx, u, notes...)
}

func (o *overtaken) ChangeUser(ctx context.Context, id string, change func(*store.User) ([]store.Note, error)) (store.User, error) {
	o.once()
	return o.Store.ChangeUser(ctx, id, change)
}

func (o *overtaken) AddAPIToken(ctx context.Context, k store.APIToken, notes ...store.Note) error {
	o.once()
	return o.Store.AddAPIToken(ctx, k, notes...)
}

func (o *overtaken) PutNote(ctx context.Context, n store.Note) error {
	o.once()
	return o.Store.PutNote(ctx, n)
}

func overtaking(t *testing.T) (*env, *overtaken) {
	t.Helper()
	o := &overtaken{}
	e := start(t, func(s *setup) { s.store = func(st gateway.Store) gateway.Store { o.Store = st; return o } })
	return e, o
}

// Also a hash takes its time: what was asked before it is asked again by the
// transaction.
func TestAnAdminWhoIsNoneAtTheCommit(t *testing.T) {
	t.Parallel()
	e, o := overtaking(t)
	e.settings(t)
	e.append(t, events.CredentialChanged{Account: `D\u`, State: events.CredentialTripped, ChangedAt: time.Now()})
	addUser(t, e.store, store.User{ID: "eve", Type: "A", Active: true})
	active := func(is bool) {
		if _, err := e.store.ChangeUser(t.Context(), "eve", func(u *store.User) ([]store.Note, error) { u.Active = is; return nil, nil }); err != nil {
			t.Error(err)
		}
	}
	before := e.identity(t).LastSeq
	for _, w := range wishes("") {
		if strings.HasPrefix(w.call.path, "/auth/") {
			continue // see TestAResetOvertakesAChange
		}
		active(true)
		w.call.token = e.signIn(t, "eve")
		w.call.header = map[string]string{"Content-Type": w.rest}
		o.before = func() { active(false) }
		if status, _, body := e.do(t, w.call); status != http.StatusUnauthorized {
			t.Errorf("%s %s: %d %s", w.call.method, w.call.path, status, body)
		}
	}
	e.unchanged(t, before)
}

// An Admin resets the password of somebody whose password a thief knows, while
// the thief is changing it: the reset holds.
func TestAResetOvertakesAChange(t *testing.T) {
	t.Parallel()
	e, o := overtaking(t)
	hash, err := e.gateway.Hash(t.Context(), "reset kettle nine")
	if err != nil {
		t.Fatal(err)
	}
	o.before = func() {
		_, err := e.store.ChangeUser(t.Context(), "support", func(u *store.User) ([]store.Note, error) { u.PasswordHash = hash; return nil, nil })
		if err != nil {
			t.Error(err)
		}
	}
	f := get[failure](t, e, http.StatusConflict, call{
		method: "PUT", path: "/auth/password", token: e.support, body: `{"currentPassword":"` + password + `","newPassword":"thief kettle nine"}`,
	})
	if !strings.Contains(f.Message, "another password") {
		t.Error(f.Message)
	}
	get[failure](t, e, http.StatusUnauthorized, login("support", "thief kettle nine"))
	get[struct{}](t, e, http.StatusOK, login("support", "reset kettle nine"))
}

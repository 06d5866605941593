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
	"sync/atomic"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/gateway"
	"backupmonitor/services/gateway/auth"
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

// Who waits for an answer and may not have it any more gets none, within 5 s of
// that, however long it would have taken.
func TestWhoWaitsAndLosesTheRight(t *testing.T) {
	t.Parallel()
	e, slow := startStuck(t)
	e.register(t, "S1")
	addUser(t, e.store, store.User{ID: "eve", Type: "A", Active: true})
	eve := e.signIn(t, "eve")
	calls := []call{
		{method: http.MethodPost, path: "/backup-status/sync", body: `{"outlets":["S1"]}`, token: eve},
		{path: "/backup-stats?as_of=" + time.Now().UTC().Format(time.RFC3339), token: eve}, // the tables know nothing yet
		{path: "/backup-stats?date_from=2026-01-01", token: eve},
		{path: "/ibstorage-stats?date_from=2026-01-01&format=csv", token: eve},
	}
	type outcome struct {
		path, body string
		status     int
	}
	answers := make(chan outcome, len(calls))
	for _, c := range calls {
		go func() {
			status, _, body := e.do(t, c)
			answers <- outcome{c.path, string(body), status}
		}()
	}
	<-slow.began
	e.requested(t, 0)
	eventually(t, "all wait", func() bool { return e.gateway.InFlight() == len(calls) })
	if _, err := e.store.ChangeUser(t.Context(), "eve", func(u *store.User) ([]store.Note, error) { u.Active = false; return nil, nil }); err != nil {
		t.Fatal(err)
	}
	late := time.After(5 * time.Second)
	for range calls {
		select {
		case a := <-answers:
			if a.status != http.StatusUnauthorized {
				t.Errorf("%s: %d %s", a.path, a.status, a.body)
			}
		case <-late:
			t.Fatal("after 5 s some still wait")
		}
	}
}

// endless is a database whose lists do not end.
type endless struct{ gateway.Store }

func (endless) Rows(_ context.Context, _ store.Query, each func(store.Row) error) error {
	for {
		if err := each(store.Row{Look: unseen("S1", "2026-02-21")}); err != nil {
			return err
		}
	}
}

// Also an answer that has begun ends, whether or not its reader reads.
func TestAnAnswerEndsWithTheRight(t *testing.T) {
	t.Parallel()
	e := start(t, func(s *setup) { s.store = func(st gateway.Store) gateway.Store { return endless{st} } })
	addUser(t, e.store, store.User{ID: "eve", Type: "S", Active: true})
	eve := e.signIn(t, "eve")
	for _, path := range []string{"/backup-stats?date_from=2026-01-01", "/ibstorage-stats?date_from=2026-01-01&format=csv"} {
		res, err := e.client.Do(e.request(t.Context(), t, call{path: path, token: eve}))
		if err != nil {
			t.Fatal(err)
		}
		defer closeBody(t, res)
		if path[1] == 'i' {
			go func() { _, _ = io.Copy(io.Discard, res.Body) }()
		}
	}
	if _, err := e.store.ChangeUser(t.Context(), "eve", func(u *store.User) ([]store.Note, error) { u.Active = false; return nil, nil }); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	eventually(t, "both have ended", func() bool { return e.gateway.InFlight() == 0 })
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("after %s", took)
	}
}

// An import of many outlets ends soon after its sender may not do it any more, and
// tells how far it came.
func TestAnImportWhoseSenderIsNoAdminAnyMore(t *testing.T) {
	t.Parallel()
	users := &changingUsers{}
	e := start(t, func(s *setup) {
		s.store = func(st gateway.Store) gateway.Store { users.gatewayStore = st; return users }
	})
	before := e.identity(t).LastSeq
	users.change.Store(func(u store.User) store.User {
		u.Active = e.identity(t).LastSeq == before
		return u
	})
	const all = 2000
	var file strings.Builder
	file.WriteString("OutletCode,IPAddress\n")
	for i := range all {
		fmt.Fprintf(&file, "S%04d,10.0.0.1\n", i)
	}
	c := e.as("POST", "/outlets/import", file.String())
	c.header = map[string]string{"Content-Type": "text/csv"}
	f := get[failure](t, e, http.StatusUnauthorized, c)
	written := e.identity(t).LastSeq - before
	if written == 0 || written > all/2 || !strings.Contains(f.Message, fmt.Sprintf("The first %d of the file's %d outlets are done", written, all)) {
		t.Errorf("%d outlets are written: %s", written, f.Message)
	}
}

// What was asked before an answer was made is asked again when it is there.
func TestWhoLosesTheRightMeanwhile(t *testing.T) {
	t.Parallel()
	users := &changingUsers{}
	e := start(t, func(s *setup) {
		s.store = func(st gateway.Store) gateway.Store { users.gatewayStore = st; return users }
	})
	e.register(t, "S1")
	e.project(t)
	e.schedule(t, "S1")
	for path, c := range map[string]struct {
		body  string
		asked int32 // how often, before the answer is made
	}{
		"/policy/preview":     {`{"maxAgeSeconds":0}`, 2},
		"/backup-status/sync": {`{"outlets":["S1"]}`, 2},
	} {
		var n atomic.Int32
		users.change.Store(func(u store.User) store.User {
			u.Active = n.Add(1) <= c.asked
			return u
		})
		if status, _, body := e.do(t, e.as("POST", path, c.body)); status != http.StatusUnauthorized || n.Load() <= c.asked {
			t.Errorf("%s: %d %s, asked %d times", path, status, body, n.Load())
		}
		users.change.Store(func(u store.User) store.User { return u })
	}
}

// busyWriter is a database in which somebody else writes for long.
type busyWriter struct {
	gateway.Store
	let chan struct{}
	n   atomic.Int32
}

func (b *busyWriter) APITokenUsed(ctx context.Context, id string, at time.Time, address string) error {
	b.n.Add(1)
	select {
	case <-b.let:
	case <-ctx.Done():
		return ctx.Err()
	}
	return b.Store.APITokenUsed(ctx, id, at, address)
}

// Who reads with an API token does not wait for who writes.
func TestReadingWaitsForNoWriter(t *testing.T) {
	t.Parallel()
	busy := &busyWriter{let: make(chan struct{})}
	e := start(t, func(s *setup) { s.store = func(st gateway.Store) gateway.Store { busy.Store = st; return busy } })
	token := e.apiToken(t, auth.ScopeDisplay)
	for range 5 {
		get[struct{}](t, e, http.StatusOK, call{path: "/outlets", token: token})
	}
	if n := busy.n.Load(); n != 1 {
		t.Errorf("its use is being noted %d times at once", n)
	}
	close(busy.let)
	eventually(t, "its use is noted", func() bool {
		list, err := e.store.APITokens(t.Context())
		return err == nil && len(list) == 1 && list[0].LastUsedAt != nil && list[0].LastUsedFrom == "127.0.0.1"
	})
}

package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"backupmonitor/services/gateway"
	"backupmonitor/services/gateway/auth"
	"backupmonitor/services/internal/store"
)

// Who waits for an answer and may not have it any more gets none, and does not wait
// for as long as it would have taken. How soon, TestARequestEndsWithTheRight tells.
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
	late := time.After(limit)
	for range calls {
		select {
		case a := <-answers:
			if a.status != http.StatusUnauthorized {
				t.Errorf("%s: %d %s", a.path, a.status, a.body)
			}
		case <-late:
			t.Fatal("some still wait")
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
		res, err := e.client.Do(e.request(t.Context(), t, call{path: path, token: eve})) //nolint:bodyclose // closed by the function that is deferred
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
	eventually(t, "both have ended", func() bool { return e.gateway.InFlight() == 0 })
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
	if written == 0 || written > all/2 || !strings.Contains(f.Message, fmt.Sprintf("Surely written: %d of the %d outlets", written, all)) {
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

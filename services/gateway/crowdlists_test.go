package gateway_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"backupmonitor/services/gateway"
	"backupmonitor/services/internal/store"
)

// stuck is a database whose lists of one outlet, and whose parts of long lists,
// do not come before they are let.
type stuck struct {
	gateway.Store
	began chan struct{}
	let   chan struct{}
}

func (s *stuck) Rows(ctx context.Context, q store.Query, each func(store.Row) error) error {
	hang := func() error {
		s.began <- struct{}{}
		select {
		case <-s.let:
		case <-ctx.Done():
		}
		return ctx.Err()
	}
	if q.Outlet == "SLOW" {
		if err := hang(); err != nil {
			return err
		}
	}
	if q.Turns != nil {
		if err := q.InTurn(ctx, hang); err != nil {
			return err
		}
		q.Turns = nil
	}
	return s.Store.Rows(ctx, q, each)
}

func startStuck(t *testing.T) (*env, *stuck) {
	t.Helper()
	slow := &stuck{began: make(chan struct{}, 100), let: make(chan struct{})}
	return start(t, func(s *setup) { s.store = func(st gateway.Store) gateway.Store { slow.Store = st; return slow } }), slow
}

// Who has lists made waits for them before they get another; others do not.
func TestOneCallersLists(t *testing.T) {
	t.Parallel()
	e, slow := startStuck(t)
	list := func(token, outlet string) call {
		return call{path: "/backup-stats?date_from=2026-01-01&outlet=" + outlet, token: token}
	}
	var making sync.WaitGroup
	for range 2 {
		making.Go(func() {
			if status, _, body := e.do(t, list(e.support, "SLOW")); status != http.StatusOK {
				t.Errorf("%d %s", status, body)
			}
		})
		<-slow.began
	}
	for _, c := range []call{list(e.support, "B1"), {path: "/backup-stats/daily-summary", token: e.support}} {
		if status, header, body := e.do(t, c); status != http.StatusTooManyRequests || header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %s", c.path, status, body)
		}
	}
	get[struct{}](t, e, http.StatusOK, list(e.admin, "B1"))
	get[struct{}](t, e, http.StatusOK, call{path: "/auth/me", token: e.support})
	close(slow.let)
	making.Wait()
	get[struct{}](t, e, http.StatusOK, list(e.support, "B1"))
}

// asking knows by whom the checkpoint was asked for.
type asking struct {
	gateway.Store
	mu sync.Mutex
	by map[context.Context]bool
}

func (a *asking) Checkpoint(ctx context.Context) (store.Checkpoint, error) {
	a.mu.Lock()
	a.by[ctx] = true
	a.mu.Unlock()
	return a.Store.Checkpoint(ctx)
}

func (a *asking) requests() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.by)
}

// Who waits for what the tables know of a moment waits in their own turn, and has
// nothing of the log asked before it.
func TestOneCallersListsOfThePast(t *testing.T) {
	t.Parallel()
	tables := &asking{by: map[context.Context]bool{}}
	e := start(t, func(s *setup) { s.store = func(st gateway.Store) gateway.Store { tables.Store = st; return tables } })
	const past = "?as_of=2026-01-01T00:00:00Z"
	e.register(t, "B1") // the tables know nothing of it
	at := "?as_of=" + time.Now().UTC().Format(time.RFC3339Nano)
	ctx, leave := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	for range 2 {
		waiting.Go(func() {
			if res, err := e.client.Do(e.request(ctx, t, call{path: "/backup-stats" + at, token: e.support})); err == nil {
				closeBody(t, res)
				t.Errorf("%d of a moment that the tables do not know", res.StatusCode)
			}
		})
	}
	eventually(t, "both wait", func() bool { return tables.requests() == 2 }) // each in its turn
	for _, path := range []string{"/backup-stats" + at, "/ibstorage-stats" + past, "/backup-stats/daily-summary" + past} {
		if status, _, body := e.do(t, call{path: path, token: e.support}); status != http.StatusTooManyRequests {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	get[struct{}](t, e, http.StatusOK, call{path: "/backup-stats", token: e.support})
	leave()
	waiting.Wait()
}

// Long lists of however many callers leave readers of the database to the short
// ones, and wait for one another.
func TestLongListsLeaveRoom(t *testing.T) {
	t.Parallel()
	e, slow := startStuck(t)
	e.fill(t, nil, unseen("B1", "2026-02-21"))
	var making sync.WaitGroup
	for _, c := range []call{
		{path: "/backup-stats?date_from=2025-01-01", token: e.admin},
		{path: "/backup-stats?date_from=2025-01-01&date_to=2025-12-31&format=csv", token: e.support},
		{path: "/ibstorage-stats?date_to=2026-01-01&limit=5", token: e.apiToken(t, "read")},
		{path: "/backup-stats?date_from=2026-02-20&date_to=2026-02-21", token: e.apiToken(t, "display")},
	} {
		making.Go(func() {
			if status, _, body := e.do(t, c); status != http.StatusOK {
				t.Errorf("%s: %d %s", c.path, status, body)
			}
		})
	}
	<-slow.began
	<-slow.began
	for _, path := range []string{
		"/backup-stats", "/backup-stats?status=Failed", "/backup-stats?date_from=2026-02-21&date_to=2026-02-21&format=csv",
		"/backup-stats?outlet=B1&date_from=2025-01-01", "/backup-stats/daily-summary", "/outlets",
	} {
		if status, _, body := e.do(t, call{path: path, token: e.apiToken(t, "display")}); status != http.StatusOK {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if n := len(slow.began); n > 0 {
		t.Errorf("%d more long lists are being read", n)
	}
	close(slow.let)
	making.Wait()
}

package gateway_test

import (
	"context"
	"net/http"
	"sync"
	"testing"

	"backupmonitor/services/gateway"
	"backupmonitor/services/internal/store"
)

// stuck is a database whose lists of one outlet do not come before they are let.
type stuck struct {
	gateway.Store
	began chan struct{}
	let   chan struct{}
}

func (s *stuck) Rows(ctx context.Context, q store.Query, each func(store.Row) error) error {
	if q.Outlet == "SLOW" {
		s.began <- struct{}{}
		<-s.let
	}
	return s.Store.Rows(ctx, q, each)
}

// Who has lists made waits for them before they get another; others do not.
func TestOneCallersLists(t *testing.T) {
	t.Parallel()
	slow := &stuck{began: make(chan struct{}, 2), let: make(chan struct{})}
	e := start(t, func(s *setup) { s.store = func(st gateway.Store) gateway.Store { slow.Store = st; return slow } })
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

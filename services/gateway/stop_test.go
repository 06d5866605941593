package gateway_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"backupmonitor/services/internal/store"
)

// stopLimit is how long a gateway may take to end here: twice what a process may, so
// that a busy machine is no failure.
const stopLimit = 10 * time.Second

// A gateway whose log is dead ends as soon as one whose log is not, and the
// audit trail lacks nothing for it: it waits in the outbox.
func TestStopWithADeadLog(t *testing.T) {
	t.Parallel()
	e := start(t)
	eventually(t, "the outbox is empty", func() bool { return len(e.outbox(t)) == 0 })
	e.nats.Stop()
	const refused = 8
	for range refused {
		get[failure](t, e, http.StatusUnauthorized, login("admin", "wrong"))
	}
	began := time.Now()
	e.stop()
	if took := time.Since(began); took >= stopLimit {
		t.Errorf("took %s to end", took)
	}
	if left := e.outbox(t); len(left) != refused {
		t.Errorf("%d of %d events wait in the outbox", len(left), refused)
	}
	if !strings.Contains(e.logs.String(), "Audit events stay in the outbox") {
		t.Error("nothing says that events wait")
	}
}

// outbox is what waits for its delivery.
func (e *env) outbox(t testing.TB) []store.Note {
	t.Helper()
	notes, err := e.store.Outbox(t.Context(), time.Now().Add(time.Hour), 1000)
	if err != nil {
		t.Fatal(err)
	}
	return notes
}

// A request that heeds nothing does not keep the gateway from ending.
func TestStopWithAStuckRequest(t *testing.T) {
	t.Parallel()
	entered, end := make(chan struct{}), make(chan struct{})
	e := start(t, func(s *setup) {
		s.cfg.Metrics = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(entered); <-end })
	})
	t.Cleanup(func() { close(end) })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, e.url+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		if res, err := e.client.Do(r); err == nil {
			closeBody(t, res)
		}
	}()
	t.Cleanup(func() { <-asked })
	<-entered
	began := time.Now()
	e.stop()
	if took := time.Since(began); took >= stopLimit {
		t.Errorf("took %s to end", took)
	}
	if !strings.Contains(e.logs.String(), "still being handled") {
		t.Error("nothing tells of the request")
	}
}

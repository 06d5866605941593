package gateway_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

// stopLimit is how long a whole process may take to end.
const stopLimit = 5 * time.Second

// A gateway whose log is dead ends as soon as one whose log is not, and tells
// what the audit trail lacks.
func TestStopWithADeadLog(t *testing.T) {
	t.Parallel()
	e := start(t)
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
	logs := e.logs.String()
	if n := strings.Count(logs, `"kind":"`); n < refused {
		t.Errorf("of %d events that are lost %d are in the gateway's own log", refused, n)
	}
	if !strings.Contains(logs, "The audit trail lacks actions") || !strings.Contains(logs, `"count":`) {
		t.Errorf("nothing says how many are lost: %s", logs)
	}
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

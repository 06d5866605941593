package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

const (
	checkTimeout = 3 * time.Second
	// readyFor is how long all who ask whether the gateway is ready get the same
	// answer: anybody may ask, as often as they like.
	readyFor = time.Second
	// maxLag is how many events the tables may be behind the log. A scan of
	// 10,000 outlets in both modes is within it.
	maxLag = 25_000
	// logRoom is what a log that takes every event has room for: the largest
	// message that NATS takes unless told otherwise, 1 MB.
	logRoom = 1 << 20
	// neverSequence is one that no subject's last event has.
	neverSequence = 1 << 62
)

// Check is one question that readiness asks. Detail is for whoever asks
// /readyz?verbose, who may be anybody; the error goes to the log alone.
type Check struct {
	Name string
	Run  func(ctx context.Context) (detail string, err error)
}

type checkBody struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"`
}

func (g *Gateway) livez(w *response, r *http.Request) {
	g.answerHealth(w, r, http.StatusOK, map[string]string{"status": "ok"})
}

func (g *Gateway) readyz(w *response, r *http.Request) {
	results, err := g.ready.Get(r.Context())
	if err != nil {
		g.fail(w, r, err)
		return
	}
	status, word := http.StatusOK, "ok"
	for _, c := range results {
		if !c.OK {
			status, word = http.StatusServiceUnavailable, "not ready"
		}
	}
	if _, verbose := r.URL.Query()["verbose"]; !verbose {
		g.answerHealth(w, r, status, map[string]string{"status": word})
		return
	}
	g.answerHealth(w, r, status, struct {
		Status string      `json:"status"`
		Checks []checkBody `json:"checks"`
	}{word, results})
}

// checkAll asks all checks; what is wrong is in their answers.
func (g *Gateway) checkAll(ctx context.Context) ([]checkBody, error) {
	results := make([]checkBody, len(g.checks))
	var wg sync.WaitGroup
	for i, q := range g.checks {
		wg.Go(func() { results[i] = g.check(ctx, q) })
	}
	wg.Wait()
	return results, nil
}

// check logs when a check begins to fail and when it has ended, not what every
// poll finds. It is asked to its end also where the one who asks has left,
// which says nothing about the check.
func (g *Gateway) check(ctx context.Context, q *question) checkBody {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout)
	defer cancel()
	a := g.put(ctx, q)
	red := a.err != nil
	switch was := q.red.Swap(red); {
	case red && !was:
		g.logger.WarnContext(ctx, "Not ready.", slog.String("check", q.Name), slog.Any("error", a.err))
	case was && !red:
		g.logger.InfoContext(ctx, "Ready again.", slog.String("check", q.Name))
	}
	return checkBody{Name: q.Name, OK: !red, Detail: a.detail}
}

// question is a check that is asked by one at a time: one that hangs must not
// gather a goroutine with each who asks.
type question struct {
	Check
	turn chan struct{} // taken while it is asked
	red  atomic.Bool   // it failed when it was asked last
}

type reply struct {
	detail string
	err    error
}

// questions are the gateway's own checks and those of the configuration.
func (g *Gateway) questions() []*question {
	checks := append([]Check{
		{"database", g.checkStore},
		{"event log", g.checkLog},
		{"live feed", g.checkHub},
		{"tables", g.checkTables},
		{"full scans", g.checkScans},
		{"audit trail", g.audit.Check},
		{"capacity", g.cfg.Capacity.Check},
	}, g.cfg.Checks...)
	qs := make([]*question, len(checks))
	for i, c := range checks {
		qs[i] = &question{Check: c, turn: make(chan struct{}, 1)}
	}
	return qs
}

// put asks a question and waits for its answer no longer than ctx, whether or
// not the check heeds it. Run waits for a check that goes on as for a request.
func (g *Gateway) put(ctx context.Context, q *question) reply {
	silent := func() reply { return reply{"does not answer", context.Cause(ctx)} }
	select {
	case q.turn <- struct{}{}:
	case <-ctx.Done():
		return silent()
	}
	if !g.inFlight.begin() {
		<-q.turn
		return reply{"is not asked any more", errors.New("the gateway is ending")}
	}
	answered := make(chan reply, 1)
	go func() {
		defer g.inFlight.end()
		defer func() { <-q.turn }()
		var a reply
		a.detail, a.err = q.Run(ctx)
		answered <- a
	}()
	select {
	case a := <-answered:
		return a
	case <-ctx.Done():
		return silent()
	}
}

func (g *Gateway) answerHealth(w *response, r *http.Request, status int, body any) {
	if err := writeJSON(w, status, body); err != nil {
		g.logger.DebugContext(r.Context(), "An answer could not be sent.", slog.String("requestId", w.id), slog.Any("error", err))
	}
}

func (g *Gateway) checkStore(ctx context.Context) (string, error) {
	if err := g.store.Ping(ctx); err != nil {
		return store.Reason(err, "does not answer"), err
	}
	return "", nil
}

// checkLog asks whether the log can be read and written. What it offers is
// refused, because of the sequence it names, at the very place where another
// event would be stored: the log forgets nothing, so nobody tries it out.
func (g *Gateway) checkLog(ctx context.Context) (string, error) {
	id, err := g.log.Identity(ctx)
	if err != nil {
		return "does not answer", err
	}
	if id.Missing > 0 {
		return fmt.Sprintf("%d events are missing; `backup-monitor fsck` says what to do", id.Missing),
			fmt.Errorf("%d of %d events are missing in the log, and no archive has them", id.Missing, id.LastSeq)
	}
	const full = "is full"
	if id.MaxBytes > 0 && id.MaxBytes-int64(id.Bytes) < logRoom {
		return full, fmt.Errorf("%w: it has %d of at most %d bytes", events.ErrFull, id.Bytes, id.MaxBytes)
	}
	_, err = g.log.Write(ctx, events.Audited{ID: "readiness", Kind: events.UserChanged, At: g.cfg.Now().UTC()}, neverSequence)
	switch {
	case err == nil, errors.Is(err, events.ErrConflict), errors.Is(err, events.ErrNotFound):
		return "", nil
	case errors.Is(err, events.ErrFull):
		return full, err
	}
	return "takes no events", err
}

func (g *Gateway) checkHub(context.Context) (string, error) {
	if identity, _ := g.hub.Position(); identity == "" {
		return "is catching up", errors.New("the live feed has not caught up with the log")
	}
	return "", nil
}

// checkTables compares the tables with the log.
func (g *Gateway) checkTables(ctx context.Context) (string, error) {
	id, err := g.log.Identity(ctx)
	if err != nil {
		return "unknown: the event log does not answer", err
	}
	cp, err := g.store.Checkpoint(ctx)
	if err != nil {
		return "unknown: the database does not answer", err
	}
	if cp.Stream != "" && cp.Stream != id.ID() {
		return "are of another event log", fmt.Errorf("the tables are of log %s and not of %s", cp.Stream, id.ID())
	}
	lag := id.LastSeq - min(cp.Seq, id.LastSeq)
	detail := fmt.Sprintf("%d events behind", lag)
	if lag > maxLag {
		return detail, errors.New("the tables are far behind the log")
	}
	return detail, nil
}

package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

const (
	checkTimeout = 3 * time.Second
	// maxLag is how many events the tables may be behind the log. A scan of
	// 10,000 outlets in both modes is within it.
	maxLag = 25_000
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
	checks := append([]Check{
		{"database", g.checkStore},
		{"event log", g.checkLog},
		{"live feed", g.checkHub},
		{"tables", g.checkTables},
	}, g.cfg.Checks...)
	results := g.checkAll(r.Context(), checks)
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

func (g *Gateway) checkAll(ctx context.Context, checks []Check) []checkBody {
	results := make([]checkBody, len(checks))
	var wg sync.WaitGroup
	for i, c := range checks {
		wg.Go(func() { results[i] = g.check(ctx, c) })
	}
	wg.Wait()
	return results
}

func (g *Gateway) check(ctx context.Context, c Check) checkBody {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	detail, err := c.Run(ctx)
	if err != nil {
		g.logger.WarnContext(ctx, "Not ready.", slog.String("check", c.Name), slog.Any("error", err))
	}
	return checkBody{Name: c.Name, OK: err == nil, Detail: detail}
}

func (g *Gateway) answerHealth(w *response, r *http.Request, status int, body any) {
	if err := writeJSON(w, status, body); err != nil {
		g.logger.DebugContext(r.Context(), "An answer could not be sent.", slog.String("requestId", w.id), slog.Any("error", err))
	}
}

func (g *Gateway) checkStore(ctx context.Context) (string, error) {
	if err := g.store.Ping(ctx); err != nil {
		return "does not answer", err
	}
	return "", nil
}

func (g *Gateway) checkLog(ctx context.Context) (string, error) {
	if _, err := g.log.Identity(ctx); err != nil {
		return "does not answer", err
	}
	return "", nil
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

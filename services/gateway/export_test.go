package gateway

import (
	"context"
	"net/http"
	"time"

	"backupmonitor/events"
)

// Route is a row of the table of routes, for tests.
type Route struct {
	Method, Path, Role, Scope string
	Stream, Public            bool
	Query                     []string
}

// Routes is the table of routes.
func Routes(g *Gateway) []Route {
	var rs []Route
	for _, r := range g.routes() {
		rs = append(rs, Route{r.method, r.path, string(r.role), string(r.scope), r.kind != byToken, r.kind == byAnybody, r.takes()})
	}
	return rs
}

// ProblemOf is what a client is told about an error.
func ProblemOf(err error) (status int, retryAfter time.Duration) {
	p := problemOf(err)
	return p.status, p.retryAfter
}

// ReadQuery reads a query as the lists of records and of days do.
func ReadQuery(raw string) error {
	rt := route{query: []string{"outlet", "date_from", "date_to", "status", "cause", "limit", "offset", "format"}}
	r := &request{Request: &http.Request{}}
	var err error
	if r.params, err = parseQuery(raw, rt.takes()); err != nil {
		return err
	}
	for _, read := range []func() error{
		func() error { _, _, err := r.dates(); return err },
		func() error { _, err := oneOf(r, "status", events.Successful, events.Failed); return err },
		func() error { _, err := oneOf(r, "cause", events.Causes()...); return err },
		func() error { _, err := r.number("limit", 1, 0); return err },
		func() error { _, err := r.number("offset", 0, 0); return err },
	} {
		if err := read(); err != nil {
			return err
		}
	}
	return nil
}

// CSVLine is a line of the CSV.
func CSVLine(cells ...string) string { return csvLine(cells) }

// InFlight is how many requests are being handled.
func (g *Gateway) InFlight() int {
	g.inFlight.mu.Lock()
	defer g.inFlight.mu.Unlock()
	return g.inFlight.n
}

// Hash is that of a password.
func (g *Gateway) Hash(ctx context.Context, password string) (string, error) {
	return g.auth.Passwords.Hash(ctx, password)
}

// ForgetReadiness has the checks asked by who asks next.
func (g *Gateway) ForgetReadiness() { g.ready.Forget() }

package gateway

import "time"

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

package gateway

// Route is a row of the table of routes, for tests.
type Route struct {
	Method, Path, Role string
	Query              []string
}

// Routes is the table of routes.
func Routes(g *Gateway) []Route {
	var rs []Route
	for _, r := range g.routes() {
		rs = append(rs, Route{r.method, r.path, string(r.role), r.query})
	}
	return rs
}

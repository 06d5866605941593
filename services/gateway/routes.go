package gateway

import (
	"net/http"

	"backupmonitor/events"
	"backupmonitor/services/gateway/auth"
)

const apiPrefix = "/api/v1"

// everybody is the role of a route that needs no token.
const everybody auth.Role = ""

// route is one endpoint of the API.
type route struct {
	method string
	path   string // under apiPrefix
	role   auth.Role
	query  []string // the parameters that it takes; any other is an error
	handle func(*response, *request) error
}

// routes is all there is under apiPrefix, and who may use it.
func (g *Gateway) routes() []route {
	statsQuery := []string{"outlet", "date_from", "date_to", "status", "cause", "limit", "offset", "format"}
	daysQuery := []string{"outlet", "date_from", "date_to", "limit"}
	rs := []route{
		{http.MethodPost, "/auth/login", everybody, nil, g.login},
		{http.MethodGet, "/auth/me", auth.Support, nil, g.me},
		{http.MethodGet, "/openapi.yaml", everybody, nil, g.openAPI},
		{http.MethodGet, "/outlets", auth.Support, nil, g.outlets},
		{http.MethodGet, "/events", auth.Support, []string{"from", "types", "outlet"}, g.events},
		{http.MethodGet, "/scans", auth.Support, []string{"state"}, g.listScans},
		{http.MethodPost, "/scans", auth.Admin, nil, g.postScan},
		{http.MethodGet, "/scans/{id}", auth.Support, nil, g.getScan},
		{http.MethodDelete, "/scans/{id}", auth.Admin, nil, g.cancelScan},
		{http.MethodGet, "/system/state", auth.Support, nil, g.systemState},
		{http.MethodGet, "/system/capacity", auth.Support, nil, g.capacity},
		{http.MethodPost, "/system/credentials/retry", auth.Admin, nil, g.retryCredential},
	}
	for _, p := range []struct {
		mode events.Mode
		name string
	}{{events.DDrive, "backup"}, {events.IBStorage, "ibstorage"}} {
		in := func(h func(*response, *request, events.Mode) error) func(*response, *request) error {
			return func(w *response, r *request) error { return h(w, r, p.mode) }
		}
		rs = append(rs,
			route{http.MethodGet, "/" + p.name + "-stats", auth.Support, statsQuery, in(g.stats)},
			route{http.MethodGet, "/" + p.name + "-stats/daily-summary", auth.Support, daysQuery, in(g.dailySummary)},
			route{http.MethodGet, "/" + p.name + "-status/scan", auth.Admin, []string{"scan_date"}, in(g.scanStream)},
			route{http.MethodPost, "/" + p.name + "-status/sync", auth.Admin, []string{"scan_date"}, in(g.sync)},
		)
	}
	return rs
}

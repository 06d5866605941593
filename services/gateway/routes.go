package gateway

import (
	"net/http"

	"backupmonitor/events"
	"backupmonitor/services/gateway/auth"
)

const apiPrefix = "/api/v1"

// everybody is the role of a route that needs no token.
const everybody auth.Role = ""

// usersOnly is the scope of a route that no API token may use.
const usersOnly auth.Scope = ""

// route is one endpoint of the API.
type route struct {
	method string
	path   string // under apiPrefix
	role   auth.Role
	scope  auth.Scope // the least that an API token needs
	kind   kind
	query  []string // the parameters that it takes; any other is an error
	handle func(*response, *request) error
}

// kind is how else than by a token a route may be entered.
type kind int

const (
	byToken  kind = iota
	byTicket      // with a stream ticket too
	// byAnybody is a stream that strangers may use where Config.ScanPublic says
	// so.
	byAnybody
)

// routes is all there is under apiPrefix, and who may use it. Whatever only reads is
// attended, and what else takes long says so.
func (g *Gateway) routes() []route {
	rs := []route{
		{http.MethodPost, "/auth/login", everybody, usersOnly, byToken, nil, g.login},
		{http.MethodGet, "/auth/me", auth.Support, auth.ScopeDisplay, byToken, nil, g.me},
		{http.MethodPut, "/auth/password", auth.Support, usersOnly, byToken, nil, g.changePassword},
		{http.MethodPost, "/auth/stream-ticket", auth.Support, auth.ScopeDisplay, byToken, nil, g.streamTicket},
		{http.MethodGet, "/openapi.yaml", everybody, usersOnly, byToken, nil, g.openAPI},

		{http.MethodGet, "/events", auth.Support, auth.ScopeDisplay, byTicket, []string{"from", "types", "outlet"}, g.events},
		{http.MethodGet, "/scans", auth.Support, auth.ScopeDisplay, byToken, []string{"state"}, g.listScans},
		{http.MethodPost, "/scans", auth.Admin, usersOnly, byToken, nil, g.postScan},
		{http.MethodGet, "/scans/{id}", auth.Support, auth.ScopeDisplay, byTicket, nil, g.getScan},
		{http.MethodDelete, "/scans/{id}", auth.Admin, usersOnly, byToken, nil, g.cancelScan},

		{http.MethodGet, "/outlets", auth.Support, auth.ScopeDisplay, byToken, nil, g.outlets},
		{http.MethodPost, "/outlets/import", auth.Admin, usersOnly, byToken, []string{"dry_run"}, g.importOutlets},
		{http.MethodGet, "/outlets/{code}", auth.Support, auth.ScopeRead, byToken, nil, g.getOutlet},
		{http.MethodPut, "/outlets/{code}", auth.Admin, usersOnly, byToken, nil, g.putOutlet},
		{http.MethodDelete, "/outlets/{code}", auth.Admin, usersOnly, byToken, nil, g.retireOutlet},

		{http.MethodGet, "/scheduler/config", auth.Support, auth.ScopeRead, byToken, nil, g.schedulerConfig},
		{http.MethodPut, "/scheduler/config", auth.Admin, usersOnly, byToken, nil, g.putSchedulerConfig},
		{http.MethodGet, "/scheduler/status", auth.Support, auth.ScopeRead, byToken, nil, g.schedulerStatus},

		{http.MethodPost, "/policy/preview", auth.Admin, usersOnly, byToken, nil, g.attended(g.previewPolicy)},
		{http.MethodGet, "/system/state", auth.Support, auth.ScopeDisplay, byToken, nil, g.systemState},
		{http.MethodGet, "/system/capacity", auth.Support, auth.ScopeRead, byToken, nil, g.capacity},
		{http.MethodPost, "/system/credentials/retry", auth.Admin, usersOnly, byToken, nil, g.retryCredential},

		{http.MethodGet, "/users", auth.Admin, usersOnly, byToken, nil, g.listUsers},
		{http.MethodPost, "/users", auth.Admin, usersOnly, byToken, nil, g.addUser},
		{http.MethodPut, "/users/{id}", auth.Admin, usersOnly, byToken, nil, g.changeUser},
		{http.MethodPut, "/users/{id}/password", auth.Admin, usersOnly, byToken, nil, g.setPassword},
		{http.MethodPost, "/users/{id}/unlock", auth.Admin, usersOnly, byToken, nil, g.unlockUser},
		{http.MethodGet, "/tokens", auth.Admin, usersOnly, byToken, nil, g.listTokens},
		{http.MethodPost, "/tokens", auth.Admin, usersOnly, byToken, nil, g.addToken},
		{http.MethodDelete, "/tokens/{id}", auth.Admin, usersOnly, byToken, nil, g.revokeToken},
		{http.MethodGet, "/audit", auth.Admin, usersOnly, byToken, []string{"kind", "actor", "object", "since", "before", "limit"}, g.listAudit},
	}
	rs = append(rs, g.modeRoutes()...)
	for i, rt := range rs {
		if rt.method == http.MethodGet && rt.role != everybody {
			rs[i].handle = g.attended(rt.handle)
		}
	}
	return rs
}

// modeRoutes are those that there are once for each mode.
func (g *Gateway) modeRoutes() (rs []route) {
	statsQuery := []string{"outlet", "date_from", "date_to", "status", "cause", "limit", "offset", "format", "as_of"}
	daysQuery := []string{"outlet", "date_from", "date_to", "limit", "as_of"}
	for _, p := range []struct {
		mode events.Mode
		name string
	}{{events.DDrive, "backup"}, {events.IBStorage, "ibstorage"}} {
		in := func(h func(*response, *request, events.Mode) error) func(*response, *request) error {
			return func(w *response, r *request) error { return h(w, r, p.mode) }
		}
		rs = append(rs,
			route{http.MethodGet, "/" + p.name + "-stats", auth.Support, auth.ScopeDisplay, byToken, statsQuery, in(g.stats)},
			route{http.MethodGet, "/" + p.name + "-stats/daily-summary", auth.Support, auth.ScopeDisplay, byToken, daysQuery, in(g.dailySummary)},
			route{http.MethodGet, "/" + p.name + "-status/scan", auth.Admin, usersOnly, byAnybody, []string{"scan_date"}, in(g.scanStream)},
			route{http.MethodPost, "/" + p.name + "-status/sync", auth.Admin, usersOnly, byToken, []string{"scan_date"}, g.attended(in(g.sync))},
		)
	}
	return rs
}

package gateway_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/golang-jwt/jwt/v5"

	"backupmonitor/services/gateway"
	"backupmonitor/services/gateway/auth"
)

// The least that each operation needs: any caller not named here is refused.
// A route without a row, and a row without a route, fail the tests.
const (
	nobody  = "nobody"  // needs nothing
	support = "support" // a Support's session
	admin   = "admin"   // an Admin's session
)

// operation is a row: who may, which scope of an API token may ("" none), and
// whether a stream ticket of theirs will do.
type operation struct {
	least  string
	scope  auth.Scope
	ticket bool
}

func operations() map[string]operation {
	ops := map[string]operation{
		"POST /auth/login":         {least: nobody},
		"GET /openapi.yaml":        {least: nobody},
		"GET /auth/me":             {support, auth.ScopeDisplay, false},
		"PUT /auth/password":       {least: support},
		"POST /auth/stream-ticket": {support, auth.ScopeDisplay, false},

		"GET /events":        {support, auth.ScopeDisplay, true},
		"GET /scans":         {support, auth.ScopeDisplay, false},
		"GET /scans/{id}":    {support, auth.ScopeDisplay, true},
		"POST /scans":        {least: admin},
		"DELETE /scans/{id}": {least: admin},

		"GET /outlets":           {support, auth.ScopeDisplay, false},
		"GET /outlets/{code}":    {support, auth.ScopeRead, false},
		"PUT /outlets/{code}":    {least: admin},
		"DELETE /outlets/{code}": {least: admin},
		"POST /outlets/import":   {least: admin},

		"GET /scheduler/config": {support, auth.ScopeRead, false},
		"PUT /scheduler/config": {least: admin},
		"GET /scheduler/status": {support, auth.ScopeRead, false},

		"POST /policy/preview":           {least: admin},
		"GET /system/state":              {support, auth.ScopeDisplay, false},
		"GET /system/capacity":           {support, auth.ScopeRead, false},
		"POST /system/credentials/retry": {least: admin},

		"GET /users":               {least: admin},
		"POST /users":              {least: admin},
		"PUT /users/{id}":          {least: admin},
		"PUT /users/{id}/password": {least: admin},
		"POST /users/{id}/unlock":  {least: admin},
		"GET /tokens":              {least: admin},
		"POST /tokens":             {least: admin},
		"DELETE /tokens/{id}":      {least: admin},
		"GET /audit":               {least: admin},
	}
	for _, mode := range []string{"backup", "ibstorage"} {
		ops["GET /"+mode+"-stats"] = operation{support, auth.ScopeDisplay, false}
		ops["GET /"+mode+"-stats/daily-summary"] = operation{support, auth.ScopeDisplay, false}
		ops["GET /"+mode+"-status/scan"] = operation{admin, "", true}
		ops["POST /"+mode+"-status/sync"] = operation{least: admin}
	}
	return ops
}

// showing is a caller and what they show: a token, or a ticket in the address.
type showing struct {
	name          string
	token, ticket string
	role          auth.Role // "" where what they show is worth nothing, or an API token
	scope         auth.Scope
}

// expected is the status that a caller gets, 0 for any of one who is admitted.
func (o operation) expected(s showing) int {
	worthless := s.role == "" && s.scope == ""
	switch {
	case o.least == nobody:
		return 0
	case worthless, s.ticket != "" && !o.ticket:
		return http.StatusUnauthorized
	case s.scope != "" && !s.scope.May(o.scope), s.scope == "" && o.least == admin && s.role != auth.Admin:
		return http.StatusForbidden
	}
	return 0
}

// Every operation answers every kind of caller as its row says.
func TestRolesOfEveryRoute(t *testing.T) {
	t.Parallel()
	for _, public := range []bool{false, true} {
		t.Run(fmt.Sprintf("SCAN_PUBLIC=%t", public), func(t *testing.T) {
			t.Parallel()
			e := start(t, func(s *setup) { s.cfg.ScanPublic = public })
			e.settings(t)
			callers, ops := e.callers(t), operations()
			for _, rt := range gateway.Routes(e.gateway) {
				key := rt.Method + " " + rt.Path
				op, ok := ops[key]
				if !ok {
					t.Errorf("%s has no row", key)
					continue
				}
				delete(ops, key)
				for _, c := range callers {
					want := op.expected(c)
					if public && rt.Public && c.token == "" && c.ticket == "" {
						want = 0
					}
					got := e.probe(t, rt.Method, rt.Path, c)
					if refused := got == http.StatusUnauthorized || got == http.StatusForbidden; got != want && (want != 0 || refused && op.least != nobody) {
						t.Errorf("%s with %s: %d and not %d", key, c.name, got, want)
					}
				}
			}
			for key := range ops {
				t.Errorf("%s is no route", key)
			}
		})
	}
}

// callers are all kinds of them.
func (e *env) callers(t *testing.T) []showing {
	t.Helper()
	_, payload, _ := strings.Cut(e.admin, ".")
	payload, signature, _ := strings.Cut(payload, ".")
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		t.Fatal(err)
	}
	// good is an Admin's own session, so that each caller below differs from
	// one who is admitted in what it is named for, and in nothing else.
	claims := func(change func(jwt.MapClaims)) jwt.MapClaims {
		c := jwt.MapClaims{}
		if err := json.Unmarshal(raw, &c); err != nil {
			t.Fatal(err)
		}
		change(c)
		return c
	}
	sign := func(m jwt.SigningMethod, key any, change func(jwt.MapClaims)) string {
		s, err := jwt.NewWithClaims(m, claims(change)).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	same := func(jwt.MapClaims) {}
	set := func(name string, v any) func(jwt.MapClaims) { return func(c jwt.MapClaims) { c[name] = v } }
	ago := time.Now().Add(-2 * time.Hour).Unix()
	hs := jwt.SigningMethodHS256
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`))
	revoked, read, display := e.apiToken(t, auth.ScopeRead), e.apiToken(t, auth.ScopeRead), e.apiToken(t, auth.ScopeDisplay)
	e.do(t, call{method: http.MethodDelete, path: "/tokens/" + strings.Split(revoked, "_")[1], token: e.admin})
	return []showing{
		{name: "no token"},
		{name: "garbage", token: "a.b.c"},
		{name: "forged", token: sign(hs, []byte(strings.Repeat("x", 40)), same)},
		{name: "alg none", token: sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, same)},
		{name: "alg none, signed", token: none + "." + payload + "." + signature},
		{name: "HS512", token: sign(jwt.SigningMethodHS512, secret, same)},
		{name: "expired", token: sign(hs, secret, func(c jwt.MapClaims) { c["iat"], c["exp"] = ago, ago+3600 })},
		{name: "without exp", token: sign(hs, secret, func(c jwt.MapClaims) { delete(c, "exp") })},
		{name: "without iat", token: sign(hs, secret, func(c jwt.MapClaims) { delete(c, "iat") })},
		{name: "without a stamp", token: sign(hs, secret, func(c jwt.MapClaims) { delete(c, "stp") })},
		{name: "foreign audience", token: sign(hs, secret, set("aud", "somebody-else"))},
		{name: "foreign issuer", token: sign(hs, secret, set("iss", "somebody-else"))},
		{name: "of nobody", token: sign(hs, secret, set("sub", "nobody"))},
		{name: "another's stamp", token: sign(hs, secret, set("sub", "support"))},
		{name: "a ticket as a token", token: e.ticket(t, e.admin)},
		{name: "a token as a ticket", ticket: e.admin},
		{name: "a revoked API token", token: revoked},
		{name: "an API token's id alone", token: read[:len(read)-5]},
		{name: "Support", token: e.support, role: auth.Support},
		{name: "Admin", token: e.admin, role: auth.Admin},
		{name: "a session of our own making", token: sign(hs, secret, same), role: auth.Admin},
		{name: "a Support's stream ticket", ticket: e.ticket(t, e.support), role: auth.Support},
		{name: "an Admin's stream ticket", ticket: e.ticket(t, e.admin), role: auth.Admin},
		{name: "an API token that reads", token: read, scope: auth.ScopeRead},
		{name: "an API token that displays", token: display, scope: auth.ScopeDisplay},
		{name: "an API token's stream ticket", ticket: e.ticket(t, display), scope: auth.ScopeDisplay},
	}
}

// ticket makes a stream ticket.
func (e *env) ticket(t testing.TB, token string) string {
	t.Helper()
	return get[struct{ Ticket string }](t, e, http.StatusOK, call{method: http.MethodPost, path: "/auth/stream-ticket", token: token}).Ticket
}

// apiToken makes an API token.
func (e *env) apiToken(t testing.TB, scope auth.Scope) string {
	t.Helper()
	c := call{method: http.MethodPost, path: "/tokens", token: e.admin, body: `{"name":"of a test","scope":"` + string(scope) + `"}`}
	return get[struct{ Token string }](t, e, http.StatusCreated, c).Token
}

// probe is the status that a caller gets, without waiting for a stream.
func (e *env) probe(t *testing.T, method, path string, c showing) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	path = strings.NewReplacer("{id}", "none", "{code}", "none").Replace(path)
	if c.ticket != "" {
		path += "?ticket=" + url.QueryEscape(c.ticket)
	}
	res, err := e.client.Do(e.request(ctx, t, call{method: method, path: path, token: c.token}))
	if err != nil {
		t.Fatal(err)
	}
	defer closeBody(t, res)
	if res.StatusCode >= 500 {
		t.Errorf("%s %s with %s: %d", method, path, c.name, res.StatusCode)
	}
	return res.StatusCode
}

// The description and the table of routes name the same routes, parameters and
// needs of a token.
func TestDescriptionIsComplete(t *testing.T) {
	t.Parallel()
	e := start(t)
	described := map[string]*openapi3.Operation{}
	for path, item := range e.doc.Paths.Map() {
		for method, op := range item.Operations() {
			described[method+" "+path] = op
		}
	}
	for _, rt := range gateway.Routes(e.gateway) {
		key := rt.Method + " " + rt.Path
		op, ok := described[key]
		if !ok {
			t.Errorf("%s is not in openapi.yaml", key)
			continue
		}
		delete(described, key)
		if open := op.Security != nil && len(*op.Security) == 0; open != (rt.Role == "") {
			t.Errorf("%s needs a token: %t; described so: %t", key, rt.Role != "", !open)
		}
		if admin := strings.Contains(op.Summary, "(Admin)"); admin != (rt.Role == "A") {
			t.Errorf("%s is for Admins: %t; described so: %t", key, rt.Role == "A", admin)
		}
		var params []string
		for _, p := range op.Parameters {
			if p.Value.In == "query" {
				params = append(params, p.Value.Name)
			}
		}
		slices.Sort(params)
		takes := slices.Sorted(slices.Values(rt.Query))
		if !slices.Equal(params, takes) {
			t.Errorf("%s takes %v; described are %v", key, takes, params)
		}
	}
	for key := range described {
		t.Errorf("%s is described, but is no route", key)
	}
}

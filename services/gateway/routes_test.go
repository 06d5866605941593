package gateway_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/golang-jwt/jwt/v5"

	"backupmonitor/services/gateway"
)

// Every route answers every kind of caller as its row in the table says.
func TestRolesOfEveryRoute(t *testing.T) {
	t.Parallel()
	e := start(t)
	claims := func(expires time.Time) jwt.RegisteredClaims {
		return jwt.RegisteredClaims{
			Issuer: "backup-monitor", Audience: jwt.ClaimStrings{"backup-monitor-api"}, Subject: "admin",
			IssuedAt: jwt.NewNumericDate(expires.Add(-time.Hour)), ExpiresAt: jwt.NewNumericDate(expires),
		}
	}
	sign := func(m jwt.SigningMethod, key any, c jwt.Claims) string {
		s, err := jwt.NewWithClaims(m, c).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	soon := time.Now().Add(time.Hour)
	callers := []struct {
		name  string
		token string
		role  string // "" nobody
	}{
		{"no token", "", ""},
		{"garbage", "a.b.c", ""},
		{"forged", sign(jwt.SigningMethodHS256, []byte(strings.Repeat("x", 40)), claims(soon)), ""},
		{"alg none", sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, claims(soon)), ""},
		{"expired", sign(jwt.SigningMethodHS256, secret, claims(time.Now().Add(-time.Hour))), ""},
		{"good but for its user", sign(jwt.SigningMethodHS256, secret, func() jwt.RegisteredClaims { c := claims(soon); c.Subject = "nobody"; return c }()), ""},
		{"Support", e.support, "S"},
		{"Admin", e.admin, "A"},
		{"a good token of our own making", sign(jwt.SigningMethodHS256, secret, claims(soon)), "A"},
	}
	for _, rt := range gateway.Routes(e.gateway) {
		for _, c := range callers {
			want := "admitted"
			switch {
			case rt.Role == "":
			case c.role == "":
				want = "401"
			case rt.Role == "A" && c.role == "S":
				want = "403"
			}
			if got := e.probe(t, rt.Method, rt.Path, c.token); got != want {
				t.Errorf("%s %s with %s: %s and not %s", rt.Method, rt.Path, c.name, got, want)
			}
		}
	}
}

// probe tells how a route receives a token, without waiting for a stream.
func (e *env) probe(t *testing.T, method, path, token string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	res, err := e.client.Do(e.request(ctx, t, call{method: method, path: strings.Replace(path, "{id}", "none", 1), token: token}))
	if err != nil {
		t.Fatal(err)
	}
	defer closeBody(t, res)
	switch res.StatusCode {
	case http.StatusUnauthorized:
		return "401"
	case http.StatusForbidden:
		return "403"
	}
	if res.StatusCode >= 500 {
		t.Errorf("%s %s: %d", method, path, res.StatusCode)
	}
	return "admitted"
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

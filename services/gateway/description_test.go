package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// description is that of the API, read once for all tests.
type description struct {
	doc    *openapi3.T
	router routers.Router
}

var readDescription = sync.OnceValues(func() (d description, err error) {
	if d.doc, err = openapi3.NewLoader().LoadFromFile("openapi.yaml"); err == nil {
		err = d.doc.Validate(context.Background())
	}
	if err == nil {
		d.router, err = gorillamux.NewRouter(d.doc)
	}
	return d, err
})

func (e *env) loadDescription(t testing.TB) {
	t.Helper()
	d, err := readDescription()
	if err != nil {
		t.Fatalf("openapi.yaml: %v", err)
	}
	e.doc, e.router = d.doc, d.router
}

func TestDescriptionIsServed(t *testing.T) {
	t.Parallel()
	e := start(t)
	file, err := os.ReadFile("openapi.yaml")
	if a := e.plain(t, http.MethodGet, prefix+"/openapi.yaml", nil); err != nil || a.status != http.StatusOK || a.body != string(file) {
		t.Errorf("%v, %d, %d bytes", err, a.status, len(a.body))
	}
}

// validate holds an answer against the description.
func (e *env) validate(t testing.TB, r *http.Request, res *http.Response, body []byte) {
	t.Helper()
	relative := r.Clone(t.Context())
	relative.URL.Host, relative.URL.Scheme, relative.Host = "", "", ""
	rt, vars, err := e.router.FindRoute(relative)
	if err != nil {
		if res.StatusCode != http.StatusNotFound && res.StatusCode != http.StatusMethodNotAllowed {
			t.Fatalf("%s %s is not in openapi.yaml, and answers %d", r.Method, r.URL.Path, res.StatusCode)
		}
		var v any
		if err := json.Unmarshal(body, &v); err != nil {
			t.Fatalf("%s %s: %v in %s", r.Method, r.URL.Path, err, body)
		}
		if err := e.doc.Components.Schemas["Error"].Value.VisitJSON(v); err != nil {
			t.Fatalf("%s %s: %v", r.Method, r.URL.Path, err)
		}
		return
	}
	err = openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, PathParams: vars, Route: rt},
		Status:                 res.StatusCode, Header: res.Header, Body: io.NopCloser(bytes.NewReader(body)),
		Options: &openapi3filter.Options{
			IncludeResponseStatus: true,
			ExcludeResponseBody:   !strings.HasPrefix(res.Header.Get("Content-Type"), "application/json"),
		},
	})
	if err != nil {
		t.Fatalf("%s %s answers %d, not as described: %v\n%s", r.Method, r.URL, res.StatusCode, err, body)
	}
	if !implied(rt.Operation, res.StatusCode) && rt.Operation.Responses.Status(res.StatusCode) == nil {
		t.Errorf("%s %s answers %d, which its description does not name: %s", r.Method, rt.Path, res.StatusCode, body)
	}
}

// implied tells the statuses of errors that any operation may have, and those of
// each that needs a token.
func implied(op *openapi3.Operation, status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge,
		http.StatusInternalServerError, http.StatusServiceUnavailable:
		return true
	case http.StatusUnauthorized, http.StatusForbidden:
		return op.Security == nil || len(*op.Security) > 0
	}
	return false
}

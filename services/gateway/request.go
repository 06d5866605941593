package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/gateway/auth"
)

const (
	// maxBody is how large a body may be that names outlets, maxAdminBody one of
	// another route for Admins, and maxOpenBody one of a route for everybody else:
	// memory holds it, of as many as connect.
	maxBody      = 1 << 20
	maxAdminBody = 64 << 10
	maxOpenBody  = 4 << 10
)

// request is a request to a route, after it was checked.
type request struct {
	*http.Request
	caller   auth.Caller // names nobody where the route needs no token
	stranger bool        // of a public stream: did not sign in
	vars     map[string]string
	params   url.Values
	most     int64 // bytes of a body in JSON
}

// serve checks what all routes check, and has the route answer.
func (g *Gateway) serve(ctx context.Context, w *response, r *request, rt route) {
	r.most = maxOpenBody
	if rt.role == auth.Admin {
		r.most = maxAdminBody
	}
	err := g.admit(ctx, w, r, rt)
	if err == nil && r.caller.Name() != "" {
		defer r.known()()
	}
	if err == nil {
		r.params, err = parseQuery(r.URL.RawQuery, rt.takes())
	}
	if err == nil {
		err = rt.handle(w, r)
	}
	if err != nil {
		g.fail(w, r.Request, err)
	}
}

// parseQuery refuses what the route does not know: a misspelt filter would
// otherwise answer with everything.
func parseQuery(raw string, known []string) (url.Values, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, badRequest("The query cannot be read: check its percent signs and separators.")
	}
	for name, v := range values {
		switch {
		case !slices.Contains(known, name):
			if len(known) == 0 {
				return nil, badRequest("Unknown parameter %q: none is taken here.", name)
			}
			return nil, badRequest("Unknown parameter %q: known are %s.", name, strings.Join(known, ", "))
		case len(v) > 1:
			return nil, badRequest("Parameter %q is given more than once.", name)
		}
	}
	return values, nil
}

func (r *request) param(name string) string { return r.params.Get(name) }

// date is "" where the parameter is not given.
func (r *request) date(name string) (events.Date, error) {
	s := r.param(name)
	if s == "" {
		return "", nil
	}
	d, err := events.ParseDate(s)
	if err != nil {
		return "", badRequest("Parameter %q: %v.", name, err)
	}
	return d, nil
}

// number is without where the parameter is not given.
func (r *request) number(name string, least, without int) (int, error) {
	s := r.param(name)
	if s == "" {
		return without, nil
	}
	const most = 1_000_000_000
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > most {
		return 0, badRequest("Parameter %q: %q is not a whole number from %d on.", name, s, least)
	}
	return n, nil
}

// oneOf is "" where the parameter is not given.
func oneOf[T ~string](r *request, name string, allowed ...T) (T, error) {
	s := T(r.param(name))
	if s == "" || slices.Contains(allowed, s) {
		return s, nil
	}
	names := make([]string, len(allowed))
	for i, a := range allowed {
		names[i] = string(a)
	}
	return "", badRequest("Parameter %q: %q is not one of %s.", name, string(s), strings.Join(names, ", "))
}

// readOutlets is readJSON for a body that names outlets, of which a caller may have
// some read at a time.
func (g *Gateway) readOutlets(w *response, r *request, v any) error {
	back, err := g.uploads.take(r.Context(), r.caller.Name())
	if err != nil {
		return err
	}
	defer back()
	r.most = maxBody
	return g.readJSON(w, r, v)
}

// readJSON reads the body into v: one JSON value of known fields, at most
// r.most bytes, within BodyTimeout, from somebody who may still send it then.
func (g *Gateway) readJSON(w *response, r *request, v any) error {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return badRequest("The body must be JSON, with Content-Type: application/json.")
	}
	if err := w.rc.SetReadDeadline(time.Now().Add(g.cfg.BodyTimeout)); err != nil {
		return fmt.Errorf("bound reading the body: %w", err)
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, r.most))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return g.bodyProblem(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		if p := g.unreadable(err); p != nil {
			return p
		}
		return badRequest("The body has something after its JSON value.")
	}
	// The time of the answer is its own; a deadline that passes while the
	// server waits for the client to hang up would end the request.
	if err := w.rc.SetReadDeadline(time.Time{}); err != nil {
		return fmt.Errorf("bound reading the body: %w", err)
	}
	return g.still(r.Context(), r)
}

// unreadable is the problem of a body that does not come, or that is too
// large, and nil of any other.
func (g *Gateway) unreadable(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &problem{status: http.StatusRequestTimeout, message: fmt.Sprintf("The body did not come within %s.", g.cfg.BodyTimeout), cause: err}
	}
	if e, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &problem{status: http.StatusRequestEntityTooLarge, message: fmt.Sprintf("The body has more than %d bytes.", e.Limit), cause: err}
	}
	return nil
}

func (g *Gateway) bodyProblem(err error) error {
	if p := g.unreadable(err); p != nil {
		return p
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return badRequest("Field %q of the body is a %s, which it cannot be.", e.Field, e.Value)
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return badRequest("The body has the unknown field %s.", name)
	}
	if errors.Is(err, io.EOF) {
		return badRequest("The body is empty.")
	}
	return &problem{status: http.StatusBadRequest, message: "The body is not JSON.", cause: err}
}

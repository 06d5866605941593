package gateway

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"backupmonitor/services/gateway/auth"
	"backupmonitor/services/internal/store"
)

// paramTicket carries a stream ticket, for clients that can set no header.
const paramTicket = "ticket"

// noteTimeout bounds noting that an API token was used.
const noteTimeout = 10 * time.Second

// strangerFor is how long a stranger's stream may last.
const strangerFor = 24 * time.Hour

// admit lets pass who may use a route, and notes in r who it is.
func (g *Gateway) admit(ctx context.Context, w *response, r *request, rt route) error {
	if rt.role == everybody {
		return nil
	}
	caller, err := g.recognise(ctx, r, rt.kind)
	switch {
	case errors.Is(err, errNoToken) && rt.kind == byAnybody && g.cfg.ScanPublic:
		r.caller, r.stranger = auth.Caller{Expires: g.cfg.Now().Add(strangerFor)}, true
		return nil
	case errors.Is(err, errNoToken):
		return &problem{status: http.StatusUnauthorized, message: "Sign in first."}
	case errors.Is(err, auth.ErrBadToken):
		return sessionOver(err)
	case err != nil:
		return unavailable("The database", err)
	}
	w.user, r.caller = caller.Name(), caller
	g.noteUse(ctx, caller, w.address)
	switch {
	case caller.APIToken != nil && !caller.Scope.May(rt.scope):
		return &problem{status: http.StatusForbidden, message: "This API token may not do this."}
	case caller.APIToken == nil && !caller.Role.May(rt.role):
		return &problem{status: http.StatusForbidden, message: "Only an Admin may do this."}
	}
	return nil
}

// noteUse notes that an API token is used, behind the answer: who reads does not
// wait for whoever writes to the database.
func (g *Gateway) noteUse(ctx context.Context, c auth.Caller, address string) {
	if !g.auth.UseIsDue(c) {
		return
	}
	id := c.APIToken.ID
	if _, other := g.noting.LoadOrStore(id, true); other {
		return
	}
	if !g.inFlight.begin() {
		g.noting.Delete(id)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTimeout)
	ctx, release := g.untilClosing(ctx)
	go func() {
		defer g.inFlight.end()
		defer g.noting.Delete(id)
		defer cancel()
		defer release()
		g.auth.Used(ctx, c, address)
	}()
}

func sessionOver(cause error) error {
	return &problem{status: http.StatusUnauthorized, message: "The session is no longer valid. Sign in again.", cause: cause}
}

// still asks once more for whoever was admitted: the body of a request may come
// long after its head, and the caller be somebody else by then. What changes
// anything asks a last time as it commits, see store.Note.By.
func (g *Gateway) still(ctx context.Context, r *request) error {
	if r.caller.Name() == "" {
		return nil
	}
	err := g.auth.Still(ctx, r.caller)
	switch {
	case errors.Is(err, auth.ErrBadToken):
		return sessionOver(err)
	case err != nil:
		return unavailable("The database", err)
	}
	return nil
}

// by is the user who makes the request; nil where none does.
func (r *request) by() *store.User {
	if r.caller.User.ID == "" {
		return nil
	}
	return &r.caller.User
}

var errNoToken = errors.New("neither a token nor a ticket")

// recognise takes the header before a ticket, and a ticket only for streams:
// it stands in an address, which others get to see.
func (g *Gateway) recognise(ctx context.Context, r *request, k kind) (auth.Caller, error) {
	if values := r.Header.Values("Authorization"); len(values) > 0 {
		scheme, token, ok := strings.Cut(values[0], " ")
		if len(values) > 1 || !ok || !strings.EqualFold(scheme, "Bearer") {
			return auth.Caller{}, auth.ErrBadToken
		}
		return g.auth.Recognise(ctx, strings.TrimSpace(token))
	}
	if k == byToken {
		return auth.Caller{}, errNoToken
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || !query.Has(paramTicket) {
		return auth.Caller{}, errNoToken
	}
	return g.auth.RecogniseTicket(ctx, query.Get(paramTicket))
}

// takes are the parameters of a route.
func (rt route) takes() []string {
	if rt.kind == byToken {
		return rt.query
	}
	return append(slices.Clone(rt.query), paramTicket)
}

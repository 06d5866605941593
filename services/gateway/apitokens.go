package gateway

import (
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode"

	"backupmonitor/events"
	"backupmonitor/services/gateway/auth"
	"backupmonitor/services/internal/store"
)

// tokenBody is an API token as Admins see it. The token itself is shown once,
// when it is made.
type tokenBody struct {
	ID           string     `json:"id"`
	Name         string     `json:"name"`
	Scope        string     `json:"scope"`
	CreatedBy    string     `json:"createdBy"`
	CreatedAt    time.Time  `json:"createdAt"`
	ExpiresAt    *time.Time `json:"expiresAt"`
	RevokedAt    *time.Time `json:"revokedAt"`
	LastUsedAt   *time.Time `json:"lastUsedAt"` // to the minute
	LastUsedFrom *string    `json:"lastUsedFrom"`
}

func tokenBodyOf(t store.APIToken) tokenBody {
	return tokenBody{t.ID, t.Name, t.Scope, t.CreatedBy, t.CreatedAt, t.ExpiresAt, t.RevokedAt, t.LastUsedAt, text(t.LastUsedFrom)}
}

func (g *Gateway) listTokens(w *response, r *request) error {
	list, err := g.store.APITokens(r.Context())
	if err != nil {
		return unavailable("The database", err)
	}
	data := make([]tokenBody, len(list))
	for i, t := range list {
		data[i] = tokenBodyOf(t)
	}
	return writeList(w, data, g.cfg.Now())
}

func (g *Gateway) addToken(w *response, r *request) error {
	var in struct {
		Name      string     `json:"name"`
		Scope     auth.Scope `json:"scope"`
		ExpiresAt *time.Time `json:"expiresAt"`
	}
	if err := g.readJSON(w, r, &in); err != nil {
		return err
	}
	now := g.cfg.Now()
	in.Name = strings.TrimSpace(in.Name)
	switch {
	case in.Name == "" || store.Fit(in.Name, store.MaxTokenName) != in.Name || strings.ContainsFunc(in.Name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return badRequest(`Field "name" of the body: say what the token is for, in 1 to %d printable characters.`, store.MaxTokenName)
	case !in.Scope.May(auth.ScopeDisplay):
		return badRequest(`Field "scope" of the body: %q is neither "read" nor "display".`, in.Scope)
	case in.ExpiresAt != nil && !in.ExpiresAt.After(now):
		return badRequest(`Field "expiresAt" of the body is in the past.`)
	case in.ExpiresAt != nil && in.ExpiresAt.UTC().Year() > lastYear:
		return badRequest(`Field "expiresAt" of the body is after the year %d. Leave it out for a token that does not end.`, lastYear)
	}
	token, t := auth.NewAPIToken(in.Name, in.Scope, r.caller.User.ID, now, in.ExpiresAt)
	note := g.tokenNote(w, r, t.ID, map[string]string{"change": "made", "name": t.Name, "scope": t.Scope})
	if err := g.store.AddAPIToken(r.Context(), t, note); errors.Is(err, store.ErrActor) {
		return sessionOver(err)
	} else if err != nil {
		return unavailable("The database", err)
	}
	g.audit.Committed()
	return writeJSON(w, http.StatusCreated, struct {
		Status  string    `json:"status"`
		Token   string    `json:"token"` // not shown again
		Details tokenBody `json:"details"`
	}{success, token, tokenBodyOf(t.Normal())})
}

func (g *Gateway) revokeToken(w *response, r *request) error {
	id := r.vars["id"]
	err := g.store.RevokeAPIToken(r.Context(), id, g.cfg.Now(), g.tokenNote(w, r, id, map[string]string{"change": "revoked"}))
	if errors.Is(err, store.ErrNotFound) {
		return notFound("There is no API token %q that is not revoked already.", id)
	}
	if errors.Is(err, store.ErrActor) {
		return sessionOver(err)
	}
	if err != nil {
		return unavailable("The database", err)
	}
	g.audit.Committed()
	t, err := g.store.APIToken(r.Context(), id)
	if err != nil {
		return unavailable("The database", err)
	}
	return writeJSON(w, http.StatusOK, struct {
		Status  string    `json:"status"`
		Details tokenBody `json:"details"`
	}{success, tokenBodyOf(t)})
}

func (g *Gateway) tokenNote(w *response, r *request, id string, details map[string]string) store.Note {
	n := g.audit.Note(events.Audited{Kind: events.APITokenChanged, Actor: r.caller.User.ID, Address: w.address, Object: id, Details: details})
	n.By = r.by()
	return n
}

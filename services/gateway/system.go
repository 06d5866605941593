package gateway

import (
	"context"
	"errors"
	"net/http"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/gateway/system"
	"backupmonitor/services/internal/credential"
)

// systemState tells what concerns more than one outlet.
func (g *Gateway) systemState(w *response, r *request) error {
	if err := g.caughtUp(r.Context()); err != nil {
		return err
	}
	s := g.system.State()
	return writeJSON(w, http.StatusOK, struct {
		Status      string                     `json:"status"`
		Online      bool                       `json:"online"`
		Notices     []system.Notice            `json:"notices"`
		Probers     []events.ProberChanged     `json:"probers"`
		Credentials []events.CredentialChanged `json:"credentials"`
		Timestamp   time.Time                  `json:"timestamp"`
	}{success, len(s.Probers) == 0, s.Notices, s.Probers, s.Credentials, g.cfg.Now().UTC()})
}

// retryCredential lets a paused account be tried at once.
func (g *Gateway) retryCredential(w *response, r *request) error {
	var in struct {
		Account string `json:"account"`
	}
	if err := g.readJSON(w, r, &in); err != nil {
		return err
	}
	if in.Account == "" {
		return badRequest(`Field "account" of the body is missing: name it as DOMAIN\user.`)
	}
	e := events.Audited{Kind: events.CredentialTried, Actor: r.caller.User.ID, Address: w.address, Object: in.Account}
	undone := func(err error) bool { return unwritten(err) || errors.Is(err, events.ErrNotFound) }
	err := g.audit.Around(r.Context(), r.by(), e, undone, func(ctx context.Context) error {
		return credential.Retry(ctx, g.log, in.Account, r.caller.User.ID, g.cfg.Now())
	})
	if errors.Is(err, events.ErrNotFound) {
		return notFound("The account %q was never used.", in.Account)
	}
	if err != nil {
		return logProblem(err)
	}
	return writeJSON(w, http.StatusAccepted, struct {
		Status    string    `json:"status"`
		Message   string    `json:"message"`
		Timestamp time.Time `json:"timestamp"`
	}{success, "The next look signs in with it, alone.", g.cfg.Now().UTC()})
}

package gateway

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/gateway/auth"
	"backupmonitor/services/gateway/peer"
	"backupmonitor/services/gateway/users"
	"backupmonitor/services/internal/store"
)

// refused says the same whatever was wrong, so that nobody learns which users
// there are.
const refused = "Not accepted. After five failures an Admin must unlock the account."

// longestUserID is more bytes than a user id of 20 characters has. What is longer
// is not counted by: each account that is tried is kept in mind.
const longestUserID = 128

type userBody struct {
	UserID      string `json:"userId"`
	UserName    string `json:"userName"`
	UserType    string `json:"userType"`
	Designation string `json:"designation"`
	Avatar      string `json:"avatar"`
}

func bodyOf(u store.User) userBody {
	return userBody{UserID: u.ID, UserName: u.Name, UserType: u.Type, Designation: u.Designation, Avatar: u.Avatar}
}

func (g *Gateway) login(w *response, r *request) error {
	var in struct {
		UserID   string `json:"userId"`
		Password string `json:"password"`
	}
	if err := g.readJSON(w, r, &in); err != nil {
		return err
	}
	in.UserID = strings.TrimSpace(in.UserID)
	if in.UserID == "" || in.Password == "" {
		return badRequest(`The body needs "userId" and "password".`)
	}
	if len(in.UserID) > longestUserID {
		return badRequest(`Field "userId" of the body is longer than any user id.`)
	}
	u, err := g.signedBy(w, r, in.UserID, in.Password)
	if err != nil {
		return err
	}
	return g.answerSession(w, u)
}

// answerSession begins a session.
func (g *Gateway) answerSession(w *response, u store.User) error {
	token, err := g.auth.Tokens.Issue(u)
	if err != nil {
		return err
	}
	w.user = u.ID
	return writeJSON(w, http.StatusOK, struct {
		Status string   `json:"status"`
		Token  string   `json:"token"`
		User   userBody `json:"user"`
	}{success, token, bodyOf(u)})
}

// signedBy lets nobody try too often, and then compares the password. A try that
// is held back is compared with nothing and counts for nothing. A right one
// takes nothing from what the account has left.
func (g *Gateway) signedBy(w *response, r *request, userID, password string) (store.User, error) {
	address, account := peer.Group(w.address), events.Key(userID)
	wait := g.addresses.Take(address)
	if wait == 0 {
		wait = g.accounts.Take(account)
	}
	if wait > 0 {
		g.audit.Stranger(r.Context(), events.Audited{
			Kind: events.SignInFailed, Address: w.address, Details: map[string]string{"reason": "too many tries"},
		})
		return store.User{}, &problem{status: http.StatusTooManyRequests, message: "Too many tries. Wait a moment and try again.", retryAfter: wait}
	}
	u, err := g.auth.Check(r.Context(), auth.Attempt{UserID: userID, Password: password, Address: w.address})
	switch {
	case errors.Is(err, auth.ErrRefused):
		return u, &problem{status: http.StatusUnauthorized, message: refused}
	case errors.Is(err, auth.ErrBusy):
		return u, err
	case err != nil:
		return u, unavailable("The database", err)
	}
	g.addresses.Give(address)
	g.accounts.Give(account)
	return u, nil
}

// me tells the page who it shows itself to. An API token is somebody who may
// look, so that a wall screen can show the page.
func (g *Gateway) me(w *response, r *request) error {
	user := bodyOf(r.caller.User)
	if t := r.caller.APIToken; t != nil {
		user = userBody{UserID: r.caller.Name(), UserName: t.Name, UserType: string(auth.Support), Designation: "API token"}
	}
	return writeJSON(w, http.StatusOK, struct {
		Status  string    `json:"status"`
		User    userBody  `json:"user"`
		Expires time.Time `json:"expires"`
	}{success, user, r.caller.Expires})
}

// changePassword changes the caller's own. It ends every session of theirs, and
// begins a new one. The present password is asked for, and counted when it is
// wrong, as at a sign-in: who finds a page left open must not guess it here.
func (g *Gateway) changePassword(w *response, r *request) error {
	var in struct {
		Current string `json:"currentPassword"`
		New     string `json:"newPassword"`
	}
	if err := g.readJSON(w, r, &in); err != nil {
		return err
	}
	if in.Current == "" || in.New == "" {
		return badRequest(`The body needs "currentPassword" and "newPassword".`)
	}
	if err := auth.CheckPassword(r.caller.User.ID, in.New); err != nil {
		return badPassword(err)
	}
	if in.Current == in.New {
		return badRequest("The new password is the present one.")
	}
	u, err := g.signedBy(w, r, r.caller.User.ID, in.Current)
	if p, ok := errors.AsType[*problem](err); ok && p.status == http.StatusUnauthorized {
		// 401 would say that the session has ended.
		return &problem{status: http.StatusForbidden, message: "The present password is not accepted. After five failures an Admin must unlock the account."}
	}
	if err != nil {
		return err
	}
	hash, err := g.auth.Passwords.Hash(r.Context(), in.New)
	if err != nil {
		return badPassword(err)
	}
	u, err = g.users.Change(r.Context(), g.actor(w, r), u.ID, users.Change{PasswordHash: &hash, InsteadOf: &u.PasswordHash})
	if err != nil {
		return userProblem(u.ID, err)
	}
	return g.answerSession(w, u)
}

// badPassword tells why a password cannot be.
func badPassword(err error) error {
	if errors.Is(err, auth.ErrBadPassword) {
		return badRequest("The password cannot be used: %s.", reason(err, auth.ErrBadPassword))
	}
	return err
}

// reason is the text of an error behind that of the sentinel it begins with.
func reason(err, sentinel error) string {
	_, why, _ := strings.Cut(err.Error(), sentinel.Error()+": ")
	return why
}

// actor is the caller as the audit trail names them.
func (g *Gateway) actor(w *response, r *request) users.Actor {
	return users.Actor{ID: r.caller.User.ID, Address: w.address, As: r.by()}
}

// streamTicket is for clients that can set no header, as EventSource.
func (g *Gateway) streamTicket(w *response, r *request) error {
	ticket, expires, err := g.auth.Tokens.IssueTicket(r.caller)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, struct {
		Status  string    `json:"status"`
		Ticket  string    `json:"ticket"`
		Expires time.Time `json:"expires"`
	}{success, ticket, expires})
}

package gateway

import (
	"errors"
	"net/http"
	"time"

	"backupmonitor/services/gateway/auth"
	"backupmonitor/services/gateway/users"
	"backupmonitor/services/internal/store"
)

// managedUser is a user as Admins see them.
type managedUser struct {
	userBody
	Active     bool       `json:"active"`
	Locked     bool       `json:"locked"`
	Failures   int        `json:"failures"` // failed sign-ins in a row
	LastSignIn *time.Time `json:"lastSignIn"`
}

func managed(u store.User) managedUser {
	return managedUser{
		userBody: bodyOf(u), Active: u.Active, Locked: u.LoginFalseAttempt >= auth.LockAt,
		Failures: u.LoginFalseAttempt, LastSignIn: u.LoginActiveTime,
	}
}

// userProblem makes an error of the directory one for clients.
func userProblem(id string, err error) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return notFound("There is no user %q.", id)
	case errors.Is(err, store.ErrExists):
		return &problem{status: http.StatusConflict, message: "There is such a user already."}
	case errors.Is(err, store.ErrLastAdmin):
		return &problem{status: http.StatusConflict, message: "This is the last active Admin: make another one first."}
	case errors.Is(err, store.ErrActor):
		return sessionOver(err)
	case errors.Is(err, users.ErrOtherPassword):
		return &problem{status: http.StatusConflict, message: "An Admin has set another password meanwhile, and that one holds. Sign in with it."}
	case errors.Is(err, users.ErrInvalid):
		return badRequest("The user cannot be: %s.", reason(err, users.ErrInvalid))
	}
	return unavailable("The database", err)
}

func (g *Gateway) listUsers(w *response, r *request) error {
	list, err := g.users.List(r.Context())
	if err != nil {
		return unavailable("The database", err)
	}
	data := make([]managedUser, len(list))
	for i, u := range list {
		data[i] = managed(u)
	}
	return writeList(w, data, g.cfg.Now())
}

func (g *Gateway) answerUser(w *response, status int, u store.User) error {
	return writeJSON(w, status, struct {
		Status string      `json:"status"`
		User   managedUser `json:"user"`
	}{success, managed(u)})
}

func (g *Gateway) addUser(w *response, r *request) error {
	var in struct {
		UserID      string `json:"userId"`
		UserName    string `json:"userName"`
		UserType    string `json:"userType"`
		Designation string `json:"designation"`
		Avatar      string `json:"avatar"`
		Password    string `json:"password"`
	}
	if err := g.readJSON(w, r, &in); err != nil {
		return err
	}
	u := store.User{ID: in.UserID, Name: in.UserName, Designation: in.Designation, Avatar: in.Avatar, Type: in.UserType, Active: true}
	var err error
	if u.PasswordHash, err = g.auth.Passwords.New(r.Context(), u.ID, in.Password); err != nil {
		return badPassword(err)
	}
	if err := g.users.Add(r.Context(), g.actor(w, r), u); err != nil {
		return userProblem(u.ID, err)
	}
	if u, err = g.store.User(r.Context(), u.ID); err != nil {
		return unavailable("The database", err)
	}
	return g.answerUser(w, http.StatusCreated, u)
}

func (g *Gateway) changeUser(w *response, r *request) error {
	var in struct {
		UserName    *string `json:"userName"`
		UserType    *string `json:"userType"`
		Designation *string `json:"designation"`
		Avatar      *string `json:"avatar"`
		Active      *bool   `json:"active"`
	}
	if err := g.readJSON(w, r, &in); err != nil {
		return err
	}
	return g.change(w, r, users.Change{Name: in.UserName, Type: in.UserType, Designation: in.Designation, Avatar: in.Avatar, Active: in.Active})
}

func (g *Gateway) change(w *response, r *request, c users.Change) error {
	id := r.vars["id"]
	u, err := g.users.Change(r.Context(), g.actor(w, r), id, c)
	if err != nil {
		return userProblem(id, err)
	}
	return g.answerUser(w, http.StatusOK, u)
}

// setPassword is an Admin's for somebody else. The Admin's own takes the
// present one, see changePassword.
func (g *Gateway) setPassword(w *response, r *request) error {
	var in struct {
		Password string `json:"password"`
	}
	if err := g.readJSON(w, r, &in); err != nil {
		return err
	}
	u, err := g.store.User(r.Context(), r.vars["id"])
	if err != nil {
		return userProblem(r.vars["id"], err)
	}
	if u.ID == r.caller.User.ID {
		return badRequest("This is your own password: change it with PUT /auth/password.")
	}
	hash, err := g.auth.Passwords.New(r.Context(), u.ID, in.Password)
	if err != nil {
		return badPassword(err)
	}
	return g.change(w, r, users.Change{PasswordHash: &hash})
}

func (g *Gateway) unlockUser(w *response, r *request) error {
	return g.change(w, r, users.Change{Unlock: true})
}

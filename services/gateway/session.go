package gateway

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"backupmonitor/services/gateway/auth"
	"backupmonitor/services/internal/store"
)

// refused says the same whatever was wrong, so that nobody learns which users
// there are.
const refused = "Not accepted. After five failures an Admin must unlock the account."

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
	u, token, err := g.auth.SignIn(r.Context(), auth.Attempt{UserID: in.UserID, Password: in.Password, Address: address(r.Request)})
	switch {
	case errors.Is(err, auth.ErrRefused):
		return &problem{status: http.StatusUnauthorized, message: refused}
	case errors.Is(err, auth.ErrBusy):
		return err
	case err != nil:
		return unavailable("The database", err)
	}
	w.user = u.ID
	return writeJSON(w, http.StatusOK, struct {
		Status string   `json:"status"`
		Token  string   `json:"token"`
		User   userBody `json:"user"`
	}{success, token, bodyOf(u)})
}

func (g *Gateway) me(w *response, r *request) error {
	return writeJSON(w, http.StatusOK, struct {
		Status  string    `json:"status"`
		User    userBody  `json:"user"`
		Expires time.Time `json:"expires"`
	}{success, bodyOf(r.caller.User), r.caller.Expires})
}

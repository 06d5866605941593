package auth

import (
	"time"

	"backupmonitor/services/internal/store"
)

// Role is a UserType of the table UserManager.
type Role string

// The roles. An Admin may do what a Support may, and more.
const (
	Admin   Role = "A"
	Support Role = "S"
)

// May tells whether somebody of role r may do what needs role needed. An
// unknown role may do nothing.
func (r Role) May(needed Role) bool {
	switch r {
	case Admin:
		return needed == Admin || needed == Support
	case Support:
		return needed == Support
	}
	return false
}

// Caller is who makes a request, as the database knows them now: a user with a
// role, or an API token with a scope; the zero value is a stranger. Expires is
// until when what they showed is good (UTC).
type Caller struct {
	User     store.User
	Role     Role
	APIToken *store.APIToken
	Scope    Scope
	Expires  time.Time
}

// Name tells callers apart, in logs and where something is counted for each.
func (c Caller) Name() string {
	if c.APIToken != nil {
		return "token:" + c.APIToken.ID
	}
	return c.User.ID
}

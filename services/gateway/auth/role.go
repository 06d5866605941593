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

// Caller is who makes a request, as the database knows them now, and until
// when their token is good (UTC).
type Caller struct {
	User    store.User
	Role    Role
	Expires time.Time
}

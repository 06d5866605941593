package smb

import "strings"

// Credential is who signs in. Equal credentials share a session.
type Credential struct {
	Domain   string // "" for an account of the outlet itself
	User     string
	Password string
}

// NewCredential reads a user as people write it: user, DOMAIN\user,
// user@domain, .\user for an account of the outlet itself. domain is that of a
// user written without one; "" is none.
func NewCredential(user, password, domain string) Credential {
	c := Credential{Domain: domain, User: user, Password: password}
	if d, u, ok := strings.Cut(user, `\`); ok {
		c.Domain, c.User = d, u
	} else if i := strings.LastIndexByte(user, '@'); i > 0 {
		c.Domain, c.User = user[i+1:], user[:i]
	}
	if c.Domain == "." {
		c.Domain = ""
	}
	return c
}

// String is the account without its password.
func (c Credential) String() string {
	if c.Domain == "" {
		return c.User
	}
	return c.Domain + `\` + c.User
}

// GoString keeps the password out of %#v.
func (c Credential) GoString() string { return c.String() }

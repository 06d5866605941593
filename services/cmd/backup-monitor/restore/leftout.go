package restore

import (
	"errors"
	"fmt"
	"strings"

	"backupmonitor/events"
	"backupmonitor/services/gateway/users"
	"backupmonitor/services/internal/logfile"
	"backupmonitor/services/internal/store"
)

// LeftOut is a row of the database that is not in a backup, or that no restore
// brings back: another program wrote what no database can be given. The rest is
// worth more than that row, so that neither fails because of it; whoever makes
// the backup, verifies it or restores it is told.
type LeftOut struct {
	Row    string // what it is, as: user "jo" of UserManager
	Reason string // what is wrong with it
}

// String says which row it is, and why.
func (l LeftOut) String() string { return l.Row + ": " + l.Reason }

// Missing are the rows that were left out when the backup in dir was made.
// Errors: logfile's.
func Missing(dir string) (left []LeftOut, err error) {
	r, err := logfile.Open(dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	_, err = attached(r, LeftOutName, &left)
	return left, err
}

func (a *Access) leave(what, id, table string, why error) {
	a.LeftOut = append(a.LeftOut, LeftOut{Row: fmt.Sprintf("%s %q of %s", what, id, table), Reason: why.Error()})
}

// strip takes out what no database can hold, or may: rows that do not fit, users who
// differ in nothing but the case of their ids, and those who would pass for somebody
// else in the audit trail.
func (a *Access) strip() {
	var kept []store.User
	known := map[string]string{} // ids, by what tells them apart
	for _, u := range a.Users {
		u.ID = strings.TrimSpace(u.ID) // as every back end stores it
		key := events.Key(u.ID)
		other, there := known[key]
		switch err := u.Check(); {
		case err != nil:
			a.leave("user", u.ID, "UserManager", err)
		case users.Reserved(u.ID):
			a.leave("user", u.ID, "UserManager", errors.New("the audit trail has this name for somebody who is no user, so that the user needs another UserID"))
		case there:
			a.leave("user", u.ID, "UserManager", fmt.Errorf("to this program %q is the same user, so one of them must go, or get another UserID", other))
		default:
			known[key] = u.ID
			kept = append(kept, u)
		}
	}
	var tokens []store.APIToken
	for _, t := range a.Tokens {
		if err := t.Check(); err != nil {
			a.leave("API token", t.ID, "MonitorAPIToken", err)
		} else {
			tokens = append(tokens, t)
		}
	}
	a.Users, a.Tokens = kept, tokens
}

package restore

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"backupmonitor/services/internal/logfile"
	"backupmonitor/services/internal/store"
	"backupmonitor/services/internal/store/sqlite"
)

// Names of what a backup has of the database beside the log.
const (
	UsersName  = "users.json"
	TokensName = "api-tokens.json"
	OutboxName = "audit-outbox.json"
	// LeftOutName is there only where something was left out.
	LeftOutName = "left-out.json"
)

// Access is what a database holds that the log cannot give back: who may do
// what, and the audit events that were not in the log yet.
type Access struct {
	Users  []store.User
	Tokens []store.APIToken
	Outbox []Waiting
	// LeftOut are the rows of Users and Tokens that are not among them.
	LeftOut []LeftOut
}

// Source is a database that is backed up; see store.Access.
type Source interface {
	Users(ctx context.Context) ([]store.User, error)
	APITokens(ctx context.Context) ([]store.APIToken, error)
	Notes(ctx context.Context) ([]store.Note, error)
}

// ReadAccess reads what is backed up, and leaves out what could not be restored.
// The log must be copied after it, and the outbox is read last: so of every change
// that is read the event is either here or in the log.
func ReadAccess(ctx context.Context, db Source) (a Access, err error) {
	if a.Users, err = db.Users(ctx); err != nil {
		return Access{}, err
	}
	if a.Tokens, err = db.APITokens(ctx); err != nil {
		return Access{}, err
	}
	notes, err := db.Notes(ctx)
	for _, n := range notes {
		a.Outbox = append(a.Outbox, waiting(n))
	}
	a.strip()
	return a, err
}

// Attachments are what a backup keeps beside the log.
func Attachments(a Access, secrets map[string]string) (map[string][]byte, error) {
	files := map[string][]byte{}
	all := map[string]any{UsersName: a.Users, TokensName: a.Tokens, OutboxName: a.Outbox}
	if len(a.LeftOut) > 0 {
		all[LeftOutName] = a.LeftOut
	}
	for name, v := range all {
		b, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", name, err)
		}
		files[name] = append(b, '\n')
	}
	for name, s := range secrets {
		files[secretPrefix+name] = []byte(s)
	}
	return files, nil
}

// accessOf reads what a backup has; has tells whether it has any of it.
func accessOf(backup *logfile.Reader) (a Access, has bool, err error) {
	for name, v := range map[string]any{UsersName: &a.Users, TokensName: &a.Tokens, OutboxName: &a.Outbox, LeftOutName: &a.LeftOut} {
		there, err := attached(backup, name, v)
		if err != nil {
			return Access{}, false, err
		}
		has = has || there
	}
	return a, has, nil
}

// attached reads a file of a backup, and tells whether it has one of the name.
func attached(backup *logfile.Reader, name string, v any) (there bool, err error) {
	b, err := backup.Attachment(name)
	if errors.Is(err, fs.ErrNotExist) && !errors.Is(err, logfile.ErrDamaged) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return false, fmt.Errorf("%w: %s: %w", logfile.ErrDamaged, name, err)
	}
	return true, nil
}

// Database is where users, tokens and the outbox are restored into; see
// store.Access.
type Database interface {
	Source
	Migrate(ctx context.Context) error
	User(ctx context.Context, id string) (store.User, error)
	AddUser(ctx context.Context, u store.User, notes ...store.Note) error
	AddAPIToken(ctx context.Context, t store.APIToken, notes ...store.Note) error
	PutNote(ctx context.Context, n store.Note) error
}

// access restores into the database of the options, or into a new one at a
// path. kept tells that the database had users of its own, which stay, and
// nothing was restored into it. The other tables are filled from the log when
// the program runs.
func (o Options) access(ctx context.Context, path string, a *Access, has bool) (kept bool, err error) {
	if o.Database != nil {
		if !has {
			return false, nil
		}
		kept, err := occupied(ctx, o.Database, *a)
		if err != nil || kept {
			return kept, err
		}
		return false, a.into(ctx, o.Database)
	}
	if !has {
		return false, nil
	}
	db, err := sqlite.Open(ctx, path)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := db.Migrate(ctx); err != nil {
		return false, err
	}
	return false, a.into(ctx, db)
}

// occupied tells whether a database has users or tokens other than those that
// an interrupted restore of the same backup leaves.
func occupied(ctx context.Context, db Database, a Access) (bool, error) {
	there, err := ReadAccess(ctx, db)
	if err != nil || len(there.LeftOut) > 0 { // no restore makes such a row
		return len(there.LeftOut) > 0, err
	}
	users, err := others(withoutEpochs(there.Users), withoutEpochs(a.Users))
	if err != nil {
		return false, err
	}
	tokens, err := others(there.Tokens, a.Tokens)
	return users || tokens, err
}

// withoutEpochs are users but for what each restore makes anew.
func withoutEpochs(users []store.User) []store.User {
	bare := slices.Clone(users)
	for i := range bare {
		bare[i].SessionEpoch = ""
	}
	return bare
}

// others tells whether any of what is there is not in the backup, just so.
func others[T any](there, backup []T) (bool, error) {
	ours := map[string]bool{}
	for _, v := range backup {
		b, err := json.Marshal(v)
		if err != nil {
			return false, fmt.Errorf("compare with the backup: %w", err)
		}
		ours[string(b)] = true
	}
	for _, v := range there {
		if b, err := json.Marshal(v); err != nil || !ours[string(b)] {
			return true, err
		}
	}
	return false, nil
}

// into writes all of it. What is there already is left, as after an interrupted
// restore.
func (a *Access) into(ctx context.Context, db Database) error {
	var users []store.User
	for _, u := range a.Users {
		there, err := addUser(ctx, db, u)
		if err != nil {
			return err
		}
		if there {
			users = append(users, u)
		} else {
			a.leave("user", u.ID, "UserManager", errors.New("to the collation of that table it is the same as another user"))
		}
	}
	a.Users = users
	for _, t := range a.Tokens {
		if err := db.AddAPIToken(ctx, t); err != nil && !errors.Is(err, store.ErrExists) {
			return err
		}
	}
	for _, w := range a.Outbox {
		if err := db.PutNote(ctx, w.note()); err != nil {
			return err
		}
	}
	return nil
}

// addUser tells whether the database has the user then: it may have another one
// that it takes for the same. The backup does not know which sessions were ended
// after it was made, so that all have ended that were begun before now.
func addUser(ctx context.Context, db Database, u store.User) (bool, error) {
	u.SessionEpoch = rand.Text()
	err := db.AddUser(ctx, u)
	if !errors.Is(err, store.ErrExists) {
		return err == nil, err
	}
	there, err := db.User(ctx, u.ID)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return there.ID == u.ID, err
}

package store

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"backupmonitor/events"
)

// ErrLastAdmin says that a change would leave nobody who may manage users.
var ErrLastAdmin = errors.New("it is the last active Admin")

// ErrActor says that who makes a change may no longer do what they could when
// they were recognised, so that nothing was changed. See Note.By.
var ErrActor = errors.New("who makes the change may no longer do so")

// Access is the part of a Backend that keeps who may do what: primary data,
// which no rebuild touches and the log cannot give back. What it changes it
// commits together with the notes that tell of it, whole or not at all. Whatever
// takes notes has the error ErrActor too, where one of them names somebody in By;
// but for that of SignedIn and of SignInFailed, which nobody is admitted to.
type Access interface {
	// User finds a user, ignoring the case of the id. Errors: ErrNotFound.
	User(ctx context.Context, id string) (User, error)
	// Users lists all users, by id.
	Users(ctx context.Context) ([]User, error)
	// CountUsers counts all users, active or not.
	CountUsers(ctx context.Context) (int, error)
	// AddUser makes a user, who must pass Check. Errors: ErrExists.
	AddUser(ctx context.Context, u User, notes ...Note) error
	// ChangeUser hands the user to change and writes what that made of it but
	// for the id, which stays. From the reading on nobody else can write the
	// user: two changes happen one after the other, and a failed sign-in is
	// counted before or after. change may be called again when the transaction
	// has to be repeated; its error ends it and is returned. A change after which
	// no session of before may count gives the user another SessionEpoch (see
	// User.After). Errors:
	// ErrNotFound; ErrLastAdmin when no active Admin would be left (of two that
	// would each remove the other, one fails).
	ChangeUser(ctx context.Context, id string, change func(*User) ([]Note, error)) (User, error)
	// SignInFailed adds one to LoginFalseAttempt and returns the new count,
	// exact under parallel calls; note, where not nil, tells of it. Errors:
	// ErrNotFound.
	SignInFailed(ctx context.Context, id string, note func(failures int) Note) (int, error)
	// SignedIn sets LoginFalseAttempt to 0 and LoginActiveTime to at, unless
	// the count has reached lockAt meanwhile: then it changes nothing, notes
	// included, and returns false. Errors: ErrNotFound.
	SignedIn(ctx context.Context, id string, at time.Time, lockAt int, notes ...Note) (bool, error)

	// AddAPIToken makes a token. Errors: ErrExists.
	AddAPIToken(ctx context.Context, t APIToken, notes ...Note) error
	// APITokens lists all tokens, also revoked ones, the newest first, and of
	// one moment by id.
	APITokens(ctx context.Context) ([]APIToken, error)
	// APIToken finds a token by its exact id. Errors: ErrNotFound.
	APIToken(ctx context.Context, id string) (APIToken, error)
	// RevokeAPIToken sets RevokedAt. Of a token that was revoked before it
	// changes nothing, notes included, and returns ErrNotFound, as of none.
	RevokeAPIToken(ctx context.Context, id string, at time.Time, notes ...Note) error
	// APITokenUsed notes the last use; an earlier one never replaces a later,
	// and of a token that is not there it does nothing.
	APITokenUsed(ctx context.Context, id string, at time.Time, address string) error

	// PutNote puts a note into the outbox, in place of one with its id.
	PutNote(ctx context.Context, n Note) error
	// Outbox lists notes that are due at now, in the order in which they were
	// first put there, also those that cannot be read (see Note.Unreadable).
	Outbox(ctx context.Context, now time.Time, limit int) ([]Note, error)
	// Notes lists all notes of the outbox, whenever they are due, in the order of
	// Outbox.
	Notes(ctx context.Context) ([]Note, error)
	// DropNotes takes notes out of the outbox; that one is not there is no
	// error: another process may have delivered it too.
	DropNotes(ctx context.Context, ids ...string) error
	// PostponeNote changes when a note is due and nothing else; that it is not
	// there is no error.
	PostponeNote(ctx context.Context, id string, due time.Time) error
	// ParkedNotes lists the ids of the notes that are due at Parked, in their
	// order.
	ParkedNotes(ctx context.Context) ([]string, error)
}

// Parked is when a note is due that is kept and not delivered.
func Parked() time.Time { return time.Date(9999, time.December, 31, 0, 0, 0, 0, time.UTC) }

// Note is an audit event that waits in the outbox for its delivery to the log,
// under its own id however often it is delivered.
type Note struct {
	events.Audited
	Due time.Time // the zero time: at once
	// By is who does what is told of, as they were recognised when they asked for
	// it. Where they are no longer (see User.Still) nothing is committed: between
	// the two lies as much time as a client takes. nil: nobody is looked at. It is
	// not kept.
	By *User
	// Unreadable tells why what the outbox holds, which is Raw, is no event; then
	// nothing but ID and Due is known. Put into an outbox such a note is the same
	// again, so that who can read it one day, or mend it, has all of it.
	Unreadable error
	Raw        string
}

// Encode is the event as the outbox keeps it.
func (n Note) Encode() (string, error) {
	if n.Unreadable != nil {
		return n.Raw, nil
	}
	b, err := json.Marshal(n.Audited)
	if err != nil {
		return "", fmt.Errorf("encode audit event %s: %w", n.ID, err)
	}
	return string(b), nil
}

// DecodeNote reads what Encode wrote of the note with an id.
func DecodeNote(id, data string, due time.Time) Note {
	n := Note{Due: due}
	err := json.Unmarshal([]byte(data), &n.Audited)
	if err == nil && (n.ID != id || n.Kind == "") {
		err = errors.New("it names another id, or no kind")
	}
	if err != nil {
		return Note{Audited: events.Audited{ID: id}, Due: due, Unreadable: fmt.Errorf("decode audit event %s of the outbox: %w", id, err), Raw: data}
	}
	return n
}

// APIToken is what is kept of a token for programs. The token itself is not.
type APIToken struct {
	ID           string // public: a part of the token
	Name         string // what it is for, at most MaxTokenName characters
	Scope        string
	Hash         string // SHA-256 of the token, hexadecimal
	CreatedBy    string // user id
	CreatedAt    time.Time
	ExpiresAt    *time.Time // nil: never
	RevokedAt    *time.Time
	LastUsedAt   *time.Time // to the minute
	LastUsedFrom string     // address of the client
}

// Widths of the columns of tokens, in UTF-16 code units.
const (
	MaxTokenName = 100

	widthTokenID      = 40
	widthTokenScope   = 20
	widthTokenHash    = 64
	widthTokenAddress = 64
)

// Check tells whether the token fits its table.
func (t APIToken) Check() error {
	fits := func(text string, n int) bool { return text != "" && Fit(text, n) == text }
	switch {
	case !fits(t.ID, widthTokenID), !fits(t.Scope, widthTokenScope), !fits(t.Hash, widthTokenHash):
		return errors.New("an API token needs an id, a scope and a hash that fit their columns")
	case !fits(t.Name, MaxTokenName):
		return fmt.Errorf("the name of an API token must have 1 to %d characters", MaxTokenName)
	case Fit(t.CreatedBy, widthUserID) != t.CreatedBy:
		return fmt.Errorf("the user who makes an API token has more than %d characters", widthUserID)
	}
	return nil
}

// Normal is the token as every back end stores it: times in UTC with
// millionth seconds, the address cut to its column.
func (t APIToken) Normal() APIToken {
	t.CreatedAt = t.CreatedAt.UTC().Truncate(time.Microsecond)
	t.ExpiresAt = utc(t.ExpiresAt, time.Microsecond)
	t.RevokedAt = utc(t.RevokedAt, time.Microsecond)
	t.LastUsedAt = utc(t.LastUsedAt, time.Microsecond)
	t.LastUsedFrom = Fit(t.LastUsedFrom, widthTokenAddress)
	return t
}

// After is the user as a change has left it, of what it was: the id stays, and a
// change of the password, of what the user may do, or of whether they may do
// anything, ends every session that there is, also for the time when the change
// is taken back. An epoch is never used twice, and a restore gives every user
// another one, so that no restored database brings back sessions either.
func (u User) After(was User) User {
	u.ID, u.SessionEpoch = was.ID, was.SessionEpoch
	if u.Active != was.Active || u.Type != was.Type || u.PasswordHash != was.PasswordHash {
		u.SessionEpoch = rand.Text()
	}
	return u
}

// Still tells whether the user may do what they could when they were recognised:
// as active as then, in the same role, in a session that has not been ended.
func (u User) Still(recognised User) bool {
	return u.Active == recognised.Active && u.Type == recognised.Type && u.PasswordHash == recognised.PasswordHash &&
		u.SessionEpoch == recognised.SessionEpoch
}

// ActiveAdmin tells whether the user counts as one who may manage users.
func (u User) ActiveAdmin() bool { return u.Active && u.Type == "A" }

package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// LockAt is how many failures in a row lock an account.
const LockAt = 5

// recordTimeout bounds what must be written about a sign-in even when its
// client has gone.
const recordTimeout = 5 * time.Second

// ErrRefused says that a sign-in is not accepted; why is nobody's business but
// the log's.
var ErrRefused = errors.New("sign-in refused")

// Users is the part of the store that sign-in uses; see store.Backend.
type Users interface {
	User(ctx context.Context, id string) (store.User, error)
	CountUsers(ctx context.Context) (int, error)
	AddUser(ctx context.Context, u store.User) error
	SignInFailed(ctx context.Context, id string) (int, error)
	SignedIn(ctx context.Context, id string, at time.Time, lockAt int) (bool, error)
}

// Auth signs users in and recognises them afterwards.
type Auth struct {
	Users     Users
	Tokens    *Tokens
	Passwords *Passwords
	// Audit records what happened. It must not block.
	Audit  func(events.Audited)
	Now    func() time.Time
	Logger *slog.Logger
}

// Attempt is one try to sign in.
type Attempt struct {
	UserID   string
	Password string
	Address  string // of the client
}

// SignIn checks an attempt and gives the user and a token. Whatever is wrong
// with it, unknown user, wrong password, locked or inactive account, the error
// is ErrRefused after the same time. The count is exact however many attempts
// run at once: after five failures the right password is refused too. Other
// errors: ErrBusy, the store's.
func (a *Auth) SignIn(ctx context.Context, try Attempt) (store.User, string, error) {
	u, err := a.Users.User(ctx, try.UserID)
	known := err == nil
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return store.User{}, "", fmt.Errorf("look up a user: %w", err)
	}
	ok, malformed, err := a.Passwords.Matches(ctx, u.PasswordHash, try.Password)
	if err != nil {
		return store.User{}, "", err
	}
	if malformed {
		a.Logger.ErrorContext(ctx, "The stored password of a user is no bcrypt hash: nobody can sign in with it.", slog.String("user", u.ID))
	}
	// From here on the attempt counts, also when its client hangs up.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	switch {
	case !known:
		// The name may be a password typed into the wrong field: it is not kept.
		return a.refuse("", "unknown user", try, 0)
	case u.LoginFalseAttempt >= LockAt:
		return a.refuse(u.ID, "locked", try, u.LoginFalseAttempt)
	case !u.Active, !Role(u.Type).May(Support):
		return a.refuse(u.ID, "inactive", try, u.LoginFalseAttempt)
	case !ok:
		n, err := a.Users.SignInFailed(ctx, u.ID)
		if err != nil {
			return store.User{}, "", fmt.Errorf("count a failed sign-in: %w", err)
		}
		return a.refuse(u.ID, "wrong password", try, n)
	}
	return a.accept(ctx, u, try)
}

func (a *Auth) accept(ctx context.Context, u store.User, try Attempt) (store.User, string, error) {
	now := a.Now().UTC()
	accepted, err := a.Users.SignedIn(ctx, u.ID, now, LockAt)
	if err != nil {
		return store.User{}, "", fmt.Errorf("record a sign-in: %w", err)
	}
	if !accepted {
		return a.refuse(u.ID, "locked", try, LockAt)
	}
	token, err := a.Tokens.Issue(u)
	if err != nil {
		return store.User{}, "", err
	}
	a.Audit(events.Audited{ID: rand.Text(), Kind: events.SignedIn, Actor: u.ID, Address: try.Address, At: now})
	return u, token, nil
}

func (a *Auth) refuse(userID, reason string, try Attempt, failures int) (store.User, string, error) {
	details := map[string]string{"reason": reason}
	if failures > 0 {
		details["failures"] = fmt.Sprint(failures)
	}
	a.Audit(events.Audited{
		ID: rand.Text(), Kind: events.SignInFailed, Actor: userID, Address: try.Address,
		Details: details, At: a.Now().UTC(),
	})
	return store.User{}, "", ErrRefused
}

// Recognise gives the caller that a token names, as the database knows them
// now: who was made inactive is refused at once, and a role counts as it is
// now. Errors: ErrBadToken, the store's.
func (a *Auth) Recognise(ctx context.Context, token string) (Caller, error) {
	id, expires, err := a.Tokens.Verify(token)
	if err != nil {
		return Caller{}, err
	}
	u, err := a.Users.User(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return Caller{}, fmt.Errorf("%w: its user is gone", ErrBadToken)
	}
	if err != nil {
		return Caller{}, fmt.Errorf("look up a user: %w", err)
	}
	role := Role(u.Type)
	if !u.Active || !role.May(Support) {
		return Caller{}, fmt.Errorf("%w: its user is inactive", ErrBadToken)
	}
	return Caller{User: u, Role: role, Expires: expires}, nil
}

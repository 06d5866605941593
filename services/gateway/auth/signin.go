package auth

import (
	"context"
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

// Users is the part of the store that sign-in uses; see store.Access.
type Users interface {
	User(ctx context.Context, id string) (store.User, error)
	CountUsers(ctx context.Context) (int, error)
	AddUser(ctx context.Context, u store.User, notes ...store.Note) error
	SignInFailed(ctx context.Context, id string, note func(failures int) store.Note) (int, error)
	SignedIn(ctx context.Context, id string, at time.Time, lockAt int, notes ...store.Note) (bool, error)
	APIToken(ctx context.Context, id string) (store.APIToken, error)
	APITokenUsed(ctx context.Context, id string, at time.Time, address string) error
}

// Trail tells of what happened; see package audit.
type Trail interface {
	Note(e events.Audited) store.Note
	Committed()
	Refused(ctx context.Context, e events.Audited) error
}

// Auth signs users in and recognises them afterwards.
type Auth struct {
	Users     Users
	Tokens    *Tokens
	Passwords *Passwords
	Trail     Trail
	// Step is what the time of a refusal is rounded up to, so that the little
	// that an unknown user costs less than a wrong password cannot be told; 0:
	// it is not rounded.
	Step   time.Duration
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
// run at once, and on however many gateways: after five failures the right
// password is refused too. Other errors: ErrBusy, the store's.
func (a *Auth) SignIn(ctx context.Context, try Attempt) (store.User, string, error) {
	u, err := a.Check(ctx, try)
	if err != nil {
		return store.User{}, "", err
	}
	token, err := a.Tokens.Issue(u)
	if err != nil {
		return store.User{}, "", err
	}
	return u, token, nil
}

// Check is SignIn without a token: that the one who is signed in knows the
// password.
func (a *Auth) Check(ctx context.Context, try Attempt) (store.User, error) {
	began := time.Now()
	u, err := a.check(ctx, try)
	if errors.Is(err, ErrRefused) {
		a.roundUp(ctx, began)
	}
	return u, err
}

// roundUp waits until a whole number of steps has passed since began.
func (a *Auth) roundUp(ctx context.Context, began time.Time) {
	if a.Step <= 0 {
		return
	}
	passed := time.Since(began)
	wait := time.NewTimer(a.Step - passed%a.Step)
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
	}
}

func (a *Auth) check(ctx context.Context, try Attempt) (store.User, error) {
	u, err := a.Users.User(ctx, try.UserID)
	known := err == nil
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return store.User{}, fmt.Errorf("look up a user: %w", err)
	}
	ok, malformed, err := a.Passwords.Matches(ctx, u.PasswordHash, try.Password)
	if err != nil {
		return store.User{}, err
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
		return a.refuse(ctx, "", "unknown user", try)
	case u.LoginFalseAttempt >= LockAt:
		return a.refuse(ctx, u.ID, "locked", try)
	case !u.Active, !Role(u.Type).May(Support):
		return a.refuse(ctx, u.ID, "inactive", try)
	case !ok:
		return a.fail(ctx, u, try)
	}
	return a.accept(ctx, u, try)
}

func (a *Auth) accept(ctx context.Context, u store.User, try Attempt) (store.User, error) {
	now := a.Now().UTC()
	note := a.Trail.Note(events.Audited{Kind: events.SignedIn, Actor: u.ID, Address: try.Address, At: now})
	accepted, err := a.Users.SignedIn(ctx, u.ID, now, LockAt, note)
	if err != nil {
		return store.User{}, fmt.Errorf("record a sign-in: %w", err)
	}
	if !accepted {
		return a.refuse(ctx, u.ID, "locked", try)
	}
	a.Trail.Committed()
	u.LoginFalseAttempt, u.LoginActiveTime = 0, &now
	return u, nil
}

// fail counts a wrong password.
func (a *Auth) fail(ctx context.Context, u store.User, try Attempt) (store.User, error) {
	_, err := a.Users.SignInFailed(ctx, u.ID, func(failures int) store.Note {
		e := refusal(u.ID, "wrong password", try)
		e.Details["failures"] = fmt.Sprint(failures)
		return a.Trail.Note(e)
	})
	if err != nil {
		return store.User{}, fmt.Errorf("count a failed sign-in: %w", err)
	}
	a.Trail.Committed()
	return store.User{}, ErrRefused
}

// refuse tells of a try that changes nothing.
func (a *Auth) refuse(ctx context.Context, userID, reason string, try Attempt) (store.User, error) {
	if err := a.Trail.Refused(ctx, refusal(userID, reason, try)); err != nil { // as where a failure cannot be counted
		return store.User{}, fmt.Errorf("tell of a refused sign-in: %w", err)
	}
	return store.User{}, ErrRefused
}

func refusal(userID, reason string, try Attempt) events.Audited {
	return events.Audited{Kind: events.SignInFailed, Actor: userID, Address: try.Address, Details: map[string]string{"reason": reason}}
}

func logError(err error) slog.Attr { return slog.Any("error", err) }

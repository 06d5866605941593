package auth

import (
	"context"
	"errors"
	"fmt"

	"backupmonitor/services/internal/store"
)

// Recognise gives the caller that a session token or an API token names, as
// the database knows them now. The database is the truth, and it is asked with
// each request: who was made inactive, was given another role or another
// password is told so at once, on every gateway, however late the log is.
// Errors: ErrBadToken, the store's.
func (a *Auth) Recognise(ctx context.Context, token string) (Caller, error) {
	if id, ok := apiTokenID(token); ok {
		return a.recogniseAPIToken(ctx, token, id)
	}
	s, err := a.Tokens.Verify(token)
	if err != nil {
		return Caller{}, err
	}
	return a.caller(ctx, s)
}

// RecogniseTicket gives the caller that a stream ticket names.
// Errors: ErrBadToken, the store's.
func (a *Auth) RecogniseTicket(ctx context.Context, ticket string) (Caller, error) {
	k, err := a.Tokens.VerifyTicket(ticket)
	if err != nil {
		return Caller{}, err
	}
	if !a.Now().Before(k.Expires) {
		return Caller{}, fmt.Errorf("%w: the session of the ticket has ended", ErrBadToken)
	}
	if k.APIToken == "" {
		return a.caller(ctx, k.Session)
	}
	t, err := a.apiToken(ctx, k.APIToken)
	if err != nil {
		return Caller{}, err
	}
	return a.callerOf(t, k.Expires), nil
}

// Still tells whether a caller who showed a good token or ticket before may
// still do the same: that it has ended meanwhile is for whoever asks to know.
// Errors: ErrBadToken, the store's.
func (a *Auth) Still(ctx context.Context, c Caller) error {
	if c.APIToken != nil {
		t, err := a.apiToken(ctx, c.APIToken.ID)
		if err == nil && t.Scope != string(c.Scope) {
			err = fmt.Errorf("%w: its scope was changed", ErrBadToken)
		}
		return err
	}
	u, err := a.user(ctx, c.User.ID)
	switch {
	case err != nil:
		return err
	case u.PasswordHash != c.User.PasswordHash:
		return fmt.Errorf("%w: the password was changed", ErrBadToken)
	case u.SessionEpoch != c.User.SessionEpoch:
		return fmt.Errorf("%w: the user's sessions were ended", ErrBadToken)
	case Role(u.Type) != c.Role:
		return fmt.Errorf("%w: the role was changed", ErrBadToken)
	}
	return nil
}

func (a *Auth) caller(ctx context.Context, s Session) (Caller, error) {
	u, err := a.user(ctx, s.UserID)
	if err != nil {
		return Caller{}, err
	}
	if !s.Of(u) {
		return Caller{}, fmt.Errorf("%w: the password was changed, or the user's sessions were ended", ErrBadToken)
	}
	return Caller{User: u, Role: Role(u.Type), Expires: s.Expires}, nil
}

// user finds a user who may do something. Errors: ErrBadToken, the store's.
func (a *Auth) user(ctx context.Context, id string) (store.User, error) {
	u, err := a.Users.User(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return u, fmt.Errorf("%w: its user is gone", ErrBadToken)
	}
	if err != nil {
		return u, fmt.Errorf("look up a user: %w", err)
	}
	if !u.Active || !Role(u.Type).May(Support) {
		return u, fmt.Errorf("%w: its user is inactive", ErrBadToken)
	}
	return u, nil
}

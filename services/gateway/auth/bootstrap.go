package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// FirstAdmin tells what Bootstrap did.
type FirstAdmin struct {
	Created bool
	UserID  string
	// Password is set when it was made up here. It is to be shown once; only
	// its hash is kept.
	Password string
}

// Bootstrap makes the first Admin when there is no user at all. Without a
// password it makes one up. Of several gateways that start at once one makes
// it. Errors: ErrBadPassword, the store's.
func (a *Auth) Bootstrap(ctx context.Context, userID, password string) (FirstAdmin, error) {
	n, err := a.Users.CountUsers(ctx)
	if err != nil {
		return FirstAdmin{}, fmt.Errorf("count the users: %w", err)
	}
	if n > 0 {
		return FirstAdmin{}, nil
	}
	made := FirstAdmin{Created: true, UserID: userID}
	if password == "" {
		password = rand.Text()
		made.Password = password
	} else if err := CheckPassword(userID, password); err != nil {
		return FirstAdmin{}, fmt.Errorf("the first Admin: ADMIN_PASSWORD: %w", err)
	}
	hash, err := a.Passwords.Hash(ctx, password)
	if err != nil {
		return FirstAdmin{}, fmt.Errorf("the first Admin: ADMIN_PASSWORD: %w", err)
	}
	note := a.Trail.Note(events.Audited{
		Kind: events.UserChanged, Actor: "", Object: userID, Details: map[string]string{"change": "made as the first Admin"},
	})
	err = a.Users.AddUser(ctx, store.User{ID: userID, Name: userID, Type: string(Admin), PasswordHash: hash, Active: true}, note)
	if errors.Is(err, store.ErrExists) {
		return FirstAdmin{}, nil
	}
	if err != nil {
		return FirstAdmin{}, fmt.Errorf("make the first Admin: %w", err)
	}
	a.Trail.Committed()
	return made, nil
}

package store

import (
	"context"
	"errors"
	"fmt"
)

// AccessTx is what a transaction of a back end does for Noted and ChangeUser,
// which decide for every back end who may change something, and what stays.
type AccessTx interface {
	// Hold reads a user whom nobody else can write before the transaction has
	// ended, ignoring the case of the id. Errors: ErrNotFound.
	Hold(ctx context.Context, id string) (User, error)
	// OtherAdmins counts the active Admins but for the user of exactly this id.
	// That must stay true until the transaction has ended.
	OtherAdmins(ctx context.Context, id string) (int, error)
	// PutUser writes the user of exactly u's id, who is there.
	PutUser(ctx context.Context, u User) error
	// PutNotes puts notes into the outbox.
	PutNotes(ctx context.Context, notes ...Note) error
}

// Noted does something and puts the notes into the outbox that tell of it. First
// it looks whether those who do it still may, since somebody may change
// themselves, and keeps them so. Errors: ErrActor, do's.
func Noted(ctx context.Context, tx AccessTx, notes []Note, do func() error) error {
	for _, n := range notes {
		if n.By == nil {
			continue
		}
		u, err := tx.Hold(ctx, n.By.ID)
		if errors.Is(err, ErrNotFound) || err == nil && !u.Still(*n.By) {
			return ErrActor
		}
		if err != nil {
			return fmt.Errorf("look who makes the change: %w", err)
		}
	}
	if err := do(); err != nil {
		return err
	}
	return tx.PutNotes(ctx, notes...)
}

// ChangeUser is Access.ChangeUser within a transaction. Errors: ErrNotFound,
// ErrActor, ErrLastAdmin, change's.
func ChangeUser(ctx context.Context, tx AccessTx, id string, change func(*User) ([]Note, error)) (User, error) {
	was, err := tx.Hold(ctx, id)
	if err != nil {
		return User{}, err
	}
	u := was
	notes, err := change(&u)
	if err != nil {
		return User{}, err
	}
	u = u.After(was)
	return u, Noted(ctx, tx, notes, func() error {
		if err := u.Check(); err != nil {
			return err
		}
		if was.ActiveAdmin() && !u.ActiveAdmin() {
			others, err := tx.OtherAdmins(ctx, u.ID)
			if err == nil && others == 0 {
				err = ErrLastAdmin
			}
			if err != nil {
				return err
			}
		}
		return tx.PutUser(ctx, u)
	})
}

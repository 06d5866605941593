// Package users manages the users of the table UserManager: for the API, and
// for the command line, which asks a running instance.
package users

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"backupmonitor/events"
	"backupmonitor/services/gateway/auth"
	"backupmonitor/services/internal/store"
)

// Store is the part of the store that the directory uses; see store.Access.
type Store interface {
	Users(ctx context.Context) ([]store.User, error)
	AddUser(ctx context.Context, u store.User, notes ...store.Note) error
	ChangeUser(ctx context.Context, id string, change func(*store.User) ([]store.Note, error)) (store.User, error)
}

// Trail tells of what happened; see package audit.
type Trail interface {
	Note(e events.Audited) store.Note
	Committed()
}

// ErrOtherPassword says that the password is no longer the one that a change
// was made for.
var ErrOtherPassword = errors.New("the password was changed meanwhile")

// ErrInvalid says that a user cannot be like that. What it wraps with it is a
// sentence for whoever asked.
var ErrInvalid = errors.New("invalid user")

// Directory changes users and has each change told of.
type Directory struct {
	Store Store
	Trail Trail
}

// Actor is who changes something, and from where.
type Actor struct {
	ID      string // user id
	Address string
	// As is the one who signed in, as they were recognised: what they ask for is
	// done only if they still may. nil: who may ask is not a matter of a session.
	As *store.User `json:"-"`
}

// List is all users, by id.
func (d *Directory) List(ctx context.Context) ([]store.User, error) { return d.Store.Users(ctx) }

// Add makes a user; u.PasswordHash is a hash of auth.Passwords. Errors:
// ErrInvalid, store.ErrExists, store.ErrActor, the store's.
func (d *Directory) Add(ctx context.Context, by Actor, u store.User) error {
	u.ID, u.Name, u.Designation = strings.TrimSpace(u.ID), strings.TrimSpace(u.Name), strings.TrimSpace(u.Designation)
	if u.Name == "" {
		u.Name = u.ID
	}
	u.LoginFalseAttempt, u.LoginActiveTime = 0, nil
	if err := printable(u.ID, u.Name, u.Designation, u.Avatar); err != nil {
		return err
	}
	if err := u.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err := freeID(u.ID); err != nil {
		return err
	}
	if !auth.WellFormed(u.PasswordHash) {
		return fmt.Errorf("%w: it has no password", ErrInvalid)
	}
	if err := d.Store.AddUser(ctx, u, d.note(by, u.ID, "made", map[string]string{"userType": u.Type})); err != nil {
		return err
	}
	d.Trail.Committed()
	return nil
}

// freeID refuses the id of a new user that could not stand in an address as it
// is, and one that the audit trail has for somebody else.
func freeID(id string) error {
	switch {
	case strings.ContainsAny(id, `/\`) || id == "." || id == "..":
		return fmt.Errorf(`%w: a user id has no / and no \, and is not . or ..`, ErrInvalid)
	case Reserved(id):
		return fmt.Errorf("%w: the audit trail has this name for somebody else", ErrInvalid)
	}
	return nil
}

// Reserved tells whether the audit trail has a name for somebody who is no user.
func Reserved(id string) bool {
	key := events.Key(id)
	names := func(other string) bool { return key == events.Key(other) }
	begins := func(prefix string) bool { return strings.HasPrefix(key, events.Key(prefix)) }
	return slices.ContainsFunc(events.Actors(), names) || slices.ContainsFunc([]string{"token:", "scheduler:", "stranger "}, begins)
}

// printable refuses what would not be safe to show: a line break in a name would
// be a line of its own in a list.
func printable(texts ...string) error {
	for _, text := range texts {
		if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
			return fmt.Errorf("%w: a text has an unprintable character", ErrInvalid)
		}
	}
	return nil
}

// Change is what is to be changed of a user; nil stays as it is.
type Change struct {
	Name         *string
	Designation  *string
	Avatar       *string
	Type         *string // A or S
	Active       *bool
	PasswordHash *string // of auth.Passwords; also unlocks
	// InsteadOf is the hash that PasswordHash is to replace, and none other: of
	// who knew a password, and of who has reset it meanwhile, the latter wins.
	InsteadOf *string
	Unlock    bool // forget the failed sign-ins
}

// Change changes a user. Errors: ErrInvalid, ErrOtherPassword, store.ErrNotFound,
// store.ErrLastAdmin, store.ErrActor, the store's.
func (d *Directory) Change(ctx context.Context, by Actor, id string, c Change) (store.User, error) {
	// Only of what is given: what an older system left must not keep a user
	// from being disabled.
	for _, text := range []*string{c.Name, c.Designation, c.Avatar} {
		if text == nil {
			continue
		}
		if err := printable(*text); err != nil {
			return store.User{}, err
		}
	}
	u, err := d.Store.ChangeUser(ctx, id, func(u *store.User) ([]store.Note, error) {
		if c.InsteadOf != nil && *c.InsteadOf != u.PasswordHash {
			return nil, ErrOtherPassword
		}
		what := c.apply(u)
		if err := u.Check(); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		if len(what) == 0 {
			return nil, nil
		}
		return []store.Note{d.note(by, u.ID, strings.Join(what, ", "), map[string]string{"userType": u.Type})}, nil
	})
	if err == nil {
		d.Trail.Committed()
	}
	return u, err
}

// apply changes u and tells in words what differs.
func (c Change) apply(u *store.User) (what []string) {
	set := func(to *string, from *string, word string) {
		if from != nil && strings.TrimSpace(*from) != *to {
			*to = strings.TrimSpace(*from)
			what = append(what, word)
		}
	}
	set(&u.Name, c.Name, "name")
	set(&u.Designation, c.Designation, "designation")
	set(&u.Avatar, c.Avatar, "avatar")
	if c.Type != nil && *c.Type != u.Type {
		what = append(what, "user type from "+u.Type+" to "+*c.Type)
		u.Type = *c.Type
	}
	if c.Active != nil && *c.Active != u.Active {
		u.Active = *c.Active
		what = append(what, map[bool]string{true: "enabled", false: "disabled"}[u.Active])
	}
	if c.PasswordHash != nil {
		u.PasswordHash = *c.PasswordHash
		what = append(what, "password")
	}
	if (c.Unlock || c.PasswordHash != nil) && u.LoginFalseAttempt > 0 {
		u.LoginFalseAttempt = 0
		what = append(what, "unlocked")
	}
	return slices.Clip(what)
}

func (d *Directory) note(by Actor, object, change string, details map[string]string) store.Note {
	details["change"] = change
	n := d.Trail.Note(events.Audited{Kind: events.UserChanged, Actor: by.ID, Address: by.Address, Object: object, Details: details})
	n.By = by.As
	return n
}

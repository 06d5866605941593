package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"
)

const (
	// maxPasswordBytes is all that bcrypt looks at. Comparing would silently
	// ignore the rest, so that any suffix were accepted.
	maxPasswordBytes = 72
	// maxCost bounds what a stored hash may ask for: 15 is some seconds.
	maxCost = 15
	// queueFor is how long a sign-in waits for its turn.
	queueFor = 2 * time.Second
)

// Errors of passwords.
var (
	// ErrBusy says that too many sign-ins are being checked at once.
	ErrBusy = errors.New("too many sign-ins at once")
	// ErrBadPassword says that a text cannot be a password.
	ErrBadPassword = errors.New("a password must have 1 to 72 bytes")
)

// Passwords makes and compares bcrypt hashes, a few at a time: each costs a
// core a good part of a second, and anybody may ask for it.
type Passwords struct {
	cost  int
	dummy []byte
	turns chan struct{}
}

// NewPasswords makes hashes of the given cost and compares at most parallel
// passwords at once.
func NewPasswords(cost, parallel int) (*Passwords, error) {
	dummy, err := bcrypt.GenerateFromPassword([]byte("nobody has this password"), cost)
	if err != nil {
		return nil, fmt.Errorf("make the hash for unknown users: %w", err)
	}
	return &Passwords{cost: cost, dummy: dummy, turns: make(chan struct{}, max(parallel, 1))}, nil
}

// Hash makes the hash of a new password. Errors: ErrBadPassword.
func (p *Passwords) Hash(password string) (string, error) {
	if password == "" || len(password) > maxPasswordBytes {
		return "", ErrBadPassword
	}
	h, err := bcrypt.GenerateFromPassword([]byte(password), p.cost)
	if err != nil {
		return "", fmt.Errorf("hash a password: %w", err)
	}
	return string(h), nil
}

// Matches tells whether password belongs to hash. It takes as long for an
// empty hash (nobody), for one that is no bcrypt hash, and for a password that
// is too long, as for a wrong password. malformed tells that hash is there but
// is no bcrypt hash. Errors: ErrBusy, or ctx's.
func (p *Passwords) Matches(ctx context.Context, hash, password string) (ok, malformed bool, err error) {
	if err := p.turn(ctx); err != nil {
		return false, false, err
	}
	defer func() { <-p.turns }()
	stored := []byte(strings.TrimSpace(hash)) // a column of fixed width pads it
	malformed = len(stored) > 0 && !wellFormed(stored)
	if len(stored) == 0 || malformed || len(password) > maxPasswordBytes {
		// Cut, so that what is too long costs the same.
		_ = bcrypt.CompareHashAndPassword(p.dummy, []byte(password)[:min(len(password), maxPasswordBytes)])
		return false, malformed, nil
	}
	return bcrypt.CompareHashAndPassword(stored, []byte(password)) == nil, false, nil
}

func (p *Passwords) turn(ctx context.Context) error {
	timer := time.NewTimer(queueFor)
	defer timer.Stop()
	select {
	case p.turns <- struct{}{}:
		return nil
	case <-timer.C:
		return ErrBusy
	case <-ctx.Done():
		return fmt.Errorf("wait for a turn to compare a password: %w", ctx.Err())
	}
}

// wellFormed tells whether comparing with hash takes the time that its cost
// says: a malformed one would answer at once.
func wellFormed(hash []byte) bool {
	const length = 60
	s := string(hash)
	if len(s) != length || !strings.HasPrefix(s, "$2a$") && !strings.HasPrefix(s, "$2b$") {
		return false
	}
	cost, err := bcrypt.Cost(hash)
	if err != nil || cost < bcrypt.MinCost || cost > maxCost {
		return false
	}
	const alphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	return strings.Trim(s[len("$2a$12$"):], alphabet) == ""
}

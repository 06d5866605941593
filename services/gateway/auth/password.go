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

// ErrBusy says that too many passwords are being checked at once.
var ErrBusy = errors.New("too many sign-ins at once")

// Passwords makes and compares bcrypt hashes, a few at a time: each costs a
// core a good part of a second, and anybody may ask for it.
type Passwords struct {
	cost  int
	dummy [][]byte // by cost, from bcrypt.MinCost to cost
	turns chan struct{}
	// compare is bcrypt's; tests count what it costs.
	compare func(hash, password []byte) error
}

// NewPasswords makes hashes of the given cost and compares at most parallel
// passwords at once.
func NewPasswords(cost, parallel int) (*Passwords, error) {
	p := &Passwords{cost: cost, turns: make(chan struct{}, max(parallel, 1)), compare: bcrypt.CompareHashAndPassword}
	for c := bcrypt.MinCost; c <= cost; c++ {
		p.dummy = append(p.dummy, dummyHash(c))
	}
	if len(p.dummy) == 0 {
		return nil, fmt.Errorf("the cost of password hashes is %d: it must be at least %d", cost, bcrypt.MinCost)
	}
	return p, nil
}

// dummyHash is one that no password belongs to: comparing with it costs what
// its cost says.
func dummyHash(cost int) []byte {
	return fmt.Appendf(nil, "$2a$%02d$%s", cost, strings.Repeat("aaaaaaaaaa", 6)[:53])
}

// Hash makes the hash of a new password, whose rules somebody else holds it
// against. Errors: ErrBadPassword where bcrypt cannot tell it from another,
// ErrBusy, or ctx's.
func (p *Passwords) Hash(ctx context.Context, password string) (string, error) {
	if password == "" || len(password) > maxPasswordBytes {
		return "", fmt.Errorf("%w: it must have 1 to %d bytes", ErrBadPassword, maxPasswordBytes)
	}
	if err := p.turn(ctx); err != nil {
		return "", err
	}
	defer func() { <-p.turns }()
	h, err := bcrypt.GenerateFromPassword([]byte(password), p.cost)
	if err != nil {
		return "", fmt.Errorf("hash a password: %w", err)
	}
	return string(h), nil
}

// New makes the hash of a password that somebody chooses for a user. Errors:
// ErrBadPassword where it is against the rules, ErrBusy, or ctx's.
func (p *Passwords) New(ctx context.Context, userID, password string) (string, error) {
	if err := CheckPassword(userID, password); err != nil {
		return "", err
	}
	return p.Hash(ctx, password)
}

// Matches tells whether password belongs to hash. It takes as long for an
// empty hash (nobody), for one that is no bcrypt hash, for one of a lower cost,
// and for a password that is too long, as for a wrong password. malformed tells
// that hash is there but is no bcrypt hash. Errors: ErrBusy, or ctx's.
func (p *Passwords) Matches(ctx context.Context, hash, password string) (ok, malformed bool, err error) {
	if err := p.turn(ctx); err != nil {
		return false, false, err
	}
	defer func() { <-p.turns }()
	stored := []byte(strings.TrimSpace(hash)) // a column of fixed width pads it
	malformed = len(stored) > 0 && !WellFormed(string(stored))
	if len(stored) == 0 || malformed || len(password) > maxPasswordBytes {
		// Cut, so that what is too long costs the same.
		cut := []byte(password)[:min(len(password), maxPasswordBytes)]
		_ = p.compare(p.dummy[len(p.dummy)-1], cut)
		return false, malformed, nil
	}
	ok = p.compare(stored, []byte(password)) == nil
	p.makeUpFor(stored, password)
	return ok, false, nil
}

// makeUpFor spends what comparing with hash has cost less than comparing with
// one of ours: as each step of the cost doubles it, a hash of cost c and the
// costs from c to one below ours add up to ours.
func (p *Passwords) makeUpFor(hash []byte, password string) {
	cost, err := bcrypt.Cost(hash)
	if err != nil {
		return
	}
	for c := cost; c < p.cost; c++ {
		_ = p.compare(p.dummy[c-bcrypt.MinCost], []byte(password))
	}
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

// Cost is that of our hashes: those of the original system's have it too, and
// comparing with one takes about a quarter of a second.
const Cost = 12

// Strong tells whether a hash is one as ours are, of at least their cost.
func Strong(hash string) bool {
	cost, err := bcrypt.Cost([]byte(hash))
	return err == nil && cost >= Cost && WellFormed(hash)
}

// WellFormed tells whether a stored hash is a bcrypt hash with which comparing
// takes the time that its cost says: a malformed one would answer at once.
func WellFormed(hash string) bool {
	const length = 60
	if len(hash) != length || !strings.HasPrefix(hash, "$2a$") && !strings.HasPrefix(hash, "$2b$") {
		return false
	}
	cost, err := bcrypt.Cost([]byte(hash))
	if err != nil || cost < bcrypt.MinCost || cost > maxCost {
		return false
	}
	const alphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	return strings.Trim(hash[len("$2a$12$"):], alphabet) == ""
}

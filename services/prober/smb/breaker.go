package smb

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Breaker guards accounts against too many wrong passwords, which would lock
// them for everybody.
type Breaker interface {
	// Admit waits until the account may sign in at the server. Whoever is
	// admitted tells, once, what came of it. Errors: *PausedError, or ctx's.
	Admit(ctx context.Context, c Credential, server string) (tell func(Outcome), err error)
}

// PausedError says that an account may not sign in at present.
type PausedError struct {
	Detail string // a sentence for an operator
}

// Error implements error.
func (e *PausedError) Error() string { return e.Detail }

// Answer is what a sign-in said about the account.
type Answer int

// The answers.
const (
	AnswerNone      Answer = iota // nothing: nothing was sent, or the answer speaks of this server alone
	AnswerUnclear                 // nothing, though the password was sent: it may have been counted
	AnswerAccepted                // the password is right
	AnswerRefused                 // the account or its password is wrong
	AnswerLockedOut               // the account is locked already
)

// Outcome is what came of a sign-in.
type Outcome struct {
	Answer   Answer
	NTStatus string // of a refusal, as 0xC000006D
	Detail   string // of a refusal, as "the password has expired"
}

// turn is one look's turn at the breaker. The connection asks for it when the
// sign-in is about to begin, which may be after the look has been given up.
type turn struct {
	ask func() (func(Outcome), error)

	mu    sync.Mutex
	asked bool
	tell  func(Outcome)
	err   error
	ended bool
}

// errNoTurn says that the look was over before its turn came.
var errNoTurn = errors.New("the turn to sign in did not come in time")

// enter waits for the turn.
func (t *turn) enter() error {
	t.mu.Lock()
	t.asked = true
	t.mu.Unlock()
	tell, err := t.ask()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.err = err
	switch {
	case err != nil:
		return err
	case t.ended:
		tell(Outcome{})
		return context.Canceled
	}
	t.tell = tell
	return nil
}

// end passes the turn on. The error says why there was none.
func (t *turn) end(o Outcome) error {
	t.mu.Lock()
	tell := t.tell
	t.tell, t.ended = nil, true
	err := t.err
	if t.asked && tell == nil && err == nil {
		err = errNoTurn
	}
	t.mu.Unlock()
	if tell != nil {
		tell(o)
	}
	return err
}

// outcomeOf is what the answer to a sign-in says about the account. proven is
// that who let it in is no stranger who lets everybody in.
func outcomeOf(seen sighting, err error, proven bool) Outcome {
	s := ntStatus(seen.signIn)
	switch {
	case proven && seen.signedIn && !seen.unverified:
		return Outcome{Answer: AnswerAccepted}
	case err == nil || !s.ofAccount():
		// The password is in the second message; a guest was let in whatever it was.
		if seen.signIns > 1 && !s.isError() {
			return Outcome{Answer: AnswerUnclear}
		}
		return Outcome{}
	}
	why, _ := refusals(s)
	o := Outcome{Answer: AnswerRefused, NTStatus: s.String(), Detail: why}
	if s == statusLockedOut {
		o.Answer = AnswerLockedOut
	}
	return o
}

// SignIn signs in at an address and does nothing else there. The breaker is not
// asked.
func SignIn(ctx context.Context, o Options, c Credential, address string) Outcome {
	o.Breaker = nil
	v := visit{options: o.withDefaults(), address: address, request: Request{Quiet: func() {}}, places: []Place{{Credential: c}}}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := v.dial(ctx)
	if err != nil {
		return Outcome{}
	}
	defer func() { _ = w.Close() }() // nothing is said in goodbye
	return v.attempt(ctx, w).outcome
}

// quietly calls quiet if f has not returned after a while.
func quietly(after time.Duration, quiet func(), f func()) {
	t := time.AfterFunc(after, quiet)
	defer t.Stop()
	f()
}

// Package breaker keeps the probers from locking a domain account. Each wrong
// password counts at the domain controller, whichever outlet it was tried at:
// a thousand looks with an old password would lock the account for the whole
// company.
//
// So one look signs in alone, while the others wait, until an outlet has let
// the account in: after a pause between scans, and after a refusal. A refusal
// by one outlet may be that outlet's own trouble; a second one, by another, or
// a locked account trips the breaker, and the looks end as paused until the
// next try is due. The state is in the log, where all probers share it.
package breaker

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/credential"
	"backupmonitor/services/prober/smb"
)

const (
	// pollEvery is how often a look that waits for another prober's try looks
	// what has come of it.
	pollEvery = 250 * time.Millisecond
	// believe is how long a refusal to sign in is repeated without reading the
	// log again: a person's wish to try at once, or another prober's success,
	// is seen that much later.
	believe = 5 * time.Second
	// tellTimeout bounds the storing of an outcome, which no look's end cuts
	// short.
	tellTimeout = 10 * time.Second
)

// Config is what a breaker needs to know.
type Config struct {
	Prober  string    // our name
	Started time.Time // when the prober was started
	Now     func() time.Time
}

// Breaker implements smb.Breaker over the log.
type Breaker struct {
	cfg    Config
	log    *events.Log
	logger *slog.Logger

	mu       sync.Mutex
	accounts map[string]*account // by events.Key
}

// New makes a breaker.
func New(cfg Config, log *events.Log, logger *slog.Logger) *Breaker {
	return &Breaker{cfg: cfg, log: log, logger: logger, accounts: map[string]*account{}}
}

// account is what this prober knows of an account.
type account struct {
	name string
	turn chan struct{} // held by the one look that reads the shared state, or tries the account out

	mu        sync.Mutex
	good      time.Time // of the last success here
	refused   bool      // here, since that success was stored
	barred    *smb.PausedError
	barredAt  time.Time
	barredFor string // the server, where others may be asked
}

// Admit implements smb.Breaker.
func (b *Breaker) Admit(ctx context.Context, c smb.Credential, server string) (func(smb.Outcome), error) {
	a := b.account(c.String())
	switch ok, err := a.known(server, b.cfg.Now()); {
	case err != nil:
		return nil, err
	case ok:
		return b.tell(ctx, a, server, nil), nil
	}
	select {
	case a.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	alone, err := b.consult(ctx, a, server)
	if alone {
		return b.tell(ctx, a, server, sync.OnceFunc(func() { <-a.turn })), nil
	}
	<-a.turn
	if err != nil {
		return nil, err
	}
	return b.tell(ctx, a, server, nil), nil
}

func (b *Breaker) account(name string) *account {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := events.Key(name)
	a, ok := b.accounts[key]
	if !ok {
		a = &account{name: name, turn: make(chan struct{}, 1)}
		b.accounts[key] = a
	}
	return a
}

// known decides without the log where that can be: ok is to sign in.
func (a *account) known(server string, now time.Time) (ok bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.good.IsZero() && now.Sub(a.good) < fresh {
		return true, nil
	}
	if a.barred != nil && now.Sub(a.barredAt) < believe && (a.barredFor == "" || a.barredFor == server) {
		return false, a.barred
	}
	return false, nil
}

// consult decides by the log, whose answer it waits for. alone says that the
// look is to try the account out.
func (b *Breaker) consult(ctx context.Context, a *account, server string) (alone bool, err error) {
	for {
		now := b.cfg.Now()
		if ok, err := a.known(server, now); ok || err != nil {
			return false, err // another look has found out meanwhile
		}
		s, err := b.read(ctx, a.name)
		if err == nil {
			switch s.decide(server, now, b.cfg.Started) {
			case goOn:
				a.noteGood(s.ChangedAt)
				return false, nil
			case barred:
				return false, a.noteBarred(s, now)
			case tryOut:
				if err = b.write(ctx, s, s.claim(server, now)); err == nil {
					return true, nil
				}
			case await:
			}
		}
		if err != nil && !errors.Is(err, events.ErrConflict) {
			b.logger.Warn("the state of an account cannot be told: looks wait for it",
				slog.String("account", a.name), slog.Any("error", err))
		}
		select {
		case <-time.After(pollEvery):
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

func (a *account) noteGood(at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if at.After(a.good) {
		a.good = at
	}
	a.barred = nil
}

func (a *account) noteBarred(s state, now time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.barred, a.barredAt, a.barredFor = &smb.PausedError{Detail: s.why()}, now, ""
	if s.State == events.CredentialDoubted {
		a.barredFor = s.RefusedBy
	}
	return a.barred
}

// tell is what an admitted look calls with its outcome. release, where there
// is one, lets the others go on afterwards.
func (b *Breaker) tell(ctx context.Context, a *account, server string, release func()) func(smb.Outcome) {
	return func(o smb.Outcome) {
		if release != nil {
			defer release()
		}
		if news := a.note(o, b.cfg.Now()); release == nil && !news {
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellTimeout)
		defer cancel()
		if err := b.store(ctx, a, o, server); err != nil {
			b.logger.Error("what came of a sign-in could not be stored", slog.String("account", a.name), slog.Any("error", err))
		}
	}
}

// note remembers an outcome. news says that the others should hear of it: a
// refusal, and the success that clears it up.
func (a *account) note(o smb.Outcome, now time.Time) (news bool) {
	if o.Answer == smb.AnswerAccepted {
		a.noteGood(now)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch o.Answer {
	case smb.AnswerAccepted:
		news, a.refused = a.refused, false
	case smb.AnswerRefused, smb.AnswerLockedOut:
		news, a.refused, a.good = true, true, time.Time{} // the next look asks the log
	case smb.AnswerNone:
	}
	return news
}

// store writes the state that an outcome leads to, whatever others wrote
// meanwhile.
func (b *Breaker) store(ctx context.Context, a *account, o smb.Outcome, server string) error {
	for {
		s, err := b.read(ctx, a.name)
		if err != nil {
			return err
		}
		next := s.after(o, server, b.cfg.Now())
		err = b.write(ctx, s, next)
		if !errors.Is(err, events.ErrConflict) {
			if err == nil {
				b.say(next)
			}
			return err
		}
	}
}

func (b *Breaker) say(next events.CredentialChanged) {
	attrs := []any{
		slog.String("account", next.Account), slog.String("state", string(next.State)), slog.String("server", next.Server),
		slog.Int("failures", next.Failures), slog.String("detail", next.Detail),
	}
	switch next.State {
	case events.CredentialTripped:
		b.logger.Error("an account is not used any more until its next try", attrs...)
	case events.CredentialDoubted:
		b.logger.Warn("an account was refused: another outlet is asked", attrs...)
	default:
		b.logger.Debug("an account was tried", attrs...)
	}
}

func (b *Breaker) read(ctx context.Context, name string) (state, error) {
	s, err := credential.Read(ctx, b.log, name)
	return state{s}, err
}

func (b *Breaker) write(ctx context.Context, old state, next events.CredentialChanged) error {
	next.Prober = b.cfg.Prober
	return credential.Write(ctx, b.log, old.Entry, next, b.cfg.Now())
}

// Package breaker keeps the probers from locking a domain account. Each wrong
// password counts at the domain controller, whichever outlet it was tried at:
// a thousand looks with an old password would lock the account for the whole
// company.
//
// So one look signs in alone, while the others wait, until an outlet has let
// the account in: in each prober that was just started, and after a pause, as
// between two scans. After a refusal one outlet that let the account in lately
// is asked. Where that refuses too the breaker trips, and the looks end as
// paused until the next try is due. The state is in the log, where all probers
// share it.
//
// # Who is believed
//
// Any outlet can feign a refusal, and call the account locked. None can feign to
// let it in: that counts once it has signed something, which takes the password.
// Hence
//
//   - One outlet alone trips nothing, whatever it says and how often, as long as
//     another one let the account in before. That goes for a lock too: to ask
//     once more does not lock a locked account further. Only where nobody can be
//     asked does it trip at once.
//   - Who is asked is drawn by lot from all that let the account in lately, so
//     that nobody can put itself in that place. Two that act together, one of
//     which refuses and the other when it is asked, need that luck: a third
//     opinion would be one wrong password too many, if it is wrong.
//   - What let it in outweighs all that refused: these are contradicted. For up
//     to a week what such an outlet says of the account is its own affair: its
//     looks sign in, and fail, and nobody else is asked for that. So k outlets
//     that act together have the luck for k-1 pauses in that time, and one has
//     none.
//
// A contradicted outlet may tell the truth next time. So it is signed in at only
// where a success of this prober vouches for the account, and for mostAside of
// them; otherwise one that let the account in lately is asked first, and counts.
// Two sign-ins with a wrong password are thus all there are in a pause; and
// restartTries more where probers are restarted, or killed while they sign in.
// An outlet that is asked, and does not say in time whether the password is
// right, has refused it: a refusal may be held back for seconds.
//
// A password that is changed while a scan runs is refused as often as sign-ins
// are under way, at most inFlight times in each prober, at mostAside
// contradicted outlets, and once more. Domain controllers do not count the last
// two passwords before the present one (N-2 password history check, Windows
// Server).
package breaker

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/prober/smb"
)

const (
	// fresh is how long a success of this prober vouches for the sign-ins that
	// follow. A pause between two scans is longer: the password may have changed
	// in it.
	fresh = 2 * time.Minute
	// inFlight is how many sign-ins with one account may be under way at once.
	inFlight = 8
	// checkFor bounds a sign-in that is there to find out about an account.
	checkFor = 3 * time.Second
	// pollEvery is how often a look that waits for another prober's try looks
	// what has come of it.
	pollEvery = 250 * time.Millisecond
	// believe is how long a refusal to sign in is repeated without reading the
	// log again: a person's wish to try at once, or another prober's success,
	// is seen that much later.
	believe = 5 * time.Second
	// yieldFor is how long the outlet that refused last lets others go first,
	// where the account may be tried anew.
	yieldFor = 2 * time.Second
)

// errYield says that others should go first.
var errYield = errors.New("others go first")

// Config is what a breaker needs to know.
type Config struct {
	Prober string // our name
	// SignIn signs in at an outlet and does nothing there.
	SignIn func(ctx context.Context, c smb.Credential, server string) smb.Outcome
	Now    func() time.Time
}

// Breaker implements smb.Breaker over the log.
type Breaker struct {
	cfg    Config
	log    *events.Log
	logger *slog.Logger

	mu       sync.Mutex
	accounts map[smb.Credential]*account
	since    uint64 // see state.decide
}

// New makes a breaker.
func New(cfg Config, log *events.Log, logger *slog.Logger) *Breaker {
	return &Breaker{cfg: cfg, log: log, logger: logger, accounts: map[smb.Credential]*account{}}
}

// Begin notes where the log ends: what was tripped before that may be tried
// again with what this prober was started with. Without it nothing is.
func (b *Breaker) Begin(ctx context.Context) error {
	id, err := b.log.Identity(ctx)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.since = id.LastSeq
	return nil
}

func (b *Breaker) start() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.since
}

// Admit implements smb.Breaker.
func (b *Breaker) Admit(ctx context.Context, c smb.Credential, server string) (func(smb.Outcome), error) {
	a, l := b.account(c), newLook(ctx, server)
	for {
		ok, err := a.known(server, b.cfg.Now)
		if err != nil {
			return nil, err
		}
		if ok {
			if tell, err := b.admitAmong(ctx, a, server); tell != nil || err != nil {
				return tell, err
			}
			continue // while it waited it was refused
		}
		if err := enter(ctx, a.turn); err != nil {
			return nil, err
		}
		alone, err := b.findOut(ctx, a, l)
		if alone {
			return b.tell(ctx, a, server, true, sync.OnceFunc(func() { <-a.turn })), nil
		}
		<-a.turn
		if errors.Is(err, errYield) {
			l.yielded, err = true, pause(ctx, yieldFor)
		}
		if err != nil {
			return nil, err
		}
	}
}

// admitAmong admits a look beside others, as soon as there is a place. nil is
// none, because the account was refused meanwhile.
func (b *Breaker) admitAmong(ctx context.Context, a *account, server string) (func(smb.Outcome), error) {
	if err := enter(ctx, a.places); err != nil {
		return nil, err
	}
	leave := sync.OnceFunc(func() { <-a.places })
	if ok, err := a.admit(server, b.cfg.Now); !ok || err != nil {
		leave()
		return nil, err
	}
	return b.tell(ctx, a, server, false, leave), nil
}

func (b *Breaker) account(c smb.Credential) *account {
	b.mu.Lock()
	defer b.mu.Unlock()
	a, ok := b.accounts[c]
	if !ok {
		a = newAccount(c)
		b.accounts[c] = a
	}
	return a
}

// findOut has the log say what a look may do, and waits until it does. Where
// the account is doubtful it asks an outlet that let it in lately. alone says
// that the look itself is to try the account out; without it and without an
// error it is known by now. Errors: a PausedError; errYield, for a look that has
// not yielded; ctx's.
func (b *Breaker) findOut(ctx context.Context, a *account, l look) (alone bool, err error) {
	var told error
	for {
		if ok, err := a.known(l.server, b.cfg.Now); ok || err != nil {
			return false, err // another look has found out
		}
		alone, settled, err := b.step(ctx, a, l)
		if settled {
			return alone, err
		}
		if err != nil && ctx.Err() == nil && told == nil {
			b.logger.Warn("the state of an account cannot be told: looks wait for it",
				slog.String("account", a.credential.String()), slog.Any("error", err))
			told = err
		}
		if err := pause(ctx, pollEvery); err != nil {
			return false, err
		}
	}
}

// step is one try at finding out. Unless it is settled, another may follow.
func (b *Breaker) step(ctx context.Context, a *account, l look) (alone, settled bool, err error) {
	if l.late(ctx) {
		return false, true, context.DeadlineExceeded
	}
	if err := b.pay(ctx, a); err != nil {
		return false, false, err
	}
	now := b.cfg.Now()
	s, err := b.read(ctx, a)
	if err != nil {
		return false, false, err
	}
	switch s.decide(l.server, now, b.start()) {
	case bar:
		return false, true, a.noteBarred(s, "", now)
	case barHere:
		if s.State == events.CredentialTripped && !l.yielded { // what else looks may try it out
			return false, true, errYield
		}
		return false, true, a.noteBarred(s, l.server, now)
	case await:
		return false, false, nil
	case tryOut:
	}
	err = b.write(ctx, s, s.claim(l.server, now))
	if errors.Is(err, events.ErrConflict) {
		return false, false, nil
	}
	if err != nil {
		return false, false, err
	}
	ask, self := s.plan(l.server, now, b.start())
	if b.ask(ctx, a, l, ask) {
		return false, true, nil
	}
	if self && !l.late(ctx) {
		return true, true, nil
	}
	b.keep(ctx, a, outcome{server: l.server, alone: true})
	if self {
		return false, true, context.DeadlineExceeded
	}
	return false, true, a.noteBarred(s, l.server, now)
}

// ask signs in at outlets that let the account in lately, until one of them
// says something, or may have had a wrong password counted. It tells whether one
// did.
func (b *Breaker) ask(ctx context.Context, a *account, l look, servers []string) bool {
	for _, server := range servers {
		if l.late(ctx) {
			return false
		}
		check, cancel := context.WithTimeout(ctx, checkFor)
		began := b.cfg.Now()
		o := b.cfg.SignIn(check, a.credential, server)
		cancel()
		if o.Answer == smb.AnswerNone {
			continue
		}
		a.note(o, server, true, began, b.cfg.Now())
		b.keep(ctx, a, outcome{o, server, true})
		return true
	}
	return false
}

// tell is what an admitted look calls with its outcome. release lets others go
// on afterwards.
func (b *Breaker) tell(ctx context.Context, a *account, server string, alone bool, release func()) func(smb.Outcome) {
	admitted := b.cfg.Now()
	return func(o smb.Outcome) {
		defer release()
		if news := a.note(o, server, alone, admitted, b.cfg.Now()); !news && !alone {
			return
		}
		b.keep(ctx, a, outcome{o, server, alone})
	}
}

package breaker

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/credential"
	"backupmonitor/services/internal/lifeline"
	"backupmonitor/services/prober/smb"
)

const (
	// tellTimeout bounds the storing of an outcome, and lastTimeout what of it
	// is left when the look has ended.
	tellTimeout = 10 * time.Second
	lastTimeout = 750 * time.Millisecond
)

// keep stores an outcome, also when the look is over. What the log cannot take is
// stored before the next decision: a refusal must not be forgotten. A success may
// be, and others may have been refused since.
func (b *Breaker) keep(ctx context.Context, a *account, o outcome) {
	ctx, cancel := lifeline.Outlive(ctx, tellTimeout, lastTimeout)
	defer cancel()
	if err := b.store(ctx, a, o); err != nil {
		if o.Answer != smb.AnswerAccepted {
			a.owe(o)
		}
		b.logger.Error("what came of a sign-in cannot be stored yet", slog.String("account", a.credential.String()), slog.Any("error", err))
	}
}

// pay stores what the log could not take before.
func (b *Breaker) pay(ctx context.Context, a *account) error {
	for {
		o, ok := a.owes()
		if !ok {
			return nil
		}
		if err := b.store(ctx, a, o); err != nil {
			return err
		}
		a.paid()
	}
}

// store writes the state that an outcome leads to, whatever others wrote
// meanwhile.
func (b *Breaker) store(ctx context.Context, a *account, o outcome) error {
	for {
		s, err := b.read(ctx, a)
		if err != nil {
			return err
		}
		now := b.cfg.Now()
		if s.aside(o, now, b.cfg.Prober) {
			return nil
		}
		next := s.after(o.Outcome, o.server, now, o.alone)
		err = b.write(ctx, s, next)
		if err == nil {
			b.say(s, next)
		}
		if !errors.Is(err, events.ErrConflict) {
			return err
		}
	}
}

func (b *Breaker) say(old state, next events.CredentialChanged) {
	for _, c := range next.Contradicted {
		if !slices.Contains(old.Contradicted, c) {
			b.logger.Warn("an outlet refused an account that another one lets in: what it says of that account is not believed for a while",
				slog.String("account", next.Account), slog.String("server", c), slog.String("let_in_by", next.Server), slog.Any("until", next.ContradictedUntil))
		}
	}
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

// read is the state that the log has, and whom this prober may ask.
func (b *Breaker) read(ctx context.Context, a *account) (state, error) {
	e, err := credential.Read(ctx, b.log, a.credential.String())
	if err != nil {
		return state{}, err
	}
	return a.learn(e, b.cfg.Now()), nil
}

func (b *Breaker) write(ctx context.Context, old state, next events.CredentialChanged) error {
	next.Prober = b.cfg.Prober
	next.AcceptedBy = next.AcceptedBy[:min(len(next.AcceptedBy), mostAccepted)]
	return credential.Write(ctx, b.log, old.Entry, next, b.cfg.Now())
}

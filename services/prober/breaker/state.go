package breaker

import (
	"fmt"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/credential"
	"backupmonitor/services/prober/smb"
)

const (
	// fresh is how long a success vouches for the sign-ins that follow. A pause
	// between two scans is longer: the password may have changed in it.
	fresh = 2 * time.Minute
	// claimFor is how long one sign-in may take before another prober asks
	// elsewhere: the client's own deadlines are shorter.
	claimFor = 45 * time.Second
	// pauseFor is the time between two tries with a refused account. A domain
	// that counts wrong passwords forgets them after 30 minutes at the latest
	// by the usual policy ("Reset account lockout counter after"; Windows
	// security baselines), so that one try in each pause locks nothing.
	pauseFor = 45 * time.Minute
	// restartTries is how many refusals in a row a restarted prober still adds
	// to at once: the password that it was restarted for is probably right.
	restartTries = 3
	// unsureFor keeps a refused account from being tried again at once when a
	// try has ended without an answer: the domain may have counted it.
	unsureFor = time.Minute
)

// state is the shared state of one account, and the rules of the breaker.
type state struct{ credential.Entry }

// decision is what a look may do.
type decision int

const (
	goOn   decision = iota // sign in, as all others do
	tryOut                 // sign in alone, after claiming that
	await                  // somebody else is trying it out
	barred                 // do not sign in
)

// decide says what a look at server may do with an account. started is when
// the prober was started.
func (s state) decide(server string, now, started time.Time) decision {
	due := s.RetryAt == nil || !now.Before(*s.RetryAt)
	switch s.State {
	case events.CredentialGood:
		if now.Sub(s.ChangedAt) < fresh {
			return goOn
		}
		return tryOut
	case events.CredentialTrying:
		switch {
		case !due:
			return await
		case s.Failures > 0 && server == s.RefusedBy && now.Before(s.RetryAt.Add(pauseFor)):
			return barred
		}
		return tryOut
	case events.CredentialDoubted:
		if due || server != s.RefusedBy {
			return tryOut
		}
		return barred
	case events.CredentialTripped:
		if due || s.Failures < restartTries && started.After(s.Stored) {
			return tryOut
		}
		return barred
	}
	return tryOut
}

// claim is the state in which one look at server tries the account out.
func (s state) claim(server string, now time.Time) events.CredentialChanged {
	next := s.CredentialChanged
	until := now.Add(claimFor).UTC()
	next.State, next.Server, next.RetryAt, next.ChangedBy = events.CredentialTrying, server, &until, ""
	return next
}

// after is the state that the outcome of a sign-in at server leads to.
func (s state) after(o smb.Outcome, server string, now time.Time) events.CredentialChanged {
	next := s.CredentialChanged
	next.Server, next.RetryAt, next.ChangedBy = server, nil, ""
	retry := func(d time.Duration) {
		at := now.Add(d).UTC()
		next.RetryAt = &at
	}
	switch o.Answer {
	case smb.AnswerAccepted:
		next.State = events.CredentialGood
		next.Failures, next.RefusedBy, next.NTStatus, next.Detail = 0, "", "", ""
	case smb.AnswerNone:
		switch next.Failures {
		case 0:
			next.State = events.CredentialTrying
			retry(0)
		case 1:
			next.State = events.CredentialDoubted
			retry(pauseFor)
		default:
			next.State = events.CredentialTripped
			retry(unsureFor)
		}
	default:
		next.Failures++
		next.State, next.RefusedBy, next.NTStatus, next.Detail = events.CredentialDoubted, server, o.NTStatus, o.Detail
		if next.Failures > 1 || o.Answer == smb.AnswerLockedOut {
			next.State = events.CredentialTripped
		}
		retry(pauseFor)
	}
	return next
}

// why is the reason for an operator not to have signed in.
func (s state) why() string {
	retry := ""
	if s.RetryAt != nil {
		retry = "; the next try is due at " + s.RetryAt.UTC().Format("15:04 UTC")
	}
	if s.State == events.CredentialDoubted {
		return fmt.Sprintf("%s refused the account %s (%s), and it is not asked again before another outlet has let it in%s",
			s.RefusedBy, s.Account, s.Detail, retry)
	}
	return fmt.Sprintf("the account %s is paused, because %s said: %s. Further tries might lock it%s",
		s.Account, s.RefusedBy, s.Detail, retry)
}

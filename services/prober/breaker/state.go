package breaker

import (
	"fmt"
	"slices"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/credential"
	"backupmonitor/services/prober/smb"
)

const (
	// claimFor is how long one try may take before another prober tries.
	claimFor = 45 * time.Second
	// pauseFor is the time between two tries with a refused account. A domain
	// that counts wrong passwords forgets them after 30 minutes at the latest
	// by the usual policy ("Reset account lockout counter after"; Windows
	// security baselines), so that one try in each pause locks nothing.
	pauseFor = 45 * time.Minute
	// restartTries is how many tries restarts may add within one pause: the
	// password that a prober was restarted for is probably right.
	restartTries = 2
	// unclearFor and unsureFor keep an account from being tried again at once
	// when a try has ended without an answer: the domain may have counted it.
	unclearFor = 10 * time.Second
	unsureFor  = time.Minute
	// mostAccepted is how many servers are remembered that let an account in.
	mostAccepted = 8
)

// state is the shared state of one account, and the rules of the breaker.
type state struct{ credential.Entry }

// decision is what the look may do whose turn it is.
type decision int

const (
	tryOut  decision = iota // try the account out, alone, after claiming that
	await                   // another prober is trying it out
	bar                     // do not sign in, wherever
	barHere                 // do not sign in at this outlet
)

// asker is the prober that asks.
type asker struct {
	prober string
	// since is the last sequence that the log had when the prober was started.
	since uint64
}

// decide says what a look at server may do.
func (s state) decide(server string, now time.Time, by asker) decision {
	switch s.State {
	case events.CredentialTrying:
		if !s.due(now) && s.Prober != by.prober { // one of our own is given up, or we would not be asked
			return await
		}
	case events.CredentialTripped:
		if !s.due(now) && (s.Seq > by.since || s.RestartTries >= restartTries) {
			return bar
		}
	case events.CredentialGood, events.CredentialDoubted:
	}
	if !s.mayAsk(server, now) && len(s.AcceptedBy) == 0 {
		return barHere
	}
	return tryOut
}

func (s state) due(now time.Time) bool { return s.RetryAt == nil || !now.Before(*s.RetryAt) }

// mayAsk tells whether a try at that server would say anything new.
func (s state) mayAsk(server string, now time.Time) bool {
	return s.Failures == 0 || server != s.RefusedBy || s.State == events.CredentialDoubted && s.due(now)
}

// claim is the state in which the account is tried out.
func (s state) claim(server string, now time.Time) events.CredentialChanged {
	next := s.CredentialChanged
	switch {
	case s.State != events.CredentialTripped:
	case s.due(now):
		next.RestartTries = 0
	default:
		next.RestartTries++
	}
	until := now.Add(claimFor).UTC()
	next.State, next.Server, next.RetryAt, next.ChangedBy = events.CredentialTrying, server, &until, ""
	return next
}

// after is the state that the outcome of a sign-in at server leads to: one that
// tried the account out, or one beside others. A refusal beside others is a
// doubt however many there are: they were all under way together, and of a
// thousand outlets some refuse everybody.
func (s state) after(o smb.Outcome, server string, now time.Time, alone bool) events.CredentialChanged {
	next := s.CredentialChanged
	next.Server, next.RetryAt, next.ChangedBy = server, nil, ""
	retry := func(d time.Duration) {
		at := now.Add(d).UTC()
		next.RetryAt = &at
	}
	others := slices.DeleteFunc(slices.Clone(s.AcceptedBy), func(a string) bool { return a == server })
	switch o.Answer {
	case smb.AnswerAccepted:
		next.State, next.Failures, next.RestartTries, next.FailingSince = events.CredentialGood, 0, 0, nil
		next.RefusedBy, next.NTStatus, next.Detail = "", "", ""
		next.AcceptedBy = slices.Insert(others, 0, server)
		next.AcceptedBy = next.AcceptedBy[:min(len(next.AcceptedBy), mostAccepted)]
	case smb.AnswerNone, smb.AnswerUnclear:
		switch next.Failures {
		case 0:
			next.State = events.CredentialTrying
			retry(0)
			if o.Answer == smb.AnswerUnclear {
				retry(unclearFor)
			}
		case 1:
			next.State = events.CredentialDoubted
			retry(pauseFor)
		default:
			next.State = events.CredentialTripped
			retry(unsureFor)
		}
	default:
		if len(others) < len(s.AcceptedBy) {
			next.AcceptedBy = slices.Concat(others, []string{server}) // asked last from now on
		}
		refused(&next, s, o, server, now, alone)
	}
	return next
}

// refused counts a refusal.
func refused(next *events.CredentialChanged, s state, o smb.Outcome, server string, now time.Time, alone bool) {
	if next.Failures == 0 {
		since := now.UTC()
		next.FailingSince = &since
	}
	if alone || next.Failures == 0 {
		next.Failures++
	}
	next.RefusedBy, next.NTStatus, next.Detail = server, o.NTStatus, o.Detail
	until := now.Add(pauseFor).UTC()
	switch {
	case o.Answer == smb.AnswerLockedOut, s.State == events.CredentialTripped, alone && next.Failures > 1:
		next.State, next.RetryAt = events.CredentialTripped, &until
	case !alone && s.State == events.CredentialTrying:
		next.Server, next.RetryAt = s.Server, s.RetryAt // whoever tries it out goes on
	default:
		next.State, next.RetryAt = events.CredentialDoubted, &until
	}
}

// why is the reason for an operator not to have signed in.
func (s state) why() string {
	retry := ""
	if s.RetryAt != nil {
		retry = "; the next try is due at " + s.RetryAt.UTC().Format("15:04 UTC")
	}
	if s.State != events.CredentialTripped {
		return fmt.Sprintf("%s refused the account %s (%s), and it is not asked again before another outlet has let it in%s",
			s.RefusedBy, s.Account, s.Detail, retry)
	}
	return fmt.Sprintf("the account %s is paused, because %s said: %s. Further tries might lock it%s",
		s.Account, s.RefusedBy, s.Detail, retry)
}

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
	// password that a prober was restarted for is probably right. The try of a
	// prober that was killed meanwhile is one of them: it may have been counted.
	restartTries = 2
	// unsureFor keeps a paused account from being tried again at once when a try
	// has ended without an answer.
	unsureFor = time.Minute
	// contradictedFor is how long the first outlet that others contradict is not
	// believed, and those that follow it at most.
	contradictedFor = 7 * 24 * time.Hour
	// mostAsked is how many outlets are asked at most until one says something:
	// all together within claimFor.
	mostAsked = 8
	// mostAccepted, mostRefusers and mostContradicted are how many servers the
	// state names.
	mostAccepted     = 16
	mostRefusers     = 16
	mostContradicted = 1000
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

// decide says what a look at server may do. since is the last sequence that the
// log had when the prober was started.
func (s state) decide(server string, now time.Time, since uint64) decision {
	switch s.State {
	case events.CredentialTrying:
		// Also a claim of ours: after a restart the name may be the same.
		if !s.due(now) {
			return await
		}
		if s.added(server, now) && s.RestartTries >= restartTries {
			return bar
		}
	case events.CredentialTripped:
		if !s.due(now) && s.Seq > since || s.added(server, now) && s.RestartTries >= restartTries {
			return bar
		}
	case events.CredentialGood, events.CredentialDoubted:
	}
	if ask, self := s.plan(server, now, since); len(ask) == 0 && !self {
		return barHere
	}
	return tryOut
}

func (s state) due(now time.Time) bool { return s.RetryAt == nil || !now.Before(*s.RetryAt) }

// waits is how long the state has the next try wait.
func (s state) waits() time.Duration {
	if s.RetryAt == nil {
		return 0
	}
	return s.RetryAt.Sub(s.ChangedAt)
}

// left tells that nobody has told, or will tell, what came of a try: whoever
// made it was killed.
func (s state) left(now time.Time) bool {
	return s.State == events.CredentialTrying && s.waits() > 0 && s.due(now)
}

// added tells whether a try at server would be one beyond those that each pause
// has: because of a restart, or after a try that was left.
func (s state) added(server string, now time.Time) bool {
	switch s.State {
	case events.CredentialTripped: // the second: what a restart has added goes on
		return !s.due(now) || s.RestartTries > 0 && s.waits() <= unsureFor
	case events.CredentialDoubted:
		return !s.due(now) && server == s.RefusedBy
	case events.CredentialTrying:
		return s.left(now) && now.Before(s.ChangedAt.Add(pauseFor))
	}
	return false
}

// plan is how to find out about the account for a look at server: these outlets
// are signed in at, one after the other until one says something; where none
// does, the look's own is, alone.
func (s state) plan(server string, now time.Time, since uint64) (ask []string, self bool) {
	if s.Failures == 0 && !s.contradicted(server, now) {
		return nil, true
	}
	ask = s.askable(now)
	if s.State == events.CredentialTripped { // who refused is right, or has mended its ways
		for _, r := range slices.Backward(s.Refusers) {
			if slices.Contains(s.AcceptedBy, r) {
				ask = append(ask, r)
			}
		}
	}
	return ask[:min(len(ask), mostAsked)], s.maySelf(server, now, since)
}

// askable are the outlets that let the account in lately, and that nothing
// speaks against.
func (s state) askable(now time.Time) []string {
	return slices.DeleteFunc(slices.Clone(s.AcceptedBy), func(a string) bool {
		return slices.Contains(s.Refusers, a) || s.contradicted(a, now)
	})
}

// maySelf tells whether a sign-in at that server would say anything new. Who
// refused last, or is contradicted, has said what it says, and comes after all
// others: where these have had the time of a pause for it. Whoever refused before
// a restart may be the only one there is.
func (s state) maySelf(server string, now time.Time, since uint64) bool {
	switch {
	case s.Failures == 0, server != s.RefusedBy && !s.contradicted(server, now):
		return true
	case s.State == events.CredentialDoubted: // since a pause ago
		return s.due(now) || server == s.RefusedBy && s.Seq <= since && s.RestartTries < restartTries
	}
	return s.due(now.Add(-pauseFor))
}

func (s state) contradicted(server string, now time.Time) bool {
	return s.ContradictedUntil != nil && now.Before(*s.ContradictedUntil) && slices.Contains(s.Contradicted, server)
}

// aside tells that an outcome says nothing of the account: a contradicted
// outlet's refusal, where it was not what the account was tried out with; and
// silence, where another prober has tried it out meanwhile.
func (s state) aside(o outcome, now time.Time, prober string) bool {
	switch o.Answer {
	case smb.AnswerRefused, smb.AnswerLockedOut:
		return !o.alone && s.contradicted(o.server, now)
	case smb.AnswerNone, smb.AnswerUnclear:
		return s.State != events.CredentialTrying || s.Prober != prober
	case smb.AnswerAccepted:
	}
	return false
}

// claim is the state in which the account is tried out.
func (s state) claim(server string, now time.Time) events.CredentialChanged {
	next := s.CredentialChanged
	switch {
	case s.added(server, now):
		next.RestartTries++
	case s.State == events.CredentialTripped, s.State == events.CredentialDoubted && s.due(now), s.left(now):
		next.RestartTries = 0
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
	switch o.Answer {
	case smb.AnswerAccepted:
		next.State, next.Failures, next.RestartTries, next.FailingSince = events.CredentialGood, 0, 0, nil
		next.RefusedBy, next.NTStatus, next.Detail = "", "", ""
		s.contradict(&next, server, now)
		next.AcceptedBy = slices.Insert(without(s.AcceptedBy, server), 0, server)
	case smb.AnswerNone, smb.AnswerUnclear:
		switch {
		case o.Answer == smb.AnswerUnclear && (s.Failures > 0 || s.State == events.CredentialTrying && server != s.Server):
			// The domain may have counted it. Outlets hold refusals back for
			// seconds (SMB authentication rate limiter, Windows Server).
			o.Detail = "it took the password, and did not say in time whether it is right"
			refused(&next, s, o, server, now, alone)
		case s.Failures == 0:
			next.State = events.CredentialTrying
			retry(0)
		case s.Failures == 1:
			next.State = events.CredentialDoubted
			retry(pauseFor)
		default:
			next.State = events.CredentialTripped
			retry(unsureFor)
			if s.RestartTries >= restartTries {
				retry(pauseFor)
			}
		}
	default:
		refused(&next, s, o, server, now, alone)
	}
	return next
}

// contradict has those not believed any more who refused the account that a
// server has let in, all but itself. After a week they all are again.
func (s state) contradict(next *events.CredentialChanged, server string, now time.Time) {
	if s.ContradictedUntil != nil && !now.Before(*s.ContradictedUntil) {
		next.Contradicted, next.ContradictedUntil = nil, nil
	}
	all := slices.Clone(next.Contradicted)
	for _, r := range without(s.Refusers, server) {
		if !slices.Contains(all, r) && len(all) < mostContradicted {
			all = append(all, r)
		}
	}
	if len(all) > 0 && next.ContradictedUntil == nil {
		until := now.Add(contradictedFor).UTC()
		next.ContradictedUntil = &until
	}
	next.Contradicted, next.Refusers = all, nil
}

func without(servers []string, server string) []string {
	return slices.DeleteFunc(slices.Clone(servers), func(s string) bool { return s == server })
}

// refused counts a refusal. One by the same outlet is no second opinion.
func refused(next *events.CredentialChanged, s state, o smb.Outcome, server string, now time.Time, alone bool) {
	if next.Failures == 0 {
		since := now.UTC()
		next.FailingSince = &since
	}
	if next.Failures == 0 || alone && !slices.Contains(s.Refusers, server) {
		next.Failures++
	}
	next.RefusedBy, next.NTStatus, next.Detail = server, o.NTStatus, o.Detail
	next.Refusers = slices.Insert(without(s.Refusers, server), 0, server)
	next.Refusers = next.Refusers[:min(len(next.Refusers), mostRefusers)]
	final := o.Answer == smb.AnswerLockedOut && len(without(s.askable(now), server)) == 0
	until := now.Add(pauseFor).UTC()
	switch {
	case final, s.State == events.CredentialTripped, alone && next.Failures > 1:
		next.State, next.RetryAt = events.CredentialTripped, &until
	case !alone && s.State == events.CredentialTrying:
		next.Server, next.RetryAt = s.Server, s.RetryAt // whoever tries it out goes on
	default:
		next.State, next.RetryAt = events.CredentialDoubted, &until
	}
}

// why is the reason for an operator not to have signed in at one server or, with
// "", anywhere.
func (s state) why(server string) string {
	retry := ""
	if s.RetryAt != nil {
		retry = "; the next try is due at " + s.RetryAt.UTC().Format("15:04 UTC")
	}
	switch {
	case s.State == events.CredentialTripped:
	case server == "":
		return fmt.Sprintf("the account %s was being tried at %s when the prober was ended, and not for the first time; the next try is due at %s",
			s.Account, s.Server, s.ChangedAt.Add(pauseFor).UTC().Format("15:04 UTC"))
	default:
		return fmt.Sprintf("%s refused the account %s (%s); this outlet is not asked before another one has let it in%s",
			s.RefusedBy, s.Account, s.Detail, retry)
	}
	return fmt.Sprintf("the account %s is paused, because %s said: %s. Further tries might lock it%s",
		s.Account, s.RefusedBy, s.Detail, retry)
}

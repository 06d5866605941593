package breaker

import (
	"sync"
	"time"

	"backupmonitor/services/prober/smb"
)

// account is what this prober knows of an account with one password.
type account struct {
	credential smb.Credential
	turn       chan struct{} // held by the one look that finds out about the account
	places     chan struct{} // held by the looks that sign in beside each other

	mu        sync.Mutex
	good      time.Time // of the last success here; zero after a refusal
	refusedAt time.Time // of the last refusal here
	unsettled bool      // that refusal is stored, and no success since
	barred    *smb.PausedError
	barredAt  time.Time
	barredFor string // the server, where others may be asked
}

// known decides without the log where that can be: ok is to sign in. It asks
// for the time itself: one from before the lock may be earlier than a success
// that another look has noted meanwhile.
func (a *account) known(server string, clock func() time.Time) (ok bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := clock()
	if since := now.Sub(a.good); !a.good.IsZero() && since >= 0 && since < fresh {
		return true, nil
	}
	if a.barred != nil && now.Sub(a.barredAt) < believe && (a.barredFor == "" || a.barredFor == server) {
		return false, a.barred
	}
	return false, nil
}

// noteBarred is the reason not to sign in, at one server or, with "", anywhere.
// It is repeated for a while.
func (a *account) noteBarred(s state, server string, now time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.barred, a.barredAt, a.barredFor = &smb.PausedError{Detail: s.why()}, now, server
	return a.barred
}

// note remembers the outcome of a sign-in that was admitted at a time. news
// says that the others should hear of it: a refusal, and the success that
// clears it up. A success that was admitted before the last refusal clears
// nothing up: the password may have changed between the two.
func (a *account) note(o smb.Outcome, admitted, now time.Time) (news bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch o.Answer {
	case smb.AnswerAccepted:
		if admitted.After(a.refusedAt) {
			news, a.unsettled = a.unsettled, false
			a.good, a.barred = now, nil
		}
	case smb.AnswerRefused, smb.AnswerLockedOut:
		news, a.unsettled = true, true
		a.refusedAt, a.good = now, time.Time{} // the next look asks the log
	case smb.AnswerNone, smb.AnswerUnclear:
	}
	return news
}

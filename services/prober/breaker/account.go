package breaker

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"backupmonitor/services/internal/credential"
	"backupmonitor/services/prober/smb"
)

const (
	// lately is how long an outlet that let the account in may be asked.
	lately = 48 * time.Hour
	// mostAside is how many sign-ins at contradicted outlets one success
	// vouches for.
	mostAside = 4
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

	owed     []outcome            // what the log could not take yet
	last     state                // as the log had it
	accepted map[string]time.Time // the servers that let it in here, and when
	aside    []string             // the contradicted ones that were signed in at since the last success here
	asideAt  time.Time            // the last of these sign-ins
}

// outcome is what came of a sign-in, and where.
type outcome struct {
	smb.Outcome
	server string
	alone  bool
}

func newAccount(c smb.Credential) *account {
	return &account{
		credential: c, turn: make(chan struct{}, 1), places: make(chan struct{}, inFlight), accepted: map[string]time.Time{},
	}
}

// known decides without the log where that can be: ok is to sign in. It asks
// for the time itself: one from before the lock may be earlier than a success
// that another look has noted meanwhile.
func (a *account) known(server string, clock func() time.Time) (ok bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.vouched(server, clock())
}

// admit is known to a look that signs in at once where it may.
func (a *account) admit(server string, clock func() time.Time) (ok bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := clock()
	ok, err = a.vouched(server, now)
	if ok && a.last.contradicted(server, now) {
		a.aside, a.asideAt = append(a.aside, server), now
	}
	return ok, err
}

func (a *account) vouched(server string, now time.Time) (ok bool, err error) {
	if since := now.Sub(a.good); !a.good.IsZero() && since >= 0 && since < fresh {
		switch {
		case len(a.aside) < mostAside || !a.last.contradicted(server, now):
			return true, nil
		case slices.Contains(a.aside, server): // to ask others again for its sake would have no end
			return false, &smb.PausedError{Detail: fmt.Sprintf(
				"%s refuses the account %s, which other outlets let in, and is asked again in %v at the latest", server, a.credential, fresh)}
		}
		return false, nil
	}
	if a.barred != nil && now.Sub(a.barredAt) < believe && (a.barredFor == "" || a.barredFor == server) {
		return false, a.barred
	}
	return false, nil
}

// learn takes over what the log has. Whoever let the account in here lately may
// be asked as well as those that the log names, in any order.
func (a *account) learn(e credential.Entry, now time.Time) state {
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.accepted, func(_ string, at time.Time) bool { return now.Sub(at) > lately })
	if len(e.Refusers) == 0 && e.RefusedBy != "" { // written before there were Refusers
		e.Refusers = []string{e.RefusedBy}
	}
	e.AcceptedBy = slices.AppendSeq(slices.Clone(e.AcceptedBy), maps.Keys(a.accepted))
	slices.Sort(e.AcceptedBy)
	e.AcceptedBy = slices.Compact(e.AcceptedBy)
	rand.Shuffle(len(e.AcceptedBy), func(i, j int) { e.AcceptedBy[i], e.AcceptedBy[j] = e.AcceptedBy[j], e.AcceptedBy[i] })
	a.last = state{e}
	return a.last
}

// noteBarred is the reason not to sign in, at one server or, with "", anywhere.
// It is repeated for a while.
func (a *account) noteBarred(s state, server string, now time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.barred, a.barredAt, a.barredFor = &smb.PausedError{Detail: s.why(server)}, now, server
	return a.barred
}

// note remembers the outcome of a sign-in that was admitted at a time. news
// says that the others should hear of it: a refusal, and the success that
// clears it up. A success that was admitted before the last refusal clears
// nothing up: the password may have changed between the two. What a
// contradicted outlet refuses beside others is no news, and no refusal.
func (a *account) note(o smb.Outcome, server string, alone bool, admitted, now time.Time) (news bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch o.Answer {
	case smb.AnswerAccepted:
		if !admitted.After(a.refusedAt) {
			return false
		}
		news, a.unsettled = a.unsettled, false
		a.good, a.barred, a.accepted[server] = now, nil, now
		if admitted.After(a.asideAt) {
			a.aside = nil
		}
	case smb.AnswerRefused, smb.AnswerLockedOut:
		if !alone && a.last.contradicted(server, now) {
			return false
		}
		news, a.unsettled = true, true
		a.refusedAt, a.good = now, time.Time{} // the next look asks the log
	case smb.AnswerNone, smb.AnswerUnclear:
	}
	return news
}

// owe remembers what the log could not take.
func (a *account) owe(o outcome) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.owed = append(a.owed, o)
}

// owes is the first of what the log could not take; paid is to be called when it
// has taken that.
func (a *account) owes() (o outcome, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.owed) == 0 {
		return o, false
	}
	return a.owed[0], true
}

func (a *account) paid() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.owed = a.owed[1:]
}

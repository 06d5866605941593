// Package system knows what concerns more than one outlet: probers that reach
// nobody, and domain accounts that are not used. It is a fold that the
// gateway's one reading of the log feeds.
package system

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"backupmonitor/events"
)

// Code names a kind of notice.
type Code string

// The kinds.
const (
	Offline           Code = "offline"            // a prober reaches no outlet
	CredentialTripped Code = "credential_tripped" // an account is not used
	CredentialDoubted Code = "credential_doubted" // an outlet refused an account
)

// believedFor is how long a prober that says it is offline is believed at most without
// saying it again, which it does each minute. Who has a prober's password can say it
// under any name, for any time.
const believedFor = 10 * time.Minute

// Notice is what everybody who looks at the lists ought to know.
type Notice struct {
	Code    Code      `json:"code"`
	Subject string    `json:"subject"` // the prober, or the account
	Since   time.Time `json:"since"`
	Message string    `json:"message"` // sentences for an operator
}

// State is the system at one moment.
type State struct {
	Probers     []events.ProberChanged     // those that are offline, by name
	Credentials []events.CredentialChanged // by account
	Notices     []Notice                   // the gravest first
}

// Tracker is the fold. Load and Apply belong to one goroutine; the rest may be
// called by any.
type Tracker struct {
	now func() time.Time

	mu          sync.Mutex
	probers     map[string]offline
	credentials map[string]events.CredentialChanged
}

// offline is what a prober said of itself, and until when it is believed, by
// the clock of the log.
type offline struct {
	events.ProberChanged
	until time.Time
}

// New returns an empty tracker.
func New(now func() time.Time) *Tracker {
	t := &Tracker{now: now}
	t.forget()
	return t
}

func (t *Tracker) forget() {
	t.probers, t.credentials = map[string]offline{}, map[string]events.CredentialChanged{}
}

// Load implements live.Fold: it reads the last states, and needs nothing that
// was before.
func (t *Tracker) Load(ctx context.Context, log *events.Log) (from uint64, err error) {
	t.mu.Lock()
	t.forget()
	t.mu.Unlock()
	for r, err := range log.Read(ctx, events.FeedOptions{LastPerSubject: true, Subjects: []string{events.AllProbers, events.AllCredentials}}) {
		if err != nil {
			return 0, err
		}
		if e, err := r.Decode(); err == nil {
			t.Apply(r, e)
		}
	}
	return ^uint64(0), nil
}

// Apply implements live.Fold.
func (t *Tracker) Apply(r events.Record, e events.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch d := e.Data.(type) {
	case events.ProberChanged:
		delete(t.probers, d.Prober)
		if !d.Online && d.ValidUntil != nil {
			t.probers[d.Prober] = offline{d, r.Stored.Add(min(d.ValidUntil.Sub(d.ChangedAt), believedFor))}
		}
	case events.CredentialChanged:
		t.credentials[events.Key(d.Account)] = d
	}
}

// prune forgets the probers that have not been heard of for so long that
// nobody believes them any more.
func (t *Tracker) prune() {
	now := t.now()
	for name, p := range t.probers {
		if !now.Before(p.until) {
			delete(t.probers, name)
		}
	}
}

// Offline tells whether some prober is offline.
func (t *Tracker) Offline() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.prune()
	return len(t.probers) > 0
}

// State is the system now.
func (t *Tracker) State() State {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.prune()
	s := State{Probers: []events.ProberChanged{}, Credentials: []events.CredentialChanged{}, Notices: []Notice{}}
	for _, p := range t.probers {
		s.Probers = append(s.Probers, p.ProberChanged)
		s.Notices = append(s.Notices, Notice{Code: Offline, Subject: p.Prober, Since: p.Since, Message: fmt.Sprintf(
			"The prober %s is offline: %s. Unless another prober works, the lists show what was seen before, and scans wait until outlets can be reached again; what is missing at their deadline ends as expired.",
			p.Prober, p.Detail)})
	}
	for _, c := range t.credentials {
		s.Credentials = append(s.Credentials, c)
		if n, ok := notice(c); ok {
			s.Notices = append(s.Notices, n)
		}
	}
	slices.SortFunc(s.Probers, func(a, b events.ProberChanged) int { return cmp.Compare(a.Prober, b.Prober) })
	slices.SortFunc(s.Credentials, func(a, b events.CredentialChanged) int {
		return cmp.Compare(events.Key(a.Account), events.Key(b.Account))
	})
	order := []Code{Offline, CredentialTripped, CredentialDoubted}
	slices.SortFunc(s.Notices, func(a, b Notice) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.Code), slices.Index(order, b.Code)), cmp.Compare(a.Subject, b.Subject))
	})
	return s
}

// notice is what is to be said of an account, if anything. While a refused
// account is being tried, what was said before still holds.
func notice(c events.CredentialChanged) (n Notice, ok bool) {
	n.Subject, n.Since = c.Account, c.ChangedAt
	if c.FailingSince != nil {
		n.Since = *c.FailingSince
	}
	switch {
	case c.Failures > 1 || c.State == events.CredentialTripped:
		n.Code = CredentialTripped
		n.Message = fmt.Sprintf(
			"The account %s is paused, so that it does not get locked: %s said %q. Outlets end as paused until it is let in again%s. When the password is right again in the domain, let it be tried at once: backup-monitor credentials retry; a new one in the settings needs a restart.",
			c.Account, c.RefusedBy, c.Detail, nextTry(c))
	case c.Failures > 0:
		n.Code = CredentialDoubted
		n.Message = fmt.Sprintf("%s refused the account %s (%q); the next outlet is asked alone.", c.RefusedBy, c.Account, c.Detail)
	default:
		return n, false
	}
	return n, true
}

func nextTry(c events.CredentialChanged) string {
	if c.RetryAt == nil || c.State == events.CredentialTrying {
		return ""
	}
	return "; the next try is due at " + c.RetryAt.UTC().Format("15:04 UTC")
}

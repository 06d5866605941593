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

// Notice is what everybody who looks at the lists ought to know.
type Notice struct {
	Code    Code      `json:"code"`
	Subject string    `json:"subject"` // the prober, or the account
	Since   time.Time `json:"since"`
	Message string    `json:"message"` // sentences for an operator
}

// State is the system at one moment.
type State struct {
	Probers     []events.ProberChanged     // those that ever had trouble and still live, by name
	Credentials []events.CredentialChanged // by account
	Notices     []Notice                   // the gravest first
}

// Tracker is the fold. Load and Apply belong to one goroutine; the rest may be
// called by any.
type Tracker struct {
	now func() time.Time

	mu          sync.Mutex
	probers     map[string]events.ProberChanged
	credentials map[string]events.CredentialChanged
	since       map[string]time.Time // when the account came into its state
}

// New returns an empty tracker.
func New(now func() time.Time) *Tracker {
	t := &Tracker{now: now}
	t.forget()
	return t
}

func (t *Tracker) forget() {
	t.probers, t.credentials, t.since = map[string]events.ProberChanged{}, map[string]events.CredentialChanged{}, map[string]time.Time{}
}

// Load implements live.Fold: it reads the last states, and needs nothing that
// was before.
func (t *Tracker) Load(ctx context.Context, log *events.Log) (from uint64, err error) {
	t.mu.Lock()
	t.forget()
	t.mu.Unlock()
	feed, err := log.Feed(ctx, events.FeedOptions{LastPerSubject: true, Subjects: []string{events.AllProbers, events.AllCredentials}})
	if err != nil {
		return 0, err
	}
	defer feed.Stop()
	for more := feed.Initial > 0; more; {
		r, err := feed.Next(ctx)
		if err != nil {
			return 0, err
		}
		more = r.Pending > 0
		if e, err := r.Decode(); err == nil {
			t.Apply(r, e)
		}
	}
	return ^uint64(0), nil
}

// Apply implements live.Fold.
func (t *Tracker) Apply(_ events.Record, e events.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch d := e.Data.(type) {
	case events.ProberChanged:
		t.probers[d.Prober] = d
		t.prune()
	case events.CredentialChanged:
		key := events.Key(d.Account)
		if t.credentials[key].State != d.State {
			t.since[key] = d.ChangedAt
		}
		t.credentials[key] = d
	}
}

// prune forgets the probers that are well, or have not been heard of for so
// long that nobody believes them any more.
func (t *Tracker) prune() {
	for name, p := range t.probers {
		if !believed(p, t.now()) {
			delete(t.probers, name)
		}
	}
}

// believed tells whether a prober counts as offline.
func believed(p events.ProberChanged, now time.Time) bool {
	return !p.Online && p.ValidUntil != nil && now.Before(*p.ValidUntil)
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
		s.Probers = append(s.Probers, p)
		s.Notices = append(s.Notices, Notice{Code: Offline, Subject: p.Prober, Since: p.Since, Message: fmt.Sprintf(
			"The monitor is offline: %s. What the lists show is what was seen before; scans under way wait until outlets can be reached again, or their deadline has passed.",
			p.Detail)})
	}
	for key, c := range t.credentials {
		s.Credentials = append(s.Credentials, c)
		if n, ok := notice(c); ok {
			n.Since = t.since[key]
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
	n.Subject = c.Account
	switch {
	case c.Failures > 1 || c.State == events.CredentialTripped:
		n.Code = CredentialTripped
		n.Message = fmt.Sprintf(
			"The account %s is paused, so that it does not get locked: %s said %q. Outlets end as paused until it is let in again%s. When the password is right, restart the prober or let it be tried at once.",
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

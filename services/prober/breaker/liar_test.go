package breaker_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/credential"
	"backupmonitor/services/internal/natstest"
	"backupmonitor/services/prober/breaker"
	"backupmonitor/services/prober/smb"
)

var locked = smb.Outcome{Answer: smb.AnswerLockedOut, NTStatus: "0xC0000234", Detail: "the account is locked out"}

const liar = "10.9.9.9"

// domain is what a fleet's outlets answer, to looks and to whoever asks them
// for the breaker, and how often each was signed in to.
type domain struct {
	answer        func(server string) smb.Outcome
	asked, looked atomic.Int64
	refused       atomic.Int64 // by who tells the truth
}

func (d *domain) open(t *testing.T, n *natstest.Server, name string, c *clock) *breaker.Breaker {
	t.Helper()
	return openFor(t, n, name, c, func(server string) smb.Outcome { d.asked.Add(1); return d.signIn(server) })
}

func (d *domain) signIn(server string) smb.Outcome {
	o := d.answer(server)
	if o.Answer != smb.AnswerAccepted && server != liar {
		d.refused.Add(1)
	}
	return o
}

func (d *domain) look(server string) smb.Outcome { d.looked.Add(1); return d.signIn(server) }

// lying has one outlet say that of an account which all others let in.
func lying(o smb.Outcome) *domain {
	return &domain{answer: func(server string) smb.Outcome {
		if server == liar {
			return o
		}
		return right
	}}
}

// TestLiarPausesNobody: one outlet that refuses an account, whatever it says of
// it, is signed in to at each look, and pauses nobody. Another one is asked
// once, and not again at each look.
func TestLiarPausesNobody(t *testing.T) {
	t.Parallel()
	for name, lie := range map[string]smb.Outcome{"locked out": locked, "wrong password": wrong} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, c, d := natstest.Start(t), &clock{}, lying(lie)
			f := &fleet{answer: d.look}
			one, two := d.open(t, n, "one", c), d.open(t, n, "two", c)
			f.all(t, 20, one, two)
			for scan := range 12 { // an hour's
				before := d.looked.Load()
				f.signIn(t.Context(), t, one, liar) // now before the others, now after them
				f.all(t, 20, one, two)
				f.signIn(t.Context(), t, two, liar)
				if got := d.looked.Load() - before; got != 22 || f.paused.Load() != 0 {
					t.Fatalf("scan %d: %d looks of 22 signed in, %d paused: %+v", scan, got, f.paused.Load(), stateOf(t, n))
				}
				c.advance(5 * time.Minute)
			}
			// One sign-in contradicts it. Then one is asked where a scan begins with it.
			if got := d.asked.Load(); got > 1+12 {
				t.Errorf("%d more sign-ins in an hour", got)
			}
			if s := stateOf(t, n); s.State != events.CredentialGood || !slices.Contains(s.Contradicted, liar) {
				t.Errorf("%+v", s)
			}
		})
	}
}

// TestLiarFirst: also the first look after a pause, and after a restart, may be
// at the one that lies.
func TestLiarFirst(t *testing.T) {
	t.Parallel()
	n, c, d := natstest.Start(t), &clock{}, lying(locked)
	f := &fleet{answer: d.look}
	b := d.open(t, n, "one", c)
	f.all(t, 20, b)
	for i := range 3 {
		c.advance(time.Hour)
		if i == 2 {
			b = d.open(t, n, "two", c)
		}
		f.signIn(t.Context(), t, b, liar)
		f.all(t, 20, b)
	}
	if f.paused.Load() != 0 || d.looked.Load() != 20+3*21 {
		t.Errorf("%d looks, %d paused: %+v", d.looked.Load(), f.paused.Load(), stateOf(t, n))
	}
}

// TestLiarAlone: looked at over and over, and nobody else, it costs others a
// sign-in every other minute at most.
func TestLiarAlone(t *testing.T) {
	t.Parallel()
	n, c, d := natstest.Start(t), &clock{}, lying(locked)
	f := &fleet{answer: d.look}
	b := d.open(t, n, "one", c)
	f.all(t, 20, b)
	for range 600 { // an hour's
		f.signIn(t.Context(), t, b, liar)
		c.advance(6 * time.Second)
	}
	if got := d.asked.Load(); got > 31 {
		t.Errorf("%d more sign-ins in an hour", got)
	}
	if got := d.looked.Load() - 20; got < 30 || got+f.paused.Load() != 600 {
		t.Errorf("%d looks signed in, %d paused", got, f.paused.Load())
	}
}

// TestReallyLocked: where all outlets say so, one more sign-in at one that let
// the account in shows it; where none has, none is needed.
func TestReallyLocked(t *testing.T) {
	t.Parallel()
	for _, accepted := range []bool{true, false} {
		n, c := natstest.Start(t), &clock{}
		d := &domain{answer: func(string) smb.Outcome { return right }}
		f := &fleet{answer: d.look}
		one, two := d.open(t, n, "one", c), d.open(t, n, "two", c)
		want := int64(1)
		if accepted {
			want = 2
			f.all(t, 100, one, two)
		}
		c.advance(10 * time.Minute)
		d.answer = func(string) smb.Outcome { return locked }
		f.all(t, 1000, one, two)
		c.advance(40 * time.Minute)
		f.all(t, 1000, one, two)
		if got := d.refused.Load(); got != want {
			t.Errorf("accepted before %t: %d sign-ins with a locked account, want %d", accepted, got, want)
		}
		if s := stateOf(t, n); s.State != events.CredentialTripped {
			t.Errorf("accepted before %t: %+v", accepted, s)
		}
		// Unlocked, it is found out after the pause.
		d.answer = func(string) smb.Outcome { return right }
		c.advance(10 * time.Minute)
		f.paused.Store(0)
		f.all(t, 100, one, two)
		if got := f.paused.Load(); got > 1 { // who refused last comes after all others
			t.Errorf("accepted before %t: %d looks paused of an account that is unlocked", accepted, got)
		}
	}
}

// TestWrongPasswordBesideBrokenOutlets: that many outlets refuse everybody, and
// are not believed, costs no more sign-ins when the password is really wrong.
func TestWrongPasswordBesideBrokenOutlets(t *testing.T) {
	t.Parallel()
	n, c := natstest.Start(t), &clock{}
	broken := func(server string) bool { return strings.HasSuffix(server, "0") || strings.HasSuffix(server, "5") }
	d := &domain{answer: func(server string) smb.Outcome {
		if broken(server) {
			return wrong
		}
		return right
	}}
	f := &fleet{answer: d.look}
	one, two := d.open(t, n, "one", c), d.open(t, n, "two", c)
	f.signIn(t.Context(), t, one, "10.0.0.1") // two broken ones, first of all, would pause it
	f.all(t, 100, one, two)
	if len(stateOf(t, n).Contradicted) == 0 {
		t.Fatal("nobody is contradicted")
	}
	c.advance(10 * time.Minute)
	d.answer = func(string) smb.Outcome { return wrong }
	d.refused.Store(0)
	for i := range 20 { // the broken ones first
		f.signIn(t.Context(), t, one, fmt.Sprint("10.0.0.", 5*i))
	}
	f.all(t, 100, one, two)
	if got := d.refused.Load(); got > 2 {
		t.Errorf("%d sign-ins with a wrong password, want 2", got)
	}
	if s := stateOf(t, n); s.State != events.CredentialTripped {
		t.Errorf("%+v", s)
	}
}

// TestPasswordChangesBesideBrokenOutlets: within the time that a success
// vouches for, those that are not believed are signed in to a few times at
// most.
func TestPasswordChangesBesideBrokenOutlets(t *testing.T) {
	t.Parallel()
	n, c := natstest.Start(t), &clock{}
	var changed atomic.Bool
	d := &domain{}
	d.answer = func(server string) smb.Outcome {
		if changed.Load() || strings.HasSuffix(server, "0") {
			return wrong
		}
		return right
	}
	f := &fleet{answer: d.look}
	b := d.open(t, n, "one", c)
	f.signIn(t.Context(), t, b, "10.0.0.1")
	f.all(t, 200, b)
	f.all(t, 200, b)
	changed.Store(true)
	d.refused.Store(0)
	for range 5 {
		for i := range 20 {
			f.signIn(t.Context(), t, b, fmt.Sprint("10.0.0.", 10*i))
		}
	}
	f.all(t, 200, b)
	if got := d.refused.Load(); got > 4+2 {
		t.Errorf("%d refusals", got)
	}
	if s := stateOf(t, n); s.State != events.CredentialTripped {
		t.Errorf("%+v", s)
	}
}

// TestOldStates: the state of a version that knew of no contradictions.
func TestOldStates(t *testing.T) {
	t.Parallel()
	n, c, d := natstest.Start(t), &clock{}, lying(locked)
	old := events.CredentialChanged{
		Account: account.String(), State: events.CredentialDoubted, Server: liar, Failures: 1, RefusedBy: liar,
		NTStatus: locked.NTStatus, Detail: locked.Detail, AcceptedBy: []string{liar, "10.0.0.1"},
	}
	if err := credential.Write(t.Context(), n.Log, credential.Entry{}, old, c.now()); err != nil {
		t.Fatal(err)
	}
	f := &fleet{answer: d.look}
	f.all(t, 20, d.open(t, n, "one", c))
	s := stateOf(t, n)
	if f.paused.Load() != 0 || s.State != events.CredentialGood || len(s.Contradicted) != 1 || s.Contradicted[0] != liar {
		t.Errorf("%d paused, %+v", f.paused.Load(), s)
	}
}

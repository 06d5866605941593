package smb_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/fleet"
	"backupmonitor/services/prober/smb"
)

// ledger is a breaker that notes what it is told.
type ledger struct {
	admit func(ctx context.Context) error

	mu       sync.Mutex
	asked    []string
	outcomes []smb.Outcome
}

func (l *ledger) Admit(ctx context.Context, c smb.Credential, server string) (func(smb.Outcome), error) {
	l.mu.Lock()
	l.asked = append(l.asked, c.String()+" at "+server)
	l.mu.Unlock()
	if l.admit != nil {
		if err := l.admit(ctx); err != nil {
			return nil, err
		}
	}
	return func(o smb.Outcome) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.outcomes = append(l.outcomes, o)
	}, nil
}

// inDomain is a target whose account is one of a domain.
func inDomain(address, password string) smb.Target {
	return bothModes(address, smb.NewCredential(`SHOPS\`+fleet.DefaultUser, password, ""))
}

// lookWith looks with options, for at most a time.
func lookWith(t *testing.T, within time.Duration, o smb.Options, target smb.Target, quiet func()) []smb.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	r := today(time.Now())
	r.Quiet = quiet
	return smb.Look(ctx, o, target, r)
}

// TestBreakerHears: one sign-in for both modes, and what came of it.
func TestBreakerHears(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		preset   fleet.Preset
		password string
		cause    events.Cause
		want     smb.Answer
		status   string
	}{
		{"the right password", fleet.Good, fleet.DefaultPassword, events.CauseOK, smb.AnswerAccepted, ""},
		{"a wrong one", fleet.Good, "wrong", events.CauseAuthFailed, smb.AnswerRefused, "0xC000006D"},
		{"a locked account", fleet.LockedOut, fleet.DefaultPassword, events.CauseAuthFailed, smb.AnswerLockedOut, "0xC0000234"},
		{"an expired one", fleet.ExpiredAccount, fleet.DefaultPassword, events.CauseAuthFailed, smb.AnswerRefused, "0xC0000071"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o, l := outlet(t, c.preset, nil), &ledger{}
			results := lookWith(t, patience, smb.Options{Breaker: l}, inDomain(o.Addr(), c.password), nil)
			for _, r := range results {
				if v := judge(r); v.Cause != c.cause || !r.Reached {
					t.Errorf("%s: %s (%s), reached %t", r.Mode, v.Cause, v.Detail, r.Reached)
				}
			}
			if len(l.asked) != 1 || !strings.HasPrefix(l.asked[0], `SHOPS\`) || !strings.HasSuffix(l.asked[0], o.Addr()) {
				t.Errorf("asked for %v", l.asked)
			}
			if len(l.outcomes) != 1 || l.outcomes[0].Answer != c.want || l.outcomes[0].NTStatus != c.status {
				t.Errorf("told %+v", l.outcomes)
			}
		})
	}
}

// TestBreakerBars: nothing of the sign-in leaves for the server.
func TestBreakerBars(t *testing.T) {
	t.Parallel()
	o := outlet(t, fleet.Good, nil)
	l := &ledger{admit: func(context.Context) error { return &smb.PausedError{Detail: "the account is paused"} }}
	for _, r := range lookWith(t, patience, smb.Options{Breaker: l}, inDomain(o.Addr(), "wrong"), nil) {
		if v := judge(r); v.Cause != events.CausePaused || v.Conclusive || !strings.Contains(v.Detail, "the account is paused") {
			t.Errorf("%s: %+v", r.Mode, v)
		}
		if r.Error.Step != smb.StepSignIn || !r.Clock.Known() {
			t.Errorf("%s: step %s, clock %+v", r.Mode, r.Error.Step, r.Clock)
		}
	}
	if s := o.Stats(); s.FailedSignIns != 0 || s.Sessions != 0 || len(l.outcomes) != 0 {
		t.Errorf("%+v, told %+v", s, l.outcomes)
	}
}

// TestBreakerWaits: a look whose turn comes late still sees everything; one
// whose turn never comes says so, and its turn is passed on.
func TestBreakerWaits(t *testing.T) {
	t.Parallel()
	o := outlet(t, fleet.Good, nil)
	options := smb.Options{IdleTimeout: 200 * time.Millisecond, QuietAfter: 20 * time.Millisecond}
	late := &ledger{admit: func(ctx context.Context) error {
		select {
		case <-time.After(time.Second): // longer than the connection may be idle otherwise
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	var quiet atomic.Bool
	options.Breaker = late
	for _, r := range lookWith(t, patience, options, inDomain(o.Addr(), fleet.DefaultPassword), func() { quiet.Store(true) }) {
		if v := judge(r); v.Cause != events.CauseOK {
			t.Errorf("%s: %s (%s)", r.Mode, v.Cause, v.Detail)
		}
	}
	if !quiet.Load() {
		t.Error("nobody was told that it waits")
	}
	options.Breaker = &ledger{admit: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
	for _, r := range lookWith(t, 300*time.Millisecond, options, inDomain(o.Addr(), fleet.DefaultPassword), nil) {
		if v := judge(r); v.Cause != events.CauseTimeout {
			t.Errorf("%s: %s (%s)", r.Mode, v.Cause, v.Detail)
		}
	}
}

// TestBreakerLeavesLocalAccountsAlone: they concern the outlet alone.
func TestBreakerLeavesLocalAccountsAlone(t *testing.T) {
	t.Parallel()
	o, l := outlet(t, fleet.Good, nil), &ledger{}
	lookWith(t, patience, smb.Options{Breaker: l}, bothModes(o.Addr(), account()), nil)
	if len(l.asked) != 0 {
		t.Errorf("asked for %v", l.asked)
	}
}

// TestReached: a refusal is an answer; silence on the line is none.
func TestReached(t *testing.T) {
	t.Parallel()
	refusing := outlet(t, fleet.NotListening, nil).Addr()
	silent := outlet(t, fleet.NeverAnswers, nil).Addr()
	for address, want := range map[string]bool{refusing: true, silent: true, "no-such-host.invalid": false, "a:b:c": false} {
		for _, r := range lookWith(t, 300*time.Millisecond, smb.Options{}, bothModes(address, account()), nil) {
			if r.Reached != want {
				t.Errorf("%s: reached %t (%+v)", address, r.Reached, r.Error)
			}
		}
		if got := smb.Reach(t.Context(), smb.Options{}, address); got != want {
			t.Errorf("%s: reach %t", address, got)
		}
	}
}

// TestReachIsHarmless: it asks for a connection and for nothing else.
func TestReachIsHarmless(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	if !smb.Reach(t.Context(), smb.Options{}, l.Addr().String()) {
		t.Fatal("not reached")
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// TestQuiet: a look tells when it has waited for a while, for a connection or
// for an answer, and not when all goes well.
func TestQuiet(t *testing.T) {
	t.Parallel()
	for preset, want := range map[fleet.Preset]bool{fleet.NeverAnswers: true, fleet.Good: false} {
		var quiet atomic.Int32
		o := smb.Options{QuietAfter: 100 * time.Millisecond}
		if !want {
			o.QuietAfter = 10 * time.Second
		}
		lookWith(t, time.Second, o, bothModes(outlet(t, preset, nil).Addr(), account()), func() { quiet.Add(1) })
		if got := quiet.Load() > 0; got != want {
			t.Errorf("%s: quiet %t", preset, got)
		}
	}
}

package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/natstest"
	"backupmonitor/services/prober/breaker"
	"backupmonitor/services/prober/smb"
)

var (
	silence = smb.Outcome{}
	unclear = smb.Outcome{Answer: smb.AnswerUnclear}
)

// TestSlowRefusals: outlets hold a refusal back for seconds. What an outlet that
// is asked does not say in time counts as one, and no third is asked.
func TestSlowRefusals(t *testing.T) {
	t.Parallel()
	n, c := natstest.Start(t), &clock{}
	var changed atomic.Bool
	var sent atomic.Int64
	f := &fleet{answer: func(string) smb.Outcome {
		if !changed.Load() {
			return right
		}
		sent.Add(1)
		return wrong
	}}
	b := openFor(t, n, "one", c, func(string) smb.Outcome { sent.Add(1); return unclear })
	f.all(t, 100, b)
	changed.Store(true)
	c.advance(10 * time.Minute)
	f.all(t, 100, b)
	if s := stateOf(t, n); sent.Load() != 2 || s.State != events.CredentialTripped {
		t.Errorf("%d sign-ins with a wrong password, want 2: %+v", sent.Load(), s)
	}
}

// TestRestartsThatMeetSilence: a restart whose try meets no answer does not make
// a pause shorter.
func TestRestartsThatMeetSilence(t *testing.T) {
	t.Parallel()
	n, c := natstest.Start(t), &clock{}
	refused := &fleet{answer: func(string) smb.Outcome { return wrong }}
	silent := &fleet{answer: func(string) smb.Outcome { return silence }}
	refused.all(t, 20, open(t, n, "first", c))
	for i := range 5 { // in 20 minutes
		b := open(t, n, fmt.Sprint("start", i), c)
		silent.signIn(t.Context(), t, b, fmt.Sprint("10.1.0.", i))
		c.advance(2 * time.Minute)
		refused.all(t, 20, b)
		c.advance(2 * time.Minute)
	}
	if got := refused.signIns.Load(); got > 2+2 {
		t.Errorf("%d sign-ins with a wrong password, want 4 at most", got)
	}
}

// TestKilledWhileItSignsIn: nobody tells what came of such a sign-in, which may
// have been counted. There are few, whatever the prober is called afterwards.
func TestKilledWhileItSignsIn(t *testing.T) {
	t.Parallel()
	for name, again := range map[string]func(int) string{
		"another name": func(i int) string { return fmt.Sprint("host:", i) },
		"the same":     func(int) string { return "container:1" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, c := natstest.Start(t), &clock{}
			signIns := 0
			for i := range 40 { // in 40 minutes
				if killed(t, open(t, n, again(i), c)) {
					signIns++
				}
				c.advance(time.Minute)
			}
			if signIns < 1 || signIns > 1+2 {
				t.Errorf("%d sign-ins, want 3 at most", signIns)
			}
			c.advance(10 * time.Minute)
			f := &fleet{answer: func(string) smb.Outcome { return right }}
			f.all(t, 20, open(t, n, "last", c))
			if s := stateOf(t, n); f.signIns.Load() != 20 || s.State != events.CredentialGood || s.RestartTries != 0 {
				t.Errorf("%d signed in after the pause: %+v", f.signIns.Load(), s)
			}
		})
	}
}

// killed is a look that is let in and never heard of again. It tells whether it
// was.
func killed(t *testing.T, b *breaker.Breaker) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	_, err := b.Admit(ctx, account, "10.0.0.1")
	if paused, ok := errors.AsType[*smb.PausedError](err); err != nil && (!ok || paused.Detail == "") {
		t.Errorf("%v", err)
	}
	return err == nil
}

// TestKilledHoldsOthersBack: whoever comes back under the name of a prober that
// was killed waits like everybody else.
func TestKilledHoldsOthersBack(t *testing.T) {
	t.Parallel()
	n, c := natstest.Start(t), &clock{}
	if !killed(t, open(t, n, "container:1", c)) {
		t.Fatal("not let in")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if _, err := open(t, n, "container:1", c).Admit(ctx, account, "10.0.0.2"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it did not wait: %v", err)
	}
}

// TestRestartWithOneOutlet: the only outlet that there is is asked again after a
// restart, but not after each.
func TestRestartWithOneOutlet(t *testing.T) {
	t.Parallel()
	n, c := natstest.Start(t), &clock{}
	f := &fleet{answer: func(string) smb.Outcome { return wrong }}
	for i := range 5 {
		f.all(t, 1, open(t, n, fmt.Sprint("start", i), c))
		c.advance(time.Minute)
	}
	if got := f.signIns.Load(); got != 1+2 {
		t.Errorf("%d sign-ins in five starts, want 3", got)
	}
	n = natstest.Start(t)
	f = &fleet{answer: func(string) smb.Outcome { return wrong }}
	f.all(t, 1, open(t, n, "one", c))
	c.advance(time.Minute)
	f.answer = func(string) smb.Outcome { return right }
	f.all(t, 1, open(t, n, "mended", c))
	if s := stateOf(t, n); f.paused.Load() != 0 || s.State != events.CredentialGood {
		t.Errorf("paused after a restart with the right password: %+v", s)
	}
}

// TestSilenceComesLate: a try that ends without an answer, when others have
// paused the account meanwhile, does not make the pause shorter.
func TestSilenceComesLate(t *testing.T) {
	t.Parallel()
	n, c := natstest.Start(t), &clock{}
	late, err := open(t, n, "one", c).Admit(t.Context(), account, "10.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	c.advance(time.Minute)
	f := &fleet{answer: func(string) smb.Outcome { return wrong }}
	f.all(t, 5, open(t, n, "two", c))
	before := stateOf(t, n)
	late(silence)
	if after := stateOf(t, n); after.State != events.CredentialTripped || !after.RetryAt.Equal(*before.RetryAt) {
		t.Errorf("%s until %v, then %s until %v", before.State, before.RetryAt, after.State, after.RetryAt)
	}
}

// TestRefusalThatCannotBeStored is not forgotten: it counts as soon as the log
// takes it.
func TestRefusalThatCannotBeStored(t *testing.T) {
	t.Parallel()
	n, c := natstest.Start(t), &clock{}
	b := open(t, n, "one", c)
	tell, err := b.Admit(t.Context(), account, "10.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	id, err := n.Log.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	room(t, n, int64(id.Bytes)) // none
	tell(wrong)
	room(t, n, natstest.MaxBytes)
	f := &fleet{answer: func(string) smb.Outcome { return wrong }}
	f.all(t, 20, b)
	if s := stateOf(t, n); f.signIns.Load() != 1 || s.State != events.CredentialTripped || s.Failures != 2 {
		t.Errorf("%d more sign-ins, want 1: %+v", f.signIns.Load(), s)
	}
}

// room sets the size of the log.
func room(t *testing.T, n *natstest.Server, size int64) {
	t.Helper()
	if err := events.Provision(t.Context(), n.JS, events.Limits{EventsMaxBytes: size, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
}

// TestLookThatIsNearlyOver: a look whose turn comes too late finds out nothing,
// rather than break a sign-in off, which would speak against the account.
func TestLookThatIsNearlyOver(t *testing.T) {
	t.Parallel()
	n, c := natstest.Start(t), &clock{}
	f := &fleet{answer: func(string) smb.Outcome { return right }}
	b := openFor(t, n, "one", c, func(string) smb.Outcome { t.Error("another outlet is asked"); return unclear })
	f.all(t, 20, b)
	c.advance(10 * time.Minute)
	tell, err := b.Admit(t.Context(), account, "10.9.9.9")
	if err != nil {
		t.Fatal(err)
	}
	const lasts = time.Second
	ctx, cancel := context.WithTimeout(t.Context(), lasts)
	defer cancel()
	waiting := make(chan error, 1)
	go func() { _, err := b.Admit(ctx, account, "10.0.0.1"); waiting <- err }()
	select {
	case err := <-waiting:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(lasts * 9 / 10): // too late also for a look that was slow to begin
	}
	tell(wrong)
	if err := <-waiting; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if s := stateOf(t, n); s.State != events.CredentialDoubted || s.Failures != 1 {
		t.Errorf("%+v", s)
	}
}

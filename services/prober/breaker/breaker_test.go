package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"backupmonitor/events"
	"backupmonitor/services/internal/credential"
	"backupmonitor/services/internal/natstest"
	"backupmonitor/services/prober/breaker"
	"backupmonitor/services/prober/smb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const limit = 60 * time.Second

var (
	account = smb.NewCredential(`SHOPS\svc-backup`, "secret", "")
	wrong   = smb.Outcome{Answer: smb.AnswerRefused, NTStatus: "0xC000006D", Detail: "wrong user name or password"}
	right   = smb.Outcome{Answer: smb.AnswerAccepted}
)

// clock is one that tests set.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.offset.Load())) }
func (c *clock) advance(d time.Duration) { c.offset.Add(int64(d)) }

func open(t *testing.T, n *natstest.Server, name string, c *clock) *breaker.Breaker {
	t.Helper()
	return openFor(t, n, name, c, func(string) smb.Outcome { return smb.Outcome{} })
}

// openFor is open with outlets that answer to sign-ins.
func openFor(t *testing.T, n *natstest.Server, name string, c *clock, answer func(server string) smb.Outcome) *breaker.Breaker {
	t.Helper()
	_, _, log := n.Client(t, events.ServiceProber)
	b := breaker.New(breaker.Config{
		Prober: name, Now: c.now,
		SignIn: func(_ context.Context, _ smb.Credential, server string) smb.Outcome { return answer(server) },
	}, log, slog.New(slog.DiscardHandler))
	if err := b.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

// fleet is what signing in to many outlets at once comes to.
type fleet struct {
	answer func(server string) smb.Outcome

	signIns, inside, most atomic.Int64
	paused                atomic.Int64
}

// signIn is one look's.
func (f *fleet) signIn(ctx context.Context, t *testing.T, b *breaker.Breaker, server string) {
	tell, err := b.Admit(ctx, account, server)
	if paused, ok := errors.AsType[*smb.PausedError](err); ok {
		if paused.Detail == "" {
			t.Error("paused without a reason")
		}
		f.paused.Add(1)
		return
	}
	if err != nil {
		t.Errorf("%s: %v", server, err)
		return
	}
	f.signIns.Add(1)
	for now, most := f.inside.Add(1), f.most.Load(); now > most && !f.most.CompareAndSwap(most, now); most = f.most.Load() {
	}
	o := f.answer(server)
	f.inside.Add(-1)
	tell(o)
}

// all has every outlet signed in to, by the breakers in turn.
func (f *fleet) all(t *testing.T, outlets int, breakers ...*breaker.Breaker) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	var looks sync.WaitGroup
	for i := range outlets {
		looks.Go(func() { f.signIn(ctx, t, breakers[i%len(breakers)], fmt.Sprint("10.0.0.", i)) })
	}
	looks.Wait()
}

func stateOf(t *testing.T, n *natstest.Server) events.CredentialChanged {
	t.Helper()
	r, err := n.Log.Last(t.Context(), events.CredentialSubject(account.String()))
	if err != nil {
		t.Fatal(err)
	}
	e, err := r.Decode()
	if err != nil {
		t.Fatal(err)
	}
	return e.Data.(events.CredentialChanged)
}

// TestWrongPassword: a thousand outlets, two probers, two sign-ins.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	c := &clock{}
	f := &fleet{answer: func(string) smb.Outcome { return wrong }}
	one, two := open(t, n, "one", c), open(t, n, "two", c)
	f.all(t, 1000, one, two)
	if got := f.signIns.Load(); got != 2 {
		t.Errorf("%d sign-ins with a wrong password, want 2", got)
	}
	if got := f.paused.Load(); got != 998 {
		t.Errorf("%d looks paused, want 998", got)
	}
	s := stateOf(t, n)
	if s.State != events.CredentialTripped || s.Failures != 2 || s.Detail != wrong.Detail || s.NTStatus != wrong.NTStatus || s.RetryAt == nil {
		t.Errorf("%+v", s)
	}

	// Nobody tries before the pause is over, then one at a time does.
	c.advance(40 * time.Minute)
	f.all(t, 100, one, two)
	if got := f.signIns.Load(); got != 2 {
		t.Errorf("%d sign-ins within the pause", got-2)
	}
	c.advance(10 * time.Minute)
	f.all(t, 100, one, two)
	if got := f.signIns.Load(); got != 3 {
		t.Errorf("%d sign-ins after the pause, want 1", got-2)
	}

	// Whoever has mended the password restarts the prober, or says so.
	if err := credential.Retry(t.Context(), n.Log, account.String(), "operator", c.now()); err != nil {
		t.Fatal(err)
	}
	c.advance(time.Minute) // beyond what the probers remember
	f.answer = func(string) smb.Outcome { return right }
	f.all(t, 100, one, two)
	if got := f.signIns.Load(); got != 103 {
		t.Errorf("%d sign-ins of 100 with the right password", got-3)
	}
	if s := stateOf(t, n); s.State != events.CredentialGood || s.Failures != 0 {
		t.Errorf("%+v", s)
	}
}

// TestRightPassword: one outlet is asked alone, then all at once, and nothing
// more is said about it in the log.
func TestRightPassword(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	c := &clock{}
	f := &fleet{}
	meet := make(chan struct{})
	var first atomic.Bool
	f.answer = func(string) smb.Outcome {
		if !first.Swap(true) {
			return right // alone: nobody else is there to be met
		}
		select {
		case meet <- struct{}{}:
		case <-meet:
		case <-time.After(limit):
			t.Error("the looks go one by one")
		}
		return right
	}
	f.all(t, 101, open(t, n, "one", c))
	if f.signIns.Load() != 101 || f.most.Load() < 2 || f.most.Load() > 8 {
		t.Errorf("%d sign-ins, at most %d at once", f.signIns.Load(), f.most.Load())
	}
	id, err := n.Log.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if id.LastSeq != 2 { // trying, good
		t.Errorf("%d events for one account", id.LastSeq)
	}
}

// TestRestartWithAWrongPassword: that the account was good a moment ago says
// nothing of the password that a prober is started with.
func TestRestartWithAWrongPassword(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	c := &clock{}
	f := &fleet{answer: func(string) smb.Outcome { return right }}
	f.all(t, 20, open(t, n, "before", c))
	f.signIns.Store(0)
	f.answer = func(string) smb.Outcome { return wrong }
	checks := atomic.Int64{}
	f.all(t, 200, openFor(t, n, "after", c, func(string) smb.Outcome { checks.Add(1); return wrong }))
	if got := f.signIns.Load() + checks.Load(); got != 2 {
		t.Errorf("%d sign-ins, want 2", got)
	}
	// Restarted with the right one, it goes on at once.
	f.answer = func(string) smb.Outcome { return right }
	f.signIns.Store(0)
	f.paused.Store(0)
	f.all(t, 20, openFor(t, n, "mended", c, func(string) smb.Outcome { return right }))
	if f.signIns.Load() != 20 || f.paused.Load() != 0 {
		t.Errorf("%d signed in, %d paused", f.signIns.Load(), f.paused.Load())
	}
}

// TestLastToRefuseComesLast: after a restart the outlet that refused last lets the
// others find out first, and is signed in at like them.
func TestLastToRefuseComesLast(t *testing.T) {
	t.Parallel()
	n, c := natstest.Start(t), &clock{}
	f := &fleet{answer: func(string) smb.Outcome { return wrong }}
	f.all(t, 20, open(t, n, "one", c))
	last := stateOf(t, n)
	if last.State != events.CredentialTripped || f.signIns.Load() != 2 {
		t.Fatalf("%d sign-ins, %+v", f.signIns.Load(), last)
	}
	again := &fleet{answer: func(string) smb.Outcome { return right }}
	b := open(t, n, "one", c)
	var looks sync.WaitGroup
	looks.Go(func() { again.signIn(t.Context(), t, b, last.RefusedBy) })
	looks.Go(func() { again.all(t, 20, b) })
	looks.Wait()
	if again.paused.Load() != 0 || again.signIns.Load() != 21 {
		t.Errorf("%d sign-ins, %d paused", again.signIns.Load(), again.paused.Load())
	}
}

// TestRestartsAreBounded: a prober that is restarted over and over with a wrong
// password does not lock the account.
func TestRestartsAreBounded(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	c := &clock{}
	f := &fleet{answer: func(string) smb.Outcome { return wrong }}
	for i := range 10 {
		f.all(t, 20, open(t, n, fmt.Sprint("start", i), c))
	}
	if got := f.signIns.Load(); got != 4 {
		t.Errorf("%d sign-ins in ten starts, want 4", got)
	}
}

// TestRetryCostsOne: each time that somebody asks for a try, one is made.
func TestRetryCostsOne(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	c := &clock{}
	f := &fleet{answer: func(string) smb.Outcome { return wrong }}
	b := open(t, n, "one", c)
	f.all(t, 20, b)
	for i := range 3 {
		if err := credential.Retry(t.Context(), n.Log, account.String(), "operator", c.now()); err != nil {
			t.Fatal(err)
		}
		c.advance(time.Minute)
		f.all(t, 20, b)
		if got := f.signIns.Load(); got != int64(3+i) {
			t.Errorf("%d sign-ins after %d retries", got, i+1)
		}
	}
}

// TestPasswordChangesInAScan: what is under way is refused, and nothing after.
func TestPasswordChangesInAScan(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	c := &clock{}
	var asked atomic.Int64
	answer := func(string) smb.Outcome {
		if asked.Add(1) > 50 {
			return wrong
		}
		return right
	}
	f := &fleet{answer: answer}
	f.all(t, 500, openFor(t, n, "one", c, answer))
	if refused := asked.Load() - 50; refused > 8+1 {
		t.Errorf("%d refusals", refused)
	}
	if s := stateOf(t, n); s.State != events.CredentialTripped {
		t.Errorf("%+v", s)
	}
}

// TestManyBrokenOutlets: outlets that refuse everybody, and come first, do not
// keep the others out once one of these was known.
func TestManyBrokenOutlets(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	c := &clock{}
	answer := func(server string) smb.Outcome {
		if strings.HasSuffix(server, "0") { // every tenth
			return wrong
		}
		return right
	}
	f := &fleet{answer: answer}
	b := openFor(t, n, "one", c, answer)
	f.signIn(t.Context(), t, b, "10.0.0.5")
	for scan := range 4 {
		c.advance(time.Hour)
		f.signIn(t.Context(), t, b, "10.0.0.10")
		f.signIn(t.Context(), t, b, "10.0.0.20")
		f.all(t, 100, b)
		if got := f.paused.Load(); got > int64(12*(scan+1)) {
			t.Errorf("scan %d: %d looks paused", scan, got)
		}
		if s := stateOf(t, n); s.State == events.CredentialTripped {
			t.Errorf("scan %d: %+v", scan, s)
		}
	}
}

// TestOneBrokenOutlet: an outlet that refuses everybody costs the others
// nothing but a wait.
func TestOneBrokenOutlet(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	c := &clock{}
	const broken = "10.0.0.7"
	f := &fleet{answer: func(server string) smb.Outcome {
		if server == broken {
			return wrong
		}
		return right
	}}
	b := open(t, n, "one", c)
	for scan := range 5 {
		f.all(t, 50, b)
		if got := f.paused.Load(); got != 0 {
			t.Errorf("scan %d: %d looks paused", scan, got)
		}
		if s := stateOf(t, n); s.State == events.CredentialTripped {
			t.Errorf("scan %d: %+v", scan, s)
		}
		c.advance(time.Hour)
	}
}

// TestBrokenOutletFirst: the very first sign-in is refused by the one broken
// outlet.
func TestBrokenOutletFirst(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	b := open(t, n, "one", &clock{})
	f := &fleet{answer: func(string) smb.Outcome { return wrong }}
	f.signIn(t.Context(), t, b, "broken")
	f.signIn(t.Context(), t, b, "broken") // not asked again
	if f.signIns.Load() != 1 || f.paused.Load() != 1 {
		t.Errorf("%d sign-ins, %d paused", f.signIns.Load(), f.paused.Load())
	}
	f.answer = func(string) smb.Outcome { return right }
	f.signIn(t.Context(), t, b, "good")
	f.signIn(t.Context(), t, b, "good too")
	if s := stateOf(t, n); s.State != events.CredentialGood || f.signIns.Load() != 3 {
		t.Errorf("%d sign-ins, %+v", f.signIns.Load(), s)
	}
}

// TestProberDiesAlone: a prober that dies while it tries the account out keeps
// the others waiting for less than a minute.
func TestProberDiesAlone(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	c := &clock{}
	if _, err := open(t, n, "dead", c).Admit(t.Context(), account, "10.0.0.1"); err != nil {
		t.Fatal(err)
	}
	waiting := make(chan error, 1)
	b := open(t, n, "one", c)
	go func() {
		tell, err := b.Admit(t.Context(), account, "10.0.0.2")
		if err == nil {
			tell(right)
		}
		waiting <- err
	}()
	select {
	case err := <-waiting:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(500 * time.Millisecond):
	}
	c.advance(time.Minute)
	select {
	case err := <-waiting:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(limit):
		t.Error("it waits for ever")
	}
}

// TestGivenUp: a look whose time is over stops waiting, and a try without an
// answer lets the next one try.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	b := open(t, n, "one", &clock{})
	tell, err := b.Admit(t.Context(), account, "silent")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() { _, err := b.Admit(ctx, account, "10.0.0.2"); gone <- err }()
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	tell(smb.Outcome{})
	f := &fleet{answer: func(string) smb.Outcome { return right }}
	f.signIn(t.Context(), t, b, "10.0.0.3")
	if s := stateOf(t, n); s.State != events.CredentialGood || s.Server != "10.0.0.3" {
		t.Errorf("%+v", s)
	}
}

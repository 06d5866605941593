package breaker

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"backupmonitor/events"
	"backupmonitor/services/internal/credential"
	"backupmonitor/services/prober/smb"
)

var (
	zero    = time.Date(2026, 3, 14, 2, 0, 0, 0, time.UTC)
	wrong   = smb.Outcome{Answer: smb.AnswerRefused, NTStatus: "0xC000006D", Detail: "wrong user name or password"}
	locked  = smb.Outcome{Answer: smb.AnswerLockedOut, NTStatus: "0xC0000234", Detail: "the account is locked out"}
	right   = smb.Outcome{Answer: smb.AnswerAccepted}
	nothing = smb.Outcome{}
)

// stored is a state as it comes back from the log.
func stored(c events.CredentialChanged, at time.Time) state {
	c.ChangedAt = at
	return state{credential.Entry{CredentialChanged: c, Seq: 1, Stored: at}}
}

func untriedState() state {
	return state{credential.Entry{CredentialChanged: events.CredentialChanged{Account: `SHOPS\svc`}}}
}

func TestOutcomesLeadTo(t *testing.T) {
	t.Parallel()
	untried := untriedState()
	once := stored(untried.after(wrong, "a", zero, true), zero)
	twice := stored(once.after(wrong, "b", zero, true), zero)
	good := stored(untried.after(right, "a", zero, true), zero)
	lone := stored(untried.after(right, "c", zero, true), zero)
	denied := stored(good.after(locked, "b", zero, false), zero)
	lied := stored(denied.after(right, "a", zero, true), zero)
	same := stored(untried.after(wrong, "c", zero, true), zero)
	used, asks := twice, stored(lied.claim("b", zero), zero)
	used.RestartTries = restartTries
	for _, c := range []struct {
		name    string
		from    state
		outcome smb.Outcome
		want    events.CredentialState
		fails   int
		retry   time.Duration // from zero on; -1: none
	}{
		{"a first success", untried, right, events.CredentialGood, 0, -1},
		{"one refusal is a doubt", untried, wrong, events.CredentialDoubted, 1, pauseFor},
		{"a second one trips", once, wrong, events.CredentialTripped, 2, pauseFor},
		{"a lock trips at once where nobody can be asked", untried, locked, events.CredentialTripped, 1, pauseFor},
		{"also where the same one let it in, and nobody else", lone, locked, events.CredentialTripped, 1, pauseFor},
		{"or all who did are contradicted", stored(lied.after(wrong, "a", zero, true), zero), locked, events.CredentialTripped, 2, pauseFor},
		{"it is a doubt where another one let it in", good, locked, events.CredentialDoubted, 1, pauseFor},
		{"which that one ends", denied, locked, events.CredentialTripped, 2, pauseFor},
		{"whatever it says", denied, wrong, events.CredentialTripped, 2, pauseFor},
		{"or clears up", denied, right, events.CredentialGood, 0, -1},
		{"the same outlet again is no second opinion", same, wrong, events.CredentialDoubted, 1, pauseFor},
		{"a success clears a doubt up", once, right, events.CredentialGood, 0, -1},
		{"and a trip", twice, right, events.CredentialGood, 0, -1},
		{"no answer says nothing", untried, nothing, events.CredentialTrying, 0, 0},
		{"nor does one that comes too late for the look itself", untried, smb.Outcome{Answer: smb.AnswerUnclear}, events.CredentialTrying, 0, 0},
		{"no answer clears no doubt up", once, nothing, events.CredentialDoubted, 1, pauseFor},
		{"nor a trip", twice, nothing, events.CredentialTripped, 2, unsureFor},
		{"nor one that restarts have had their tries in", used, nothing, events.CredentialTripped, 2, pauseFor},
		{"what is not said in time may be a second refusal", once, smb.Outcome{Answer: smb.AnswerUnclear}, events.CredentialTripped, 2, pauseFor},
		{"or the first, by one that is asked", asks, smb.Outcome{Answer: smb.AnswerUnclear}, events.CredentialDoubted, 1, pauseFor},
	} {
		got := c.from.after(c.outcome, "c", zero, true)
		retry := time.Duration(-1)
		if got.RetryAt != nil {
			retry = got.RetryAt.Sub(zero)
		}
		if got.State != c.want || got.Failures != c.fails || retry != c.retry {
			t.Errorf("%s: %s after %d refusals, next try after %v; want %s, %d, %v", c.name, got.State, got.Failures, retry, c.want, c.fails, c.retry)
		}
		if got.State == events.CredentialGood && (got.Detail != "" || got.NTStatus != "" || got.RefusedBy != "") {
			t.Errorf("%s: it still speaks of a refusal: %+v", c.name, got)
		}
	}
}

func TestDecisions(t *testing.T) {
	t.Parallel()
	untried := untriedState()
	good := stored(untried.after(right, "a", zero, true), zero)
	doubted := stored(untried.after(wrong, "a", zero, true), zero)
	known := stored(good.after(wrong, "b", zero, true), zero)
	tripped := stored(doubted.after(wrong, "b", zero, true), zero)
	restarted := stored(tripped.claim("c", zero), zero)
	restarted = stored(restarted.after(wrong, "c", zero, true), zero)
	again := stored(restarted.claim("c", zero), zero)
	again = stored(again.after(wrong, "c", zero, true), zero)
	claimed := stored(tripped.claim("c", zero), zero)
	claimed.Prober = "other"
	lied := stored(known.after(right, "a", zero, true), zero) // b did
	denied := stored(lied.after(wrong, "a", zero, false), zero)
	gone := stored(doubted.claim("a", zero), zero)
	soon, later := zero.Add(time.Second), zero.Add(pauseFor)
	const here, before = uint64(0), uint64(1) // started before, and after, the state was written
	killed := stored(good.claim("c", zero), zero)
	again1, again2 := zero.Add(claimFor), zero.Add(2*claimFor)
	often := stored(killed.claim("c", again1), again1)
	often = stored(often.claim("c", again2), again2)
	silent := stored(tripped.claim("c", soon), soon)
	silent = stored(silent.after(nothing, "c", soon, true), soon)
	for _, c := range []struct {
		name   string
		s      state
		server string
		now    time.Time
		since  uint64
		want   decision
	}{
		{"never used", untried, "a", soon, here, tryOut},
		{"somebody else's success", good, "b", soon, here, tryOut},
		{"refused by this outlet", doubted, "a", soon, here, barHere},
		{"refused by another one", doubted, "b", soon, here, tryOut},
		{"refused by this one, and another is known that let it in", known, "b", soon, here, tryOut},
		{"refused by this one, long ago", doubted, "a", later, here, tryOut},
		{"tripped", tripped, "c", soon, here, bar},
		{"tripped, and the pause is over", tripped, "c", later, here, tryOut},
		{"tripped by this one, and the pause is over", tripped, "b", later, here, barHere},
		{"and nobody was there for as long again", tripped, "b", later.Add(pauseFor), here, tryOut},
		{"whoever asked this one again is gone", gone, "a", later, here, barHere},
		{"for long", gone, "a", later.Add(pauseFor), here, tryOut},
		{"contradicted, while the account is good", lied, "b", soon, here, tryOut},
		{"contradicted, and nobody is left to be asked", denied, "b", soon, here, barHere},
		{"which keeps nobody else out", denied, "c", soon, here, tryOut},
		{"contradicted long ago", denied, "b", zero.Add(contradictedFor), here, tryOut},
		{"tripped, then restarted", tripped, "c", soon, before, tryOut},
		{"tripped by this one, then restarted", tripped, "b", soon, before, barHere},
		{"restarted in vain", restarted, "d", soon, before, tryOut},
		{"restarted in vain too often", again, "d", soon, before, bar},
		{"being tried", claimed, "d", soon, here, await},
		{"refused by this one, then restarted", doubted, "a", soon, before, tryOut},
		{"killed while it tried", killed, "d", zero.Add(claimFor), here, tryOut},
		{"killed while it tried, a third time", often, "d", again2.Add(claimFor), here, bar},
		{"and the pause is over", often, "d", again2.Add(pauseFor), here, tryOut},
		{"a restart's try met silence", silent, "d", zero.Add(2 * unsureFor), here, tryOut},
		{"whoever tried it is gone", claimed, "d", zero.Add(claimFor), here, tryOut},
	} {
		if got := c.s.decide(c.server, c.now, c.since); got != c.want {
			t.Errorf("%s: decision %d, want %d", c.name, got, c.want)
		}
	}
	if !strings.Contains(tripped.why(""), `SHOPS\svc`) || !strings.Contains(tripped.why(""), wrong.Detail) || !strings.Contains(tripped.why(""), "02:45 UTC") {
		t.Errorf("unclear to an operator: %s", tripped.why(""))
	}
	if tripped.FailingSince == nil || !tripped.FailingSince.Equal(zero) || good.FailingSince != nil {
		t.Errorf("failing since %v, good since %v", tripped.FailingSince, good.FailingSince)
	}
	if again.RestartTries != 2 || stored(again.claim("d", later), later).RestartTries != 0 ||
		often.RestartTries != 2 || often.claim("d", again2.Add(pauseFor)).RestartTries != 0 {
		t.Errorf("%d tries after restarts", again.RestartTries)
	}
}

// outlets is a fleet whose outlets answer by a password that is right or not;
// the first few refuse everybody.
type outlets struct {
	password bool
	silent   bool // now and then there is no answer, or none in time where one is asked
	mortal   bool // now and then the prober is restarted, or killed while it signs in
	broken   int
	hostile  int // the first few answer what they like
	refusal  smb.Outcome
	refusals []time.Time // that a domain would have counted
	since    uint64      // see decide
}

func (o *outlets) answer(t *rapid.T, server string, now time.Time) smb.Outcome {
	var n int
	if _, err := fmt.Sscanf(server, "s%d", &n); err != nil {
		t.Fatal(err)
	}
	switch {
	case n < o.hostile:
		return rapid.SampledFrom([]smb.Outcome{right, right, wrong, locked, nothing, {Answer: smb.AnswerUnclear}}).Draw(t, "whim")
	case o.silent && rapid.IntRange(0, 9).Draw(t, "luck") == 0:
		return nothing
	case o.password && n >= o.broken:
		return right
	}
	o.refusals = append(o.refusals, now)
	if o.refusal.Answer == smb.AnswerNone {
		return wrong
	}
	return o.refusal
}

// asked is answer to a sign-in that does not wait for long.
func (o *outlets) asked(t *rapid.T, server string, now time.Time) smb.Outcome {
	a := o.answer(t, server, now)
	if o.silent && a.Answer != smb.AnswerNone && rapid.IntRange(0, 4).Draw(t, "speed") == 0 {
		return smb.Outcome{Answer: smb.AnswerUnclear}
	}
	return a
}

// then is the state that follows another one in the log.
func (s state) then(c events.CredentialChanged, now time.Time) state {
	next := stored(c, now)
	next.Seq, next.Prober = s.Seq+1, "me"
	return next
}

// look is one look's way through the rules, as findOut goes it, and the sign-in
// beside others that may follow. It tells whether the look may sign in.
func (o *outlets) look(t *rapid.T, s state, server string, now time.Time) (state, bool) {
	if len(s.AcceptedBy) > 1 { // learn draws lots
		s.AcceptedBy = rapid.Permutation(s.AcceptedBy).Draw(t, "lots")
	}
	if o.mortal && rapid.IntRange(0, 4).Draw(t, "restart") == 0 {
		o.since = s.Seq
	}
	if s.decide(server, now, o.since) != tryOut {
		return s, false
	}
	ask, self := s.plan(server, now, o.since)
	s = s.then(s.claim(server, now), now)
	killed := o.mortal && rapid.IntRange(0, 4).Draw(t, "fate") == 0
	for _, known := range ask {
		a := o.asked(t, known, now)
		if a.Answer == smb.AnswerNone {
			continue
		}
		if killed {
			return s, false
		}
		s = s.then(s.after(a, known, now, true), now)
		if a.Answer != smb.AnswerAccepted {
			return s, false
		}
		beside := outcome{o.answer(t, server, now), server, false}
		if beside.Answer != smb.AnswerAccepted && !s.aside(beside, now, "me") {
			s = s.then(s.after(beside.Outcome, server, now, false), now)
		}
		return s, true
	}
	if !self {
		return s.then(s.after(nothing, server, now, true), now), false
	}
	a := o.answer(t, server, now)
	if killed {
		return s, false
	}
	return s.then(s.after(a, server, now, true), now), a.Answer == smb.AnswerAccepted
}

// TestNeverLocks: whatever happens, and whoever is not believed any more, a
// wrong password is tried at most twice in each pause, and so is a locked
// account; where probers are restarted or killed all the time, four times.
func TestNeverLocks(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		most := 2
		o := &outlets{silent: true, mortal: rapid.Bool().Draw(t, "restarts"), refusal: rapid.SampledFrom([]smb.Outcome{wrong, locked}).Draw(t, "refusal")}
		if o.mortal {
			most += restartTries
		}
		s, now := untriedState(), zero
		if rapid.Bool().Draw(t, "it was right once") {
			s = stored(s.after(right, "s7", now, true), now)
		}
		for i := range rapid.IntRange(0, 5).Draw(t, "contradicted outlets") {
			s = stored(s.after(wrong, fmt.Sprint("s", i), now, false), now)
			s = stored(s.after(right, fmt.Sprint("s", 7+i%3), now, true), now)
		}
		for range rapid.IntRange(1, 200).Draw(t, "looks") {
			now = now.Add(time.Duration(rapid.IntRange(0, 600).Draw(t, "seconds")) * time.Second)
			s, _ = o.look(t, s, fmt.Sprint("s", rapid.IntRange(0, 9).Draw(t, "server")), now)
		}
		for i := most; i < len(o.refusals); i++ {
			if gap := o.refusals[i].Sub(o.refusals[i-most]); gap < pauseFor {
				t.Fatalf("%d refusals in %v", most+1, gap)
			}
		}
	})
}

// TestLiars: outlets that act together and answer what they like, when looked
// at and when asked, pause the account of all others once less in a week than
// they are; so one of them never does. Between two pauses everybody else gets
// in.
func TestLiars(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const all = 11
		o := &outlets{password: true, hostile: rapid.IntRange(1, 5).Draw(t, "hostile outlets")}
		now := zero
		s := untriedState()
		for i := range all {
			s = stored(s.after(right, fmt.Sprint("s", i), now, true), now)
		}
		pauses := 0
		for range rapid.IntRange(1, 200).Draw(t, "looks") {
			now = now.Add(time.Duration(rapid.IntRange(0, 45).Draw(t, "minutes")) * time.Minute)
			paused := s.State == events.CredentialTripped && !s.due(now)
			server := rapid.IntRange(0, all-1).Draw(t, "server")
			next, in := o.look(t, s, fmt.Sprint("s", server), now)
			if next.State == events.CredentialTripped && !paused {
				pauses++
			}
			if server >= o.hostile && !in && !paused && next.State != events.CredentialTripped {
				t.Fatalf("an honest outlet is not looked at: %+v", next)
			}
			s = next
		}
		if pauses >= o.hostile { // all in less than a week
			t.Fatalf("%d pauses by %d hostile outlets", pauses, o.hostile)
		}
	})
}

// TestNeverStarves: once an outlet has let the account in, outlets that refuse
// everybody, however many, keep none of the others out.
func TestNeverStarves(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o := &outlets{password: true, broken: rapid.IntRange(1, 8).Draw(t, "broken outlets")}
		now := zero
		s := stored(untriedState().after(right, "s9", now, true), now)
		for range rapid.IntRange(1, 100).Draw(t, "looks") {
			now = now.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "seconds")) * time.Second)
			server := rapid.IntRange(0, 9).Draw(t, "server")
			var in bool
			if s, in = o.look(t, s, fmt.Sprint("s", server), now); !in && server >= o.broken {
				t.Fatalf("a right password does not get in: %+v", s)
			}
		}
	})
}

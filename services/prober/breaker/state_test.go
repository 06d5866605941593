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
	once := stored(untried.after(wrong, "a", zero), zero)
	twice := stored(once.after(wrong, "b", zero), zero)
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
		{"a lock trips at once", untried, locked, events.CredentialTripped, 1, pauseFor},
		{"a success clears a doubt up", once, right, events.CredentialGood, 0, -1},
		{"and a trip", twice, right, events.CredentialGood, 0, -1},
		{"no answer says nothing", untried, nothing, events.CredentialTrying, 0, 0},
		{"and clears no doubt up", once, nothing, events.CredentialDoubted, 1, pauseFor},
		{"nor a trip", twice, nothing, events.CredentialTripped, 2, unsureFor},
	} {
		got := c.from.after(c.outcome, "c", zero)
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
	good := stored(untried.after(right, "a", zero), zero)
	doubted := stored(untried.after(wrong, "a", zero), zero)
	tripped := stored(doubted.after(wrong, "b", zero), zero)
	hopeless := stored(tripped.after(wrong, "b", zero), zero)
	claimed := stored(tripped.claim("c", zero), zero)
	before, soon, later := zero.Add(-time.Hour), zero.Add(time.Second), zero.Add(pauseFor)
	for _, c := range []struct {
		name         string
		s            state
		server       string
		now, started time.Time
		want         decision
	}{
		{"never used", untried, "a", soon, before, tryOut},
		{"just used", good, "b", soon, before, goOn},
		{"used a while ago", good, "b", zero.Add(fresh), before, tryOut},
		{"refused by this outlet", doubted, "a", soon, before, barred},
		{"refused by another one", doubted, "b", soon, before, tryOut},
		{"refused by this one, long ago", doubted, "a", later, before, tryOut},
		{"tripped", tripped, "c", soon, before, barred},
		{"tripped, and the pause is over", tripped, "c", later, before, tryOut},
		{"tripped, then restarted", tripped, "c", soon, soon, tryOut},
		{"restarted in vain", hopeless, "c", soon, soon, barred},
		{"being tried", claimed, "d", soon, before, await},
		{"whoever tried it is gone", claimed, "d", zero.Add(claimFor), before, tryOut},
	} {
		if got := c.s.decide(c.server, c.now, c.started); got != c.want {
			t.Errorf("%s: decision %d, want %d", c.name, got, c.want)
		}
	}
	if !strings.Contains(tripped.why(), `SHOPS\svc`) || !strings.Contains(tripped.why(), wrong.Detail) || !strings.Contains(tripped.why(), "02:45 UTC") {
		t.Errorf("unclear to an operator: %s", tripped.why())
	}
}

// TestNeverLocksNorStarves: whatever the outlets do, a wrong password is tried
// at most twice in each pause, and a single outlet that refuses everybody does
// not keep the others from signing in.
func TestNeverLocksNorStarves(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		password := rapid.Bool().Draw(t, "password is right")
		s := untriedState()
		now := zero
		var refusals []time.Time
		for range rapid.IntRange(1, 200).Draw(t, "looks") {
			now = now.Add(time.Duration(rapid.IntRange(0, 600).Draw(t, "seconds")) * time.Second)
			server := fmt.Sprint("s", rapid.IntRange(0, 5).Draw(t, "server"))
			o := nothing
			switch broken := server == "s0"; {
			case rapid.IntRange(0, 9).Draw(t, "luck") == 0:
			case password && !broken:
				o = right
			default:
				o = wrong
			}
			switch s.decide(server, now, zero) {
			case barred, await:
				if password && server != "s0" && s.State == events.CredentialTripped {
					t.Fatalf("one broken outlet keeps %s out: %+v", server, s)
				}
				continue
			case tryOut:
				s = stored(s.claim(server, now), now)
			case goOn:
			}
			if o.Answer == smb.AnswerRefused {
				refusals = append(refusals, now)
			}
			s = stored(s.after(o, server, now), now)
		}
		if password {
			return
		}
		for i := 2; i < len(refusals); i++ {
			if gap := refusals[i].Sub(refusals[i-2]); gap < pauseFor {
				t.Fatalf("three wrong passwords in %v", gap)
			}
		}
	})
}

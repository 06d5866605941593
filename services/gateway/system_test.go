package gateway_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/gateway"
)

type systemJSON struct {
	Online  bool
	Notices []struct {
		Code, Subject, Message string
		Since                  time.Time
	}
	Probers     []events.ProberChanged
	Credentials []events.CredentialChanged
}

func (s systemJSON) codes() string {
	var codes []string
	for _, n := range s.Notices {
		codes = append(codes, n.Code+" "+n.Subject)
	}
	return strings.Join(codes, ", ")
}

// TestSystemState: what concerns every outlet is said, from its first event to
// its last.
func TestSystemState(t *testing.T) {
	t.Parallel()
	e := start(t)
	at := call{path: "/system/state", token: e.support}
	if s := get[systemJSON](t, e, http.StatusOK, at); !s.Online || len(s.Notices)+len(s.Probers)+len(s.Credentials) != 0 {
		t.Errorf("nothing has happened, and it says %+v", s)
	}
	now := time.Now().UTC()
	soon, past := now.Add(time.Minute), now.Add(-time.Minute)
	const account = `SHOPS\svc`
	for _, step := range []struct {
		event  events.Payload
		online bool
		want   string
	}{
		{events.ProberChanged{Prober: "p1", Since: past, ValidUntil: &soon, Tried: 40, Detail: "none of 40 outlets can be reached", ChangedAt: now}, false, "offline p1"},
		{events.ProberChanged{Prober: "p0", Since: past, ValidUntil: &past, ChangedAt: past}, false, "offline p1"}, // long dead
		{events.CredentialChanged{Account: account, State: events.CredentialDoubted, Failures: 1, RefusedBy: "10.0.0.1", Detail: "wrong user name or password", ChangedAt: now}, false, "offline p1, credential_doubted " + account},
		{events.CredentialChanged{Account: account, State: events.CredentialTripped, Failures: 2, RefusedBy: "10.0.0.2", Detail: "wrong user name or password", RetryAt: &soon, ChangedAt: now}, false, "offline p1, credential_tripped " + account},
		{events.ProberChanged{Prober: "p1", Online: true, Since: now, ChangedAt: now}, true, "credential_tripped " + account},
		{events.CredentialChanged{Account: account, State: events.CredentialTrying, Failures: 2, RefusedBy: "10.0.0.2", Detail: "wrong user name or password", RetryAt: &soon, ChangedAt: now}, true, "credential_tripped " + account},
		{events.CredentialChanged{Account: account, State: events.CredentialGood, ChangedAt: now}, true, ""},
	} {
		e.append(t, step.event)
		var s systemJSON
		eventually(t, step.want, func() bool {
			s = get[systemJSON](t, e, http.StatusOK, at)
			return s.codes() == step.want && s.Online == step.online
		})
		for _, n := range s.Notices {
			if n.Message == "" || n.Since.IsZero() {
				t.Errorf("%+v", n)
			}
		}
	}
	if s := get[systemJSON](t, e, http.StatusOK, at); len(s.Credentials) != 1 || s.Credentials[0].State != events.CredentialGood {
		t.Errorf("%+v", s)
	}
}

// TestRetryCredential: an Admin lets a paused account be tried at once.
func TestRetryCredential(t *testing.T) {
	t.Parallel()
	e := start(t)
	retry := func(token, body string) call {
		return call{method: http.MethodPost, path: "/system/credentials/retry", token: token, body: body}
	}
	get[failure](t, e, http.StatusNotFound, retry(e.admin, `{"account":"SHOPS\\nobody"}`))
	get[failure](t, e, http.StatusBadRequest, retry(e.admin, `{}`))
	later := time.Now().Add(time.Hour).UTC()
	e.append(t, events.CredentialChanged{Account: `SHOPS\svc`, State: events.CredentialTripped, Failures: 2, RetryAt: &later, ChangedAt: time.Now()})
	get[failure](t, e, http.StatusForbidden, retry(e.support, `{"account":"SHOPS\\svc"}`))
	get[struct{ Message string }](t, e, http.StatusAccepted, retry(e.admin, `{"account":"shops\\SVC"}`))
	r, err := e.nats.Log.Last(t.Context(), events.CredentialSubject(`SHOPS\svc`))
	if err != nil {
		t.Fatal(err)
	}
	ev, err := r.Decode()
	if err != nil {
		t.Fatal(err)
	}
	if c := ev.Data.(events.CredentialChanged); c.State != events.CredentialTrying || c.Failures != 1 || c.ChangedBy != "admin" || c.RetryAt.After(time.Now()) {
		t.Errorf("%+v", c)
	}
}

// TestScansEnd: how long a scan can last at most is told, and does not move
// while nothing begins.
func TestScansEnd(t *testing.T) {
	t.Parallel()
	e := start(t, func(s *setup) {
		s.cfg.Probing = gateway.Probing{Concurrency: 2, Attempts: 3, Timeout: time.Minute, RetryDelay: 10 * time.Second}
		s.cfg.ScanDeadline = time.Hour
	})
	get[asked](t, e, http.StatusAccepted, call{method: http.MethodPost, path: "/scans", token: e.admin})
	req, position := e.requested(t, 0)
	endsIn := func() time.Duration {
		list := get[struct{ Data []struct{ EndsBy *time.Time } }](t, e, http.StatusOK, call{path: "/scans", token: e.support})
		if len(list.Data) != 1 {
			return -2
		}
		if list.Data[0].EndsBy == nil {
			return -1
		}
		return time.Until(*list.Data[0].EndsBy).Round(20 * time.Second)
	}
	is := func(what string, want time.Duration) {
		t.Helper()
		eventually(t, what, func() bool { return endsIn() == want })
	}
	is("nobody knows yet how many outlets it has", time.Hour+time.Minute)
	e.append(t, started(req, position, "S1", "S2", "S3"))
	is("three outlets are two rounds of three attempts", 6*time.Minute+20*time.Second)
	e.append(t, look(req, position, "S1", events.DDrive, events.CauseOK))
	e.append(t, look(req, position, "S1", events.IBStorage, events.CauseOK))
	is("what was seen does not move it", 6*time.Minute+20*time.Second)
	soon := time.Now().Add(time.Minute).UTC()
	e.append(t, events.ProberChanged{Prober: "p1", Since: time.Now(), ValidUntil: &soon, ChangedAt: time.Now()})
	is("offline, only the deadline is certain", time.Hour+time.Minute)
	e.append(t, events.ProberChanged{Prober: "p1", Online: true, ChangedAt: time.Now()})
	for _, outlet := range []string{"S2", "S3"} {
		for _, m := range events.Modes() {
			e.append(t, look(req, position, outlet, m, events.CauseOK))
		}
	}
	e.append(t, events.ScanCompleted{ScanID: req.ScanID, ScanDate: req.ScanDate, Modes: req.Modes, Counts: map[events.Mode]events.ModeCount{}, CompletedAt: time.Now()})
	is("it has ended", -1)
}

package credential_test

import (
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"backupmonitor/events"
	"backupmonitor/services/internal/credential"
	"backupmonitor/services/internal/natstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRetry(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	const account = `SHOPS\svc`
	if err := credential.Retry(t.Context(), n.Log, account, "operator", time.Now()); !errors.Is(err, events.ErrNotFound) {
		t.Errorf("an account that nobody used: %v", err)
	}
	until := time.Now().Add(time.Hour).UTC()
	first := events.CredentialChanged{Account: account, State: events.CredentialTripped, Failures: 2, RetryAt: &until, RefusedBy: "10.0.0.1", Refusers: []string{"10.0.0.1", "10.0.0.2"}}
	if err := credential.Write(t.Context(), n.Log, credential.Entry{}, first, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := credential.Write(t.Context(), n.Log, credential.Entry{}, first, time.Now().Add(time.Second)); !errors.Is(err, events.ErrConflict) {
		t.Errorf("a state that ignores the one before: %v", err)
	}
	if err := credential.Retry(t.Context(), n.Log, `shops\SVC`, "operator", time.Now()); err != nil {
		t.Fatal(err)
	}
	s, err := credential.Read(t.Context(), n.Log, account)
	if err != nil || s.State != events.CredentialTrying || s.Failures != 1 || s.RetryAt.After(time.Now()) || s.ChangedBy != "operator" ||
		s.RefusedBy != "" || s.Refusers != nil {
		t.Errorf("%+v, %v", s, err)
	}
	if s.Account != account {
		t.Errorf("its name has become %s", s.Account)
	}
}

func TestAll(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	for _, a := range []string{`shops\b`, `SHOPS\A`} {
		if err := credential.Write(t.Context(), n.Log, credential.Entry{}, events.CredentialChanged{Account: a, State: events.CredentialGood}, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	all, err := credential.All(t.Context(), n.Log)
	if err != nil || len(all) != 2 || all[0].Account != `SHOPS\A` || all[1].Account != `shops\b` {
		t.Errorf("%+v, %v", all, err)
	}
}

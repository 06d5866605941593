package breaker

import (
	"fmt"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/credential"
	"backupmonitor/services/prober/smb"
)

// TestLots: who is asked is any of those that let the account in lately, here
// or elsewhere, the newest no likelier than the others; nobody who did long ago.
func TestLots(t *testing.T) {
	t.Parallel()
	a := newAccount(smb.NewCredential(`SHOPS\svc`, "secret", ""))
	note := func(server string, at time.Time) { a.note(right, server, false, at, at) }
	note("long ago", zero)
	now := zero.Add(lately + time.Minute)
	for i := range 15 {
		note(fmt.Sprint("here", i), now.Add(-time.Duration(i)*time.Second))
	}
	e := credential.Entry{CredentialChanged: events.CredentialChanged{Failures: 1, AcceptedBy: []string{"here3", "elsewhere"}}}
	const draws = 4000
	first := map[string]int{}
	for range draws {
		s := a.learn(e, now)
		ask, _ := s.plan("b", now, 0)
		if len(s.AcceptedBy) != 16 || len(ask) != mostAsked {
			t.Fatalf("%d may be asked, %d are", len(s.AcceptedBy), len(ask))
		}
		first[ask[0]]++
	}
	for server, n := range first {
		if n < draws/16/2 || n > draws/16*2 {
			t.Errorf("%s is asked first %d times of %d", server, n, draws)
		}
	}
	if len(first) != 16 || first["long ago"] != 0 || first["elsewhere"] == 0 {
		t.Errorf("asked first: %v", first)
	}
}

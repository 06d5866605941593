package whatif_test

import (
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"backupmonitor/events"
	"backupmonitor/services/internal/logfile"
	"backupmonitor/services/internal/natstest"
	"backupmonitor/services/internal/verdict"
	"backupmonitor/services/internal/whatif"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// look is one at an outlet whose newest backup has an age and a size.
func look(scan, outlet string, date events.Date, age time.Duration, bytes int64, policy events.Policy) events.BackupObserved {
	noon, err := time.Parse(time.DateOnly, string(date))
	if err != nil {
		panic(err)
	}
	at := noon.Add(12 * time.Hour)
	l := events.BackupObserved{
		Outlet: outlet, Server: "10.0.0.1", Mode: events.DDrive, ScanID: scan, ScanDate: date, StartedAt: at, Today: true, Cutoff: at,
		Drives: []events.Drive{{Letter: "D", Share: "d$", FileCount: 1, Files: []events.File{{Name: "a.bak", Bytes: bytes, Modified: at.Add(-age)}}}},
	}
	l.Verdict = verdict.Judge(l, policy)
	return l
}

func inForce() events.Policy {
	return events.Policy{MaxAgeSeconds: 26 * 3600, MinSizeBytes: 1024, Patterns: []string{"*.bak"}}
}

func store(t *testing.T, n *natstest.Server, all ...events.Payload) {
	t.Helper()
	for _, p := range all {
		if _, _, err := n.Log.Append(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
}

// TestStricterPolicy: what was fresh enough is not any more, outlets with an
// age of their own keep it, and other days are left out.
func TestStricterPolicy(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	own, generous := int64(72*3600), inForce()
	generous.MaxAgeSeconds = own
	today := events.DateOf(time.Now(), time.UTC)
	before := events.DateOf(time.Now().AddDate(0, 0, -1), time.UTC)
	store(t, n,
		events.OutletChanged{Code: "OWN", Active: true, MaxAgeSeconds: &own, Source: events.SourceUser},
		look("s0", "A", before, 25*time.Hour, 1<<20, inForce()),
		look("s1", "A", today, 25*time.Hour, 1<<20, inForce()),
		look("s1", "B", today, 2*time.Hour, 1<<20, inForce()),
		look("s1", "OWN", today, 25*time.Hour, 1<<20, generous),
		look("s1", "C", today, 25*time.Hour, 1<<20, inForce()),
		look("s2", "C", today, time.Hour, 2000, inForce()), // a later look saw a newer, smaller one
		events.HistoryImported{Outlet: "D", Mode: events.DDrive, ScanDate: today, Status: events.Failed},
	)
	identity, err := n.Log.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for want, policy := range map[string]verdict.Change{
		"5 looks, 5 rows, 1 changed: A ok>stale":                                                       {MaxAge: new(24 * time.Hour)},
		"5 looks, 5 rows, 2 changed: A ok>stale, C ok>too_small":                                       {MaxAge: new(24 * time.Hour), MinSize: new(int64(1 << 20))},
		"5 looks, 5 rows, 0 changed: ":                                                                 {MaxAge: new(26 * time.Hour)},
		"5 looks, 5 rows, 1 changed: C ok>too_small":                                                   {MaxAge: new(time.Duration(0)), MinSize: new(int64(2001))},
		"5 looks, 5 rows, 4 changed: A ok>no_backup, B ok>no_backup, C ok>no_backup, OWN ok>no_backup": {Patterns: []string{"*.full"}},
	} {
		var read uint64
		r, err := whatif.Log(t.Context(), logfile.Whole{Log: n.Log}, whatif.Options{Change: policy, From: today, Progress: func(n, _ uint64) { read = n }})
		if err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprintf("%d looks, %d rows, %d changed: ", r.Looks, r.Days, r.Changed)
		for i, c := range r.Changes {
			if i > 0 {
				got += ", "
			}
			got += fmt.Sprintf("%s %s>%s", c.Outlet, c.Before.Cause, c.After.Cause)
		}
		if got != want {
			t.Errorf("%+v: %s, want %s", policy, got, want)
		}
		if read == 0 {
			t.Errorf("%+v: no progress", policy)
		}
		total := 0
		for _, g := range r.Groups {
			total += g.Count
		}
		if total != r.Changed {
			t.Errorf("%+v: the groups have %d of %d changes", policy, total, r.Changed)
		}
	}
	if after, err := n.Log.Identity(t.Context()); err != nil || after.LastSeq != identity.LastSeq {
		t.Errorf("something was written: %d, then %d (%v)", identity.LastSeq, after.LastSeq, err)
	}
}

// TestSamePolicy: judged by what they were judged by, looks of every kind say
// the same again.
func TestSamePolicy(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	today := events.DateOf(time.Now(), time.UTC)
	unseen := verdict.Unseen(events.ProbeCommand{ScanID: "s9", Outlet: "E", ScanDate: today, Policy: inForce()}, events.DDrive, time.Now(), time.UTC,
		events.LookError{Code: events.CausePaused, Detail: "the account is paused"})
	store(t, n, look("s1", "A", today, time.Hour, 1<<20, inForce()), look("s1", "B", today, 40*time.Hour, 1<<20, inForce()),
		look("s1", "C", today, time.Hour, 5, inForce()), unseen)
	size := int64(1024)
	r, err := whatif.Log(t.Context(), logfile.Whole{Log: n.Log}, whatif.Options{Change: verdict.Change{MinSize: &size}})
	if err != nil || r.Changed != 0 || r.Looks != 4 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestEmptyLog(t *testing.T) {
	t.Parallel()
	r, err := whatif.Log(t.Context(), logfile.Whole{Log: natstest.Start(t).Log}, whatif.Options{})
	if err != nil || r.Days != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

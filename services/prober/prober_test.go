package prober_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/fleet"
	"backupmonitor/services/internal/natstest"
	"backupmonitor/services/internal/verdict"
	"backupmonitor/services/prober/smb"
)

// outlets runs simulated outlets until the test ends.
func outlets(t *testing.T, presets ...fleet.Preset) []*fleet.Outlet {
	t.Helper()
	var specs []fleet.Spec
	for i, p := range presets {
		specs = append(specs, fleet.New(fleet.Plan{Code: fmt.Sprintf("B%d", i+1), Preset: p, Seed: uint64(i), Now: time.Now()}))
	}
	f, err := fleet.Start(context.Background(), specs, fleet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f.Outlets()
}

// TestEveryKindOfOutlet carries commands through the whole prober, over real
// SMB into a real log.
func TestEveryKindOfOutlet(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	presets := fleet.Presets()
	all := outlets(t, presets...)
	for _, o := range all {
		offer(t, n, command("s1", o.Code(), o.Addr()))
	}
	cfg := quick()
	cfg.Concurrency, cfg.ProbeTimeout, cfg.Attempts = 8, 20*time.Second, 1
	cfg.SMB.IdleTimeout = 2 * time.Second // the silent one
	run(t, n, cfg)
	looks := observed(t, n, 2*len(all))
	for _, o := range all {
		for _, mode := range events.Modes() {
			l := looks[events.LookID("s1", o.Code(), mode)]
			want, _ := o.Expect(mode)
			if l.Verdict.Cause != want.Cause {
				t.Errorf("%s, %s: %s (%s), want %s", o.Preset(), mode, l.Verdict.Cause, l.Verdict.Detail, want.Cause)
			}
			checkEvent(t, l, o.Addr())
		}
		if s := o.Stats(); s.Sessions > 1 || s.Accepted > 1 {
			t.Errorf("%s: %d sessions on %d connections for one command", o.Preset(), s.Sessions, s.Accepted)
		}
	}
}

// checkEvent checks what must hold for every look.
func checkEvent(t *testing.T, l events.BackupObserved, server string) {
	t.Helper()
	if l.Server != server || l.Attempt != 1 || l.RequestPosition != 1 || l.ScanID != "s1" || l.StartedAt.Location() != time.UTC || l.Cutoff.IsZero() {
		t.Errorf("%s: %+v", l.Outlet, l)
	}
	if l.Today != (events.DateOf(l.StartedAt, time.UTC) == l.ScanDate) {
		t.Errorf("%s: today %t for a look at %v for %s", l.Outlet, l.Today, l.StartedAt, l.ScanDate)
	}
	if again := verdict.Judge(l, l.Verdict.Policy); again.Cause != l.Verdict.Cause || again.Evidence != l.Verdict.Evidence || again.Detail != l.Verdict.Detail {
		t.Errorf("%s: judged again it is %+v instead of %+v", l.Outlet, again, l.Verdict)
	}
	if l.Verdict.Conclusive && (l.DurationMS <= 0 || len(l.Steps) < 4) {
		t.Errorf("%s: %v ms, steps %+v", l.Outlet, l.DurationMS, l.Steps)
	}
}

// TestSilentOutlet ends by PROBE_TIMEOUT.
func TestSilentOutlet(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	o := outlets(t, fleet.NeverAnswers)[0]
	cfg := quick()
	cfg.ProbeTimeout, cfg.Attempts = 400*time.Millisecond, 1
	run(t, n, cfg)
	offer(t, n, command("s1", "B1", o.Addr()))
	looks := observed(t, n, 2)
	for _, mode := range events.Modes() {
		if l := of(t, looks, mode); l.Verdict.Cause != events.CauseTimeout || l.DurationMS > 20_000 || l.Verdict.Evidence != events.EvidenceNone {
			t.Errorf("%s: %s after %v ms", mode, l.Verdict.Cause, l.DurationMS)
		}
	}
}

// TestAttempts: faults that may pass are tried again, as often as told, and
// everything else once.
func TestAttempts(t *testing.T) {
	t.Parallel()
	cases := map[events.Cause]int{
		events.CauseUnreachable: 3, events.CauseTimeout: 3, events.CauseProtocolError: 3,
		events.CauseAuthFailed: 1, events.CauseAccessDenied: 1,
	}
	for cause, attempts := range cases {
		t.Run(string(cause), func(t *testing.T) {
			t.Parallel()
			n := natstest.Start(t)
			s := &script{answers: map[events.Mode][]smb.Result{}}
			for _, m := range events.Modes() {
				s.answers[m] = []smb.Result{failed(m, cause)}
			}
			cfg := quick()
			cfg.Attempts, cfg.Look = 3, s.look
			run(t, n, cfg)
			offer(t, n, command("s1", "B1", "10.0.0.1"))
			looks := observed(t, n, 2)
			for _, m := range events.Modes() {
				if l := of(t, looks, m); l.Attempt != attempts || l.Verdict.Cause != cause {
					t.Errorf("%s: %s at attempt %d, want %d", m, l.Verdict.Cause, l.Attempt, attempts)
				}
			}
			if len(s.asked) != attempts {
				t.Errorf("%d looks, want %d", len(s.asked), attempts)
			}
		})
	}
}

// TestOutletComesBack: the second attempt sees what the first could not.
func TestOutletComesBack(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	o := outlets(t, fleet.NotListening)[0]
	cfg := quick()
	looks := 0
	cfg.Look = func(ctx context.Context, target smb.Target, r smb.Request) []smb.Result {
		if looks++; looks == 2 {
			if err := o.Change(func(truth *fleet.Truth) { truth.Reach = fleet.Reachable }); err != nil {
				t.Error(err)
			}
		}
		return smb.Look(ctx, smb.Options{}, target, r)
	}
	run(t, n, cfg)
	offer(t, n, command("s1", "B1", o.Addr()))
	for id, l := range observed(t, n, 2) {
		if l.Verdict.Cause != events.CauseOK || l.Attempt != 2 {
			t.Errorf("%s: %s at attempt %d", id, l.Verdict.Cause, l.Attempt)
		}
	}
}

// TestOneModeOnly: what is known of one mode is stored at once, and only the
// other is looked at again.
func TestOneModeOnly(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	s := &script{answers: map[events.Mode][]smb.Result{
		events.IBStorage: {failed(events.IBStorage, events.CauseTimeout), good(events.IBStorage)},
	}}
	cfg := quick()
	cfg.Look = s.look
	run(t, n, cfg)
	offer(t, n, command("s1", "B1", "10.0.0.1"))
	looks := observed(t, n, 2)
	if d, ib := of(t, looks, events.DDrive), of(t, looks, events.IBStorage); d.Attempt != 1 || ib.Attempt != 2 || ib.Verdict.Cause != events.CauseOK {
		t.Errorf("drive D at attempt %d, USB %s at attempt %d", d.Attempt, ib.Verdict.Cause, ib.Attempt)
	}
	if h := s.history(); h != "[[d_drive ib_storage] [ib_storage]]" {
		t.Errorf("looked at %s", h)
	}
}

// TestNoRetryPastTheDeadline: a retry that would come too late is none.
func TestNoRetryPastTheDeadline(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	s := &script{answers: map[events.Mode][]smb.Result{events.DDrive: {failed(events.DDrive, events.CauseUnreachable)}}}
	cfg := quick()
	cfg.Look, cfg.RetryDelay = s.look, 2*time.Hour
	run(t, n, cfg)
	offer(t, n, command("s1", "B1", "10.0.0.1"))
	if l := of(t, observed(t, n, 2), events.DDrive); l.Verdict.Cause != events.CauseUnreachable || l.Attempt != 1 {
		t.Errorf("%s at attempt %d", l.Verdict.Cause, l.Attempt)
	}
}

// TestExpired: past its deadline a command ends without a look, in the modes
// that have no event yet.
func TestExpired(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	cfg := quick()
	cfg.Look = forbidden(t)
	c := command("s1", "B1", "10.0.0.1")
	c.Deadline = time.Now().Add(-time.Second)
	done := events.BackupObserved{Outlet: "B1", Mode: events.DDrive, ScanID: "s1", ScanDate: c.ScanDate, Verdict: events.Verdict{Cause: events.CauseOK}}
	if _, _, err := n.Log.Append(t.Context(), done); err != nil {
		t.Fatal(err)
	}
	offer(t, n, c)
	run(t, n, cfg)
	looks := observed(t, n, 2)
	if l := of(t, looks, events.DDrive); l.Verdict.Cause != events.CauseOK {
		t.Errorf("drive D became %s", l.Verdict.Cause)
	}
	l := of(t, looks, events.IBStorage)
	if l.Verdict.Cause != events.CauseExpired || l.Verdict.Status != events.Failed || l.Verdict.Evidence != events.EvidenceNone || l.Cutoff.IsZero() {
		t.Errorf("USB: %+v", l.Verdict)
	}
	// A scheduler that ends the command at the same time ends it in the same event.
	want := verdict.Unseen(c, events.IBStorage, l.StartedAt, time.UTC, verdict.Expired(c))
	if again := verdict.Judge(l, l.Verdict.Policy); !reflect.DeepEqual(l, want) || !reflect.DeepEqual(again, l.Verdict) {
		t.Errorf("the event is %+v, want %+v; judged again %+v", l, want, again)
	}
}

// TestDays: the day is the one in TZ on which the look begins.
func TestDays(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("UTC+14", 14*3600)
	now := time.Date(2026, 3, 10, 11, 0, 0, 0, time.UTC) // 01:00 on the 11th in zone
	for date, want := range map[events.Date]bool{"2026-03-10": false, "2026-03-11": true} {
		n := natstest.Start(t)
		cfg := quick()
		cfg.Zone, cfg.Now = zone, func() time.Time { return now }
		cfg.Look = func(_ context.Context, target smb.Target, r smb.Request) []smb.Result {
			if r.Zone != zone || !r.Began.Equal(now) || r.ScanDate != date {
				t.Errorf("asked for %+v", r)
			}
			return []smb.Result{good(target.Places[0].Mode), good(target.Places[1].Mode)}
		}
		run(t, n, cfg)
		c := command("s1", "B1", "10.0.0.1")
		c.ScanDate, c.Deadline = date, now.Add(time.Hour)
		offer(t, n, c)
		if l := of(t, observed(t, n, 2), events.DDrive); l.Today != want {
			t.Errorf("%s: today %t", date, l.Today)
		}
	}
}

// TestUnknownPlace: a prober without settings for a mode says so.
func TestUnknownPlace(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	cfg := quick()
	cfg.Places, cfg.Look, cfg.Attempts = cfg.Places[:1], (&script{}).look, 1
	run(t, n, cfg)
	offer(t, n, command("s1", "B1", "10.0.0.1"))
	looks := observed(t, n, 2)
	if d, ib := of(t, looks, events.DDrive), of(t, looks, events.IBStorage); d.Verdict.Cause != events.CauseOK || ib.Verdict.Cause != events.CauseProtocolError {
		t.Errorf("drive D %s, USB %s", d.Verdict.Cause, ib.Verdict.Cause)
	}
}

// TestOnlyFreeWorkersPull: what nobody can work on stays in the queue, for
// other probers.
func TestOnlyFreeWorkersPull(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	release := make(chan struct{})
	cfg := quick()
	cfg.Concurrency = 3
	cfg.Look = func(ctx context.Context, target smb.Target, r smb.Request) []smb.Result {
		select {
		case <-release:
		case <-ctx.Done():
		}
		return (&script{}).look(ctx, target, r)
	}
	const commands = 10
	for i := range commands {
		offer(t, n, command("s1", fmt.Sprintf("B%d", i), "10.0.0.1"))
	}
	run(t, n, cfg)
	pending := func() (int, error) {
		c, err := n.JS.Consumer(t.Context(), events.StreamProbes, events.ConsumerProbers)
		if err != nil {
			return 0, err
		}
		return c.CachedInfo().NumAckPending, nil
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	err := until(ctx, func() (bool, error) {
		got, err := pending()
		if got > cfg.Concurrency {
			return false, fmt.Errorf("%d commands were taken by %d workers", got, cfg.Concurrency)
		}
		return got == cfg.Concurrency, err
	})
	if err != nil {
		t.Fatal(err)
	}
	// Give too greedy a prober the chance to show.
	short, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer stop()
	err = until(short, func() (bool, error) { got, err := pending(); return got != cfg.Concurrency, err })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("more commands were taken than there are workers (%v)", err)
	}
	close(release)
	observed(t, n, 2*commands)
}

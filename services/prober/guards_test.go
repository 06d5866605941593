package prober_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/fleet"
	"backupmonitor/services/internal/natstest"
	"backupmonitor/services/prober"
	"backupmonitor/services/prober/smb"
)

// manyOutlets runs n good outlets, registered, with a command for each.
func manyOutlets(t *testing.T, n *natstest.Server, count int) []*fleet.Outlet {
	t.Helper()
	specs := make([]fleet.Spec, count)
	for i := range specs {
		specs[i] = fleet.New(fleet.Plan{Code: fmt.Sprintf("G%04d", i), Preset: fleet.Good, Seed: uint64(i), Now: time.Now()})
	}
	f, err := fleet.Start(context.Background(), specs, fleet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	for _, o := range f.Outlets() {
		if _, err := n.Log.Write(t.Context(), events.OutletChanged{Code: o.Code(), Address: o.Addr(), Active: true, Source: events.SourceUser}, 0); err != nil {
			t.Fatal(err)
		}
	}
	return f.Outlets()
}

func offerAll(t *testing.T, n *natstest.Server, scan string, all []*fleet.Outlet) {
	t.Helper()
	for _, o := range all {
		offer(t, n, command(scan, o.Code(), o.Addr()))
	}
}

// waiting waits until that many probers ask for commands: one that starts later
// may try once more what was refused before.
func waiting(t *testing.T, n *natstest.Server, probers int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	err := until(ctx, func() (bool, error) {
		c, err := n.JS.Consumer(ctx, events.StreamProbes, events.ConsumerProbers)
		if err != nil {
			return false, err
		}
		return c.CachedInfo().NumWaiting == probers, nil
	})
	if err != nil {
		t.Fatalf("%d probers do not ask for commands: %v", probers, err)
	}
}

// inDomain has everybody sign in with a domain account.
func inDomain(cfg prober.Config, password string) prober.Config {
	cfg.Places = places()
	for i := range cfg.Places {
		cfg.Places[i].Credential = smb.NewCredential(`SHOPS\`+fleet.DefaultUser, password, "")
	}
	return cfg
}

// TestWrongDomainPassword: with a wrong password for the domain, a thousand
// outlets are signed in to twice in all, by however many probers; everybody
// else is told that the account is paused. When the password is right again,
// all are looked at.
func TestWrongDomainPassword(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	all := manyOutlets(t, n, 1000)
	cfg := inDomain(quick(), "an old password")
	cfg.Concurrency = 64
	var stops []func()
	for _, name := range []string{"one", "two"} {
		cfg.Name = name
		stops = append(stops, run(t, n, cfg))
	}
	waiting(t, n, len(stops))
	offerAll(t, n, "s1", all)
	causes := map[events.Cause]int{}
	for _, l := range observed(t, n, 2*len(all)) {
		causes[l.Verdict.Cause]++
		if l.Verdict.Evidence != events.EvidenceNone || l.Verdict.Detail == "" {
			t.Errorf("%s: evidence %d, %q", l.Outlet, l.Verdict.Evidence, l.Verdict.Detail)
		}
	}
	var signIns int64
	for _, o := range all {
		signIns += o.Stats().FailedSignIns
	}
	t.Logf("%d sign-ins for %d outlets: %v", signIns, len(all), causes)
	if signIns > 2 || causes[events.CauseAuthFailed] > 4 || causes[events.CausePaused]+causes[events.CauseAuthFailed] != 2*len(all) {
		t.Errorf("%d sign-ins, %v", signIns, causes)
	}
	for _, stop := range stops {
		stop()
	}

	some := all[:50]
	offerAll(t, n, "s2", some)
	cfg = inDomain(cfg, fleet.DefaultPassword)
	run(t, n, cfg)
	for _, l := range observed(t, n, 2*len(all)+2*len(some)) {
		if l.ScanID == "s2" && l.Verdict.Cause != events.CauseOK {
			t.Errorf("%s: %s (%s)", l.Outlet, l.Verdict.Cause, l.Verdict.Detail)
		}
	}
}

// TestOffline: when no outlet answers at all, none is called unreachable. The
// prober says so, and looks at all of them when the network is back.
func TestOffline(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	all := manyOutlets(t, n, 40)
	var up atomic.Bool
	cfg := quick()
	// On a busy machine the first are tried again before ten have failed; all that
	// time offline would take far more attempts than these.
	cfg.Concurrency, cfg.Attempts = 16, 50
	cfg.Reach = func(context.Context, string) bool { return up.Load() }
	cfg.Look = func(ctx context.Context, target smb.Target, r smb.Request) []smb.Result {
		if up.Load() {
			return smb.Look(ctx, smb.Options{}, target, r)
		}
		return []smb.Result{failed(events.DDrive, events.CauseTimeout), failed(events.IBStorage, events.CauseTimeout)}
	}
	run(t, n, cfg)
	offerAll(t, n, "s1", all)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	feed, err := n.Log.Feed(ctx, events.FeedOptions{Subjects: []string{events.AllProbers}})
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Stop()
	next := func() events.ProberChanged {
		r, err := feed.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		e, err := r.Decode()
		if err != nil {
			t.Fatal(err)
		}
		return e.Data.(events.ProberChanged)
	}
	if e := next(); e.Online || e.Tried != 40 {
		t.Errorf("%+v", e)
	}
	up.Store(true)
	if e := next(); !e.Online {
		t.Errorf("%+v", e)
	}
	for _, l := range observed(t, n, 2*len(all)) {
		if l.Verdict.Cause != events.CauseOK {
			t.Errorf("%s: %s (%s)", l.Outlet, l.Verdict.Cause, l.Verdict.Detail)
		}
	}
}

// TestSilentOutletsKeepNobodyWaiting: more silent outlets than workers, each
// at once taking a worker, and a healthy one behind them is seen before any of
// them is given up.
func TestSilentOutletsKeepNobodyWaiting(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	presets := make([]fleet.Preset, 25)
	for i := range presets {
		presets[i] = fleet.NeverAnswers
	}
	presets[len(presets)-1] = fleet.Good
	all := outlets(t, presets...)
	offerAll(t, n, "s1", all)
	healthy := all[len(all)-1].Code()
	cfg := quick()
	cfg.Attempts, cfg.ProbeTimeout = 1, 8*time.Second
	cfg.SMB.QuietAfter = 20 * time.Millisecond
	run(t, n, cfg)
	looks := observed(t, n, 2*len(all))
	for _, mode := range events.Modes() {
		l := looks[events.LookID("s1", healthy, mode)]
		if l.Verdict.Cause != events.CauseOK {
			t.Errorf("%s: %s (%s)", mode, l.Verdict.Cause, l.Verdict.Detail)
		}
	}
	r, err := n.Log.Feed(t.Context(), events.FeedOptions{Subjects: []string{events.AllObserved}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Stop()
	first, err := r.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if e, err := first.Decode(); err != nil || e.Data.(events.BackupObserved).Outlet != healthy {
		t.Errorf("the first look in the log is %+v (%v), want that of %s", e.Data, err, healthy)
	}
}

// TestAllSilent: hundreds of silent outlets take about as long as one, however
// few workers there are, and leave nothing behind in the queue.
func TestAllSilent(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	const count = 300
	var inside, most, looks atomic.Int64
	cfg := quick()
	cfg.Concurrency, cfg.ProbeTimeout, cfg.Attempts, cfg.RetryDelay = 40, 2*time.Second, 2, 50*time.Millisecond
	cfg.Look = func(ctx context.Context, _ smb.Target, r smb.Request) []smb.Result {
		r.Quiet()
		looks.Add(1)
		now := inside.Add(1)
		for m := most.Load(); now > m && !most.CompareAndSwap(m, now); m = most.Load() {
		}
		<-ctx.Done()
		inside.Add(-1)
		d, ib := failed(events.DDrive, events.CauseTimeout), failed(events.IBStorage, events.CauseTimeout)
		d.Reached, ib.Reached = true, true
		return []smb.Result{d, ib}
	}
	run(t, n, cfg)
	for i := range count {
		offer(t, n, command("s1", fmt.Sprintf("B%d", i), "10.0.0.1"))
	}
	began := time.Now()
	for _, l := range observed(t, n, 2*count) {
		if l.Attempt != 2 || l.Verdict.Cause != events.CauseTimeout {
			t.Fatalf("%s: %s at attempt %d", l.Outlet, l.Verdict.Cause, l.Attempt)
		}
	}
	t.Logf("%d looks, at most %d at once, in %v", looks.Load(), most.Load(), time.Since(began))
	if got := looks.Load(); got != 2*count {
		t.Errorf("%d looks at %d outlets, want each twice", got, count)
	}
	if most.Load() <= 40 {
		t.Errorf("at most %d at once: silent outlets hold workers", most.Load())
	}
}

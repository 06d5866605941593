package prober_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"backupmonitor/events"
	"backupmonitor/services/internal/natstest"
	"backupmonitor/services/prober/smb"
)

// TestDiedBeforeAck: a prober published both modes, or one, and died before it
// acknowledged. The next one does only what is missing.
func TestDiedBeforeAck(t *testing.T) {
	t.Parallel()
	for done := 0; done <= 2; done++ {
		t.Run(fmt.Sprint(done), func(t *testing.T) {
			t.Parallel()
			n := natstest.Start(t)
			c := command("s1", "B1", "10.0.0.1")
			offer(t, n, c)
			deliver(t, n, 1)
			for _, m := range c.Modes[:done] {
				e := events.BackupObserved{Outlet: "b1", Mode: m, ScanID: "s1", ScanDate: c.ScanDate, Attempt: 1, Verdict: events.Verdict{Cause: events.CauseStale}}
				if _, _, err := n.Log.Append(t.Context(), e); err != nil {
					t.Fatal(err)
				}
			}
			s := &script{}
			cfg := quick()
			cfg.Look = s.look
			run(t, n, cfg)
			looks := observed(t, n, 2)
			for i, m := range c.Modes {
				want, attempt := events.CauseStale, 1
				if i >= done {
					want, attempt = events.CauseOK, 2
				}
				if l := looks[events.LookID("s1", "B1", m)]; l.Verdict.Cause != want || l.Attempt != attempt {
					t.Errorf("%s: %s at attempt %d, want %s at %d", m, l.Verdict.Cause, l.Attempt, want, attempt)
				}
			}
			want := map[int]string{0: "[[d_drive ib_storage]]", 1: "[[ib_storage]]", 2: "[]"}[done]
			if h := s.history(); h != want {
				t.Errorf("looked at %s, want %s", h, want)
			}
		})
	}
}

// TestAnotherScansEvent: only this command's event counts.
func TestAnotherScansEvent(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	c := command("s1", "B1", "10.0.0.1")
	offer(t, n, c)
	deliver(t, n, 1)
	for _, m := range events.Modes() {
		e := events.BackupObserved{Outlet: "B1", Mode: m, ScanID: "s0", ScanDate: c.ScanDate, Verdict: events.Verdict{Cause: events.CauseExpired}}
		if _, _, err := n.Log.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	cfg := quick()
	cfg.Look = (&script{}).look
	run(t, n, cfg)
	if l := of(t, observed(t, n, 4), events.DDrive); l.Verdict.Cause != events.CauseOK {
		t.Errorf("%s", l.Verdict.Cause)
	}
}

// TestStoredMeanwhile: somebody else stores the event while we look.
func TestStoredMeanwhile(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	cfg := quick()
	cfg.Look = func(ctx context.Context, target smb.Target, r smb.Request) []smb.Result {
		for _, m := range events.Modes() {
			e := events.BackupObserved{Outlet: "B1", Mode: m, ScanID: "s1", ScanDate: r.ScanDate, Verdict: events.Verdict{Cause: events.CauseStale}}
			if _, _, err := n.Log.Append(ctx, e); err != nil {
				t.Error(err)
			}
		}
		return (&script{}).look(ctx, target, r)
	}
	run(t, n, cfg)
	offer(t, n, command("s1", "B1", "10.0.0.1"))
	if l := of(t, observed(t, n, 2), events.DDrive); l.Verdict.Cause != events.CauseStale {
		t.Errorf("the event that was first became %s", l.Verdict.Cause)
	}
}

// TestTooManyDeliveries: a command that may kill its probers ends without another
// look. They may as well have put it back, as while the account's turn to sign in
// does not come or the log takes nothing: what it ends in holds for all of these,
// and says nothing of the outlet.
func TestTooManyDeliveries(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	cfg := quick()
	cfg.Look, cfg.Attempts = forbidden(t), 2
	offer(t, n, command("s1", "B1", "10.0.0.1"))
	deliver(t, n, 12)
	run(t, n, cfg)
	for id, l := range observed(t, n, 2) {
		if l.Verdict.Cause != events.CauseExpired || l.Verdict.Conclusive || l.Attempt != 13 {
			t.Errorf("%s: %s at attempt %d", id, l.Verdict.Cause, l.Attempt)
		}
		for _, want := range []string{"after 12 tries", "stopped", "turn to sign in", "write to the log"} {
			if !strings.Contains(l.Verdict.Detail, want) {
				t.Errorf("%s: %q does not say %q", id, l.Verdict.Detail, want)
			}
		}
	}
}

// TestMalformed: what is no command leaves the queue, and the ones after it
// are carried out.
func TestMalformed(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	cfg := quick()
	cfg.Look = (&script{}).look
	if _, err := n.JS.Publish(t.Context(), events.ProbeSubject("X1"), []byte("{")); err != nil {
		t.Fatal(err)
	}
	bad := []func(*events.ProbeCommand){
		func(c *events.ProbeCommand) { c.ScanID = "" },
		func(c *events.ProbeCommand) { c.Modes = nil },
		func(c *events.ProbeCommand) { c.Modes = []events.Mode{"c_drive"} },
		func(c *events.ProbeCommand) { c.Modes = []events.Mode{events.DDrive, events.DDrive} },
		func(c *events.ProbeCommand) { c.ScanDate = "2026-02-30" },
		func(c *events.ProbeCommand) { c.Deadline = time.Time{} },
	}
	for i, spoil := range bad {
		c := command("s1", fmt.Sprintf("X%d", i+2), "10.0.0.1")
		spoil(&c)
		offer(t, n, c)
	}
	elsewhere, err := events.Encode("/test", time.Now(), command("s1", "B2", "10.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	elsewhere.Subject = events.ProbeSubject("B3")
	if _, err := n.JS.PublishMsg(t.Context(), elsewhere); err != nil {
		t.Fatal(err)
	}
	offer(t, n, command("s1", "B1", "10.0.0.1"))
	run(t, n, cfg)
	observed(t, n, 2)
}

// TestFullLog: what the log does not take is not lost, however long, and no command is
// acknowledged for it: that the log fails says nothing of the command. Nor is the outlet
// looked at again for it, as often as a wrong password would lock its account.
func TestFullLog(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	if err := events.Provision(t.Context(), n.JS, events.Limits{EventsMaxBytes: 1, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	var looks atomic.Int32
	cfg := quick()
	cfg.Look = func(ctx context.Context, target smb.Target, r smb.Request) []smb.Result {
		looks.Add(1)
		return (&script{}).look(ctx, target, r)
	}
	run(t, n, cfg)
	offer(t, n, command("s1", "B1", "10.0.0.1"))
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	often := cfg.Attempts + 20 // more than a command may come to nothing
	if err := until(ctx, func() (bool, error) { d, err := deliveries(ctx, n); return d >= often, err }); err != nil {
		t.Fatalf("the command was not delivered again: %v", err)
	}
	if empty, err := queued(ctx, n); err != nil || empty {
		t.Fatalf("the command has left the queue (%v)", err)
	}
	if err := events.Provision(t.Context(), n.JS, events.Limits{EventsMaxBytes: natstest.MaxBytes, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	for id, l := range observed(t, n, 2) {
		if l.Verdict.Cause == events.CauseExpired || l.Attempt != 1 {
			t.Errorf("%s: %s at attempt %d", id, l.Verdict.Cause, l.Attempt)
		}
	}
	if n := looks.Load(); n != 1 {
		t.Errorf("%d looks", n)
	}
}

// deliveries is how often commands have been handed out.
func deliveries(ctx context.Context, n *natstest.Server) (int, error) {
	c, err := n.JS.Consumer(ctx, events.StreamProbes, events.ConsumerProbers)
	if err != nil {
		return 0, err
	}
	info, err := c.Info(ctx)
	if err != nil {
		return 0, err
	}
	return int(info.Delivered.Consumer), nil //nolint:gosec // few
}

// TestProbersComeAndGo lets probers die and start all the time, with commands
// in every state: each ends in exactly one event for each mode.
func TestProbersComeAndGo(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	setAckWait(t, n, 2*time.Second)
	cfg := quick()
	cfg.Grace = time.Millisecond
	cfg.Look = func(ctx context.Context, target smb.Target, r smb.Request) []smb.Result {
		select {
		case <-time.After(time.Duration(rand.IntN(30)) * time.Millisecond):
		case <-ctx.Done():
		}
		results := (&script{}).look(ctx, target, r)
		if rand.IntN(4) == 0 {
			results[len(results)-1] = failed(results[len(results)-1].Mode, events.CauseTimeout)
		}
		return results
	}
	const commands = 120
	for i := range commands {
		offer(t, n, command("s1", fmt.Sprintf("B%d", i), "10.0.0.1"))
	}
	for range 12 {
		stop := run(t, n, cfg)
		again := run(t, n, cfg)
		<-time.After(time.Duration(20+rand.IntN(60)) * time.Millisecond)
		steal(t, n)
		stop()
		again()
	}
	run(t, n, cfg)
	observed(t, n, 2*commands)
}

// steal takes commands and forgets them, as a prober that is killed.
func steal(t *testing.T, n *natstest.Server) {
	t.Helper()
	c, err := n.JS.Consumer(t.Context(), events.StreamProbes, events.ConsumerProbers)
	if err != nil {
		t.Fatal(err)
	}
	batch, err := c.Fetch(3, jetstream.FetchMaxWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	for range batch.Messages() {
	}
}

// TestTurnOfOneModeDoesNotCome: the modes may sign in with accounts of their own.
// What is seen in one is stored, and the other waits for its turn, which is no
// attempt.
func TestTurnOfOneModeDoesNotCome(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	noTurn := failed(events.IBStorage, events.CauseTimeout)
	noTurn.Reached, noTurn.NoTurn = true, true
	s := &script{answers: map[events.Mode][]smb.Result{events.IBStorage: {noTurn, noTurn, noTurn, good(events.IBStorage)}}}
	cfg := quick()
	cfg.Look, cfg.Attempts = s.look, 1
	run(t, n, cfg)
	offer(t, n, command("s1", "B1", "10.0.0.1"))
	for id, l := range observed(t, n, 2) {
		if l.Verdict.Cause != events.CauseOK || l.Attempt != 1 {
			t.Errorf("%s: %s at attempt %d", id, l.Verdict.Cause, l.Attempt)
		}
	}
	if h := s.history(); h != "[[d_drive ib_storage] [ib_storage] [ib_storage] [ib_storage]]" {
		t.Errorf("looked at %s", h)
	}
}

package prober_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/natstest"
	"backupmonitor/services/prober/smb"
)

// TestStopHandsBack: a look that outlasts the grace is broken off, and another
// prober gets the command at once.
func TestStopHandsBack(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	setAckWait(t, n, time.Hour) // only what is given back comes again
	looking := make(chan struct{})
	cfg := quick()
	cfg.Look = func(ctx context.Context, target smb.Target, r smb.Request) []smb.Result {
		close(looking)
		<-ctx.Done()
		return (&script{}).look(ctx, target, r)
	}
	stop := run(t, n, cfg)
	offer(t, n, command("s1", "B1", "10.0.0.1"))
	<-looking
	stop()
	cfg.Look = (&script{}).look
	run(t, n, cfg)
	for id, l := range observed(t, n, 2) {
		if l.Attempt != 2 {
			t.Errorf("%s: attempt %d", id, l.Attempt)
		}
	}
}

// TestStopWithGrace: a look that ends within the grace is stored.
func TestStopWithGrace(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	looking, end := make(chan struct{}), make(chan struct{})
	cfg := quick()
	cfg.Grace = limit
	cfg.Look = func(ctx context.Context, target smb.Target, r smb.Request) []smb.Result {
		close(looking)
		<-end
		return (&script{}).look(ctx, target, r)
	}
	stop := run(t, n, cfg)
	offer(t, n, command("s1", "B1", "10.0.0.1"))
	<-looking
	stopped := make(chan struct{})
	go func() { defer close(stopped); stop() }()
	close(end)
	<-stopped
	for id, l := range observed(t, n, 2) {
		if l.Attempt != 1 || l.Verdict.Cause != events.CauseOK {
			t.Errorf("%s: %s at attempt %d", id, l.Verdict.Cause, l.Attempt)
		}
	}
}

// TestRenewal: a look may take longer than the queue waits for a sign of life.
func TestRenewal(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	const ackWait = time.Second
	setAckWait(t, n, ackWait)
	var looks atomic.Int32
	cfg := quick()
	cfg.Look = func(ctx context.Context, target smb.Target, r smb.Request) []smb.Result {
		looks.Add(1)
		select {
		case <-time.After(3 * ackWait):
		case <-ctx.Done():
		}
		return (&script{}).look(ctx, target, r)
	}
	run(t, n, cfg)
	run(t, n, cfg)
	offer(t, n, command("s1", "B1", "10.0.0.1"))
	for id, l := range observed(t, n, 2) {
		if l.Attempt != 1 {
			t.Errorf("%s: attempt %d", id, l.Attempt)
		}
	}
	if got := looks.Load(); got != 1 {
		t.Errorf("%d looks", got)
	}
}

func setAckWait(t *testing.T, n *natstest.Server, wait time.Duration) {
	t.Helper()
	c, err := n.JS.Consumer(t.Context(), events.StreamProbes, events.ConsumerProbers)
	if err != nil {
		t.Fatal(err)
	}
	cfg := c.CachedInfo().Config
	cfg.AckWait = wait
	if _, err := n.JS.UpdateConsumer(t.Context(), events.StreamProbes, cfg); err != nil {
		t.Fatal(err)
	}
}

package prober_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"backupmonitor/events"
	"backupmonitor/services/internal/natstest"
	"backupmonitor/services/prober"
	"backupmonitor/services/prober/smb"
)

// ended waits for what Run returns.
func ended(t *testing.T, done <-chan error) error {
	t.Helper()
	select {
	case err := <-done:
		return err
	case <-time.After(limit):
		t.Fatal("Run did not return")
		return nil
	}
}

// TestStopWithoutTheLog: a prober whose log is gone stops as soon as any other,
// with looks that end within the grace and looks that do not.
func TestStopWithoutTheLog(t *testing.T) {
	t.Parallel()
	for name, breaksOff := range map[string]bool{"looks that end": false, "looks that last": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := natstest.Start(t)
			looking, end := make(chan struct{}, 4), make(chan struct{})
			cfg := quick()
			cfg.Grace = 500 * time.Millisecond
			cfg.Look = func(ctx context.Context, target smb.Target, r smb.Request) []smb.Result {
				looking <- struct{}{}
				select {
				case <-end:
				case <-ctx.Done():
				}
				return (&script{}).look(ctx, target, r)
			}
			_, _, log := n.Client(t, events.ServiceProber)
			p := prober.New(cfg, log, slog.New(slog.NewTextHandler(testWriter{t}, nil)))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- p.Run(ctx) }()
			offer(t, n, command("s1", "B1", "10.0.0.1"), command("s1", "B2", "10.0.0.2"), command("s1", "B3", "10.0.0.3"))
			for range 3 {
				<-looking
			}
			n.Stop()
			if !breaksOff {
				close(end)
			}
			began := time.Now()
			cancel()
			if err := ended(t, done); err != nil {
				t.Errorf("Run returned %v", err)
			}
			if took := time.Since(began); took > cfg.Grace+2*time.Second {
				t.Errorf("it took %v to stop", took)
			}
		})
	}
}

// TestSilentQueue: a queue that takes acknowledgements and never answers them
// does not keep a prober from stopping either.
func TestSilentQueue(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	stored := make(chan struct{})
	cfg := quick()
	cfg.Grace = 200 * time.Millisecond
	cfg.Look = func(ctx context.Context, target smb.Target, r smb.Request) []smb.Result {
		defer close(stored)
		// Without its consumer the server hears no acknowledgement; somebody
		// who says nothing does.
		if _, err := n.Conn.SubscribeSync("$JS.ACK.>"); err != nil {
			t.Error(err)
		}
		if err := n.JS.DeleteConsumer(ctx, events.StreamProbes, events.ConsumerProbers); err != nil {
			t.Error(err)
		}
		return (&script{}).look(ctx, target, r)
	}
	stop := run(t, n, cfg)
	offer(t, n, command("s1", "B1", "10.0.0.1"))
	<-stored
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	err := until(ctx, func() (bool, error) {
		_, err := n.Log.Last(ctx, events.ObservedSubject(events.IBStorage, "B1"))
		return err == nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	stop()
	if took := time.Since(began); took > cfg.Grace+2*time.Second {
		t.Errorf("it took %v to stop", took)
	}
}

// TestConnectionClosedForGood: a prober that can never get a command again
// ends, so that it is started anew.
func TestConnectionClosedForGood(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	looking := make(chan struct{})
	cfg := quick()
	cfg.Grace = limit
	cfg.Look = func(ctx context.Context, _ smb.Target, _ smb.Request) []smb.Result {
		close(looking)
		<-ctx.Done()
		return nil
	}
	conn, _, log := n.Client(t, events.ServiceProber)
	done := make(chan error, 1)
	go func() {
		done <- prober.New(cfg, log, slog.New(slog.NewTextHandler(testWriter{t}, nil))).Run(t.Context())
	}()
	offer(t, n, command("s1", "B1", "10.0.0.1"))
	<-looking
	conn.Close()
	if err := ended(t, done); !errors.Is(err, nats.ErrConnectionClosed) {
		t.Errorf("Run returned %v", err)
	}
}

// TestCheck: a prober is not ready when it has not been able to get commands
// for a while, and says how much it is doing.
func TestCheck(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	var ahead atomic.Int64
	looking, end := make(chan struct{}), make(chan struct{})
	cfg := quick()
	cfg.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	cfg.Look = func(ctx context.Context, target smb.Target, r smb.Request) []smb.Result {
		close(looking)
		<-end
		return (&script{}).look(ctx, target, r)
	}
	_, _, log := n.Client(t, events.ServiceProber)
	p := prober.New(cfg, log, slog.New(slog.NewTextHandler(testWriter{t}, nil)))
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := ended(t, done); err != nil {
			t.Errorf("Run returned %v", err)
		}
	})
	offer(t, n, command("s1", "B1", "10.0.0.1"))
	<-looking
	if detail, err := p.Check(ctx); err != nil || detail != "1 of 4 workers busy" {
		t.Errorf("at work: %q, %v", detail, err)
	}
	close(end)
	observed(t, n, 2)

	if err := n.JS.DeleteConsumer(ctx, events.StreamProbes, events.ConsumerProbers); err != nil {
		t.Fatal(err)
	}
	failing := func() (bool, error) {
		_, err := p.Check(ctx)
		return err != nil, nil
	}
	// Not for the first failures: the network may do better soon.
	if bad, _ := failing(); bad {
		t.Error("not ready at once")
	}
	if err := until(ctx, func() (bool, error) { ahead.Add(int64(time.Second)); return failing() }); err != nil {
		t.Fatal("ready without its queue")
	}
	if detail, err := p.Check(ctx); err == nil || !strings.Contains(err.Error(), "cannot get commands") || detail == "" {
		t.Errorf("without its queue: %q, %v", detail, err)
	}
	if err := events.Provision(ctx, n.JS, events.Limits{EventsMaxBytes: natstest.MaxBytes, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	if err := until(ctx, func() (bool, error) { bad, err := failing(); return !bad, err }); err != nil {
		t.Error("not ready with its queue")
	}
}

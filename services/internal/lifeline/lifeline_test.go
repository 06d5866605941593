package lifeline_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"backupmonitor/services/internal/lifeline"
	"backupmonitor/services/internal/natstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func ends(ctx context.Context, t *testing.T) {
	t.Helper()
	select {
	case <-ctx.Done():
	case <-time.After(time.Minute):
		t.Fatal("the context does not end")
	}
}

func TestBind(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)

	conn, _, _ := n.Client(t, "one")
	bound, release := lifeline.Bind(t.Context(), conn)
	if err := release(); err != nil || bound.Err() == nil {
		t.Errorf("released: %v, context %v", err, bound.Err())
	}

	ctx, cancel := context.WithCancel(t.Context())
	bound, release = lifeline.Bind(ctx, conn)
	cancel()
	ends(bound, t)
	if err := release(); err != nil {
		t.Errorf("ended by its context: %v", err)
	}

	bound, release = lifeline.Bind(t.Context(), conn)
	if err := conn.ForceReconnect(); err != nil {
		t.Fatal(err)
	}
	if err := conn.FlushTimeout(time.Minute); err != nil || bound.Err() != nil {
		t.Errorf("reconnected: %v, context %v", err, bound.Err())
	}
	conn.Close()
	ends(bound, t)
	for range 2 {
		if err := release(); !errors.Is(err, nats.ErrConnectionClosed) {
			t.Errorf("ended by the connection: %v", err)
		}
	}

	bound, release = lifeline.Bind(t.Context(), conn)
	ends(bound, t)
	if err := release(); !errors.Is(err, nats.ErrConnectionClosed) {
		t.Errorf("bound to a closed connection: %v", err)
	}
}

func TestOutlive(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		after, want time.Duration // the end of the context, of the outliving one
	}{
		"while it lives":   {time.Hour, 5 * time.Second},
		"it ends meantime": {2 * time.Second, 3 * time.Second},
		"it has ended":     {0, time.Second},
		"it ends late":     {4500 * time.Millisecond, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), c.after)
				defer cancel()
				began := time.Now()
				outliving, stop := lifeline.Outlive(ctx, 5*time.Second, time.Second)
				<-outliving.Done()
				if took := time.Since(began); took != c.want {
					t.Errorf("it ended after %v, want %v", took, c.want)
				}
				stop()
			})
		})
	}
}

package instance_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"backupmonitor/events"
	"backupmonitor/services/cmd/backup-monitor/instance"
)

// TestFlood: what somebody with a prober's password publishes faster than a disk
// takes it is dropped: no event of anybody else is lost to it, nor waits behind it
// when it is over.
func TestFlood(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	path, n := running(ctx, t, instance.NATSOptions{})
	_, own := keeper(t, n)
	log := events.NewLog(own, "here")
	nc, _ := outside(t, path, n)
	const flood = 150_000 // more than a server would keep waiting by itself
	var others sync.WaitGroup
	defer others.Wait()
	others.Go(func() {
		for i := range 20 { // while it lasts
			if _, _, err := log.Append(ctx, events.Audited{ID: fmt.Sprint(i), Kind: events.SignedIn, At: time.Now()}); err != nil {
				t.Errorf("event %d: %v", i, err)
			}
		}
	})
	for i := range flood {
		if err := nc.PublishMsg(&nats.Msg{Subject: "ev.backup.observed.d_drive.X", Data: fmt.Append(nil, i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.FlushWithContext(ctx); err != nil {
		t.Fatal(err)
	}
	id, err := log.Identity(ctx)
	if err != nil {
		t.Fatal(err)
	}
	const few = 1000
	seq, _, err := log.Append(ctx, events.Audited{ID: "after", Kind: events.SignedIn, At: time.Now()})
	if err != nil || seq > id.LastSeq+few {
		t.Fatalf("after the flood, when %d were stored: event %d, %v; want at most %d to wait", id.LastSeq, seq, err, few)
	}
}

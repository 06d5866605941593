package gateway_test

import (
	"strconv"
	"strings"
	"sync"
	"testing"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// Clients that do not read cost the others nothing and are let go.
func TestLiveFeedWithSlowClients(t *testing.T) {
	t.Parallel()
	e := start(t)
	// A connection holds some 4 MB for who does not read, and the queue 256.
	const readers, sleepers, large, small, size = 45, 5, 1400, 140, 4 << 10
	streams := make([]*eventStream, 0, readers+sleepers)
	for i := range readers + sleepers {
		user := "u" + strconv.Itoa(i/10)
		if i%10 == 0 {
			addUser(t, e.store, store.User{ID: user, Name: user, Type: "S", Active: true})
		}
		path := "/events?types=" + events.TypeScanRequested
		if i >= readers {
			path = "/events"
		}
		streams = append(streams, e.listen(t, call{path: path, token: e.signIn(t, user)}))
	}
	defer func() {
		for _, s := range streams {
			s.close()
		}
	}()
	var done sync.WaitGroup
	for _, s := range streams[:readers] {
		done.Go(func() {
			s.next() // ready
			for n := range small {
				if m := s.next(); !strings.Contains(m.data, `"scanId":"scan `+strconv.Itoa(n)+`"`) {
					t.Errorf("event %d is %s", n, m.data)
					return
				}
			}
		})
	}
	for i := range large {
		o := observed(i)
		o.Warnings = []string{strings.Repeat("w", size)}
		e.append(t, o)
		if i%10 == 0 {
			e.append(t, events.ScanRequested{ScanID: "scan " + strconv.Itoa(i/10), ScanDate: "2026-02-21"})
		}
	}
	done.Wait()
	for _, s := range streams[readers:] {
		n := 0
		for {
			if _, err := s.read(); err != nil {
				break
			}
			n++
		}
		if n == 0 || n >= large {
			t.Errorf("a client that slept got %d of %d events before it was let go", n, large+small)
		}
		if s.res.Request.Context().Err() != nil {
			t.Error("a client that slept was not let go")
		}
	}
}

package sqlite

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

func withUser(tb testing.TB) *Store {
	tb.Helper()
	s, err := Open(tb.Context(), filepath.Join(tb.TempDir(), "monitor.db"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	if err := s.Migrate(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	if err := s.AddUser(tb.Context(), store.User{ID: "jo", Type: "S", PasswordHash: "x", Active: true}); err != nil {
		tb.Fatal(err)
	}
	return s
}

// A lookup waits for nobody who reads a list, and ends with its context while
// it waits for others.
func TestLookupsWaitForNoList(t *testing.T) {
	t.Parallel()
	s := withUser(t)
	for range readers {
		rows, err := s.reader.QueryContext(t.Context(), sqlList)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := errors.Join(rows.Err(), rows.Close()); err != nil {
				t.Error(err)
			}
		}()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if u, err := s.User(ctx, "JO"); err != nil || u.ID != "jo" {
		t.Errorf("%+v, %v", u, err)
	}
	for range lookupConnections {
		s.hot.turns <- struct{}{}
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := s.Checkpoint(ended); err == nil {
		t.Error("waits although nobody wants to know any more")
	}
	for range lookupConnections {
		<-s.hot.turns
	}
}

// BenchmarkLookup is how long 64 who ask at once wait for a user, each asking
// again as soon as it has the answer, beside the same question to database/sql.
func BenchmarkLookup(b *testing.B) {
	s := withUser(b)
	pooled := func(ctx context.Context) error {
		_, err := readUser(s.reader.QueryRowContext(ctx, sqlUser, events.Key("jo"), "jo").Scan)
		return err
	}
	looked := func(ctx context.Context) error {
		_, err := s.User(ctx, "jo")
		return err
	}
	for _, x := range []struct {
		name string
		ask  func(context.Context) error
	}{{"pool", pooled}, {"lookups", looked}} {
		b.Run(x.name, func(b *testing.B) {
			const clients = 64
			waits := make([][]time.Duration, clients)
			var asking sync.WaitGroup
			each := max(1, b.N/clients)
			b.ResetTimer()
			for i := range clients {
				asking.Go(func() {
					for range each {
						began := time.Now()
						if err := x.ask(b.Context()); err != nil {
							b.Error(err)
							return
						}
						waits[i] = append(waits[i], time.Since(began))
					}
				})
			}
			asking.Wait()
			all := slices.Concat(waits...)
			slices.Sort(all)
			if len(all) == 0 {
				b.Fatal("nobody got an answer")
			}
			b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(all[len(all)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}

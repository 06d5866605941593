package gateway_test

import (
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// Two hundred clients of the live feed, of which a quarter does not read: the
// others get everything, memory is bounded, and the log's figures say how late
// it comes with and without those who sleep.
func TestTwoHundredClients(t *testing.T) {
	// Not parallel: it measures the heap.
	e := start(t)
	const perUser, readers, sleepers, bulk = 25, 150, 50, 1500
	listen := func(i int, types string) *eventStream {
		user := fmt.Sprint("u", i/perUser)
		if i%perUser == 0 {
			addUser(t, e.store, store.User{ID: user, Name: user, Type: "S", Active: true})
		}
		return e.listen(t, call{path: "/events?types=" + types, token: e.signIn(t, user)})
	}
	var streams []*eventStream
	defer func() {
		for _, s := range streams {
			s.close()
		}
	}()
	for i := range readers {
		streams = append(streams, listen(i, events.TypeScanRequested))
		streams[i].next() // ready
	}
	alone := e.crowd(t, streams, 0, 0)
	for i := range sleepers {
		streams = append(streams, listen(readers+i, events.TypeBackupObserved))
	}
	before := heap()
	beside := e.crowd(t, streams[:readers], 1, bulk)
	grown := heap() - before
	t.Logf("150 readers: late by %s at the median and %s at the 99th percentile; beside 50 that do not read: %s and %s; the heap grew by %d KiB",
		alone[0], alone[1], beside[0], beside[1], grown>>10)
	if most := int64(64 << 20); grown > most {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
}

// crowd has the readers read fifty events, with a bulk of others before
// each part, and gives how late they came: the median and the 99th percentile.
func (e *env) crowd(t *testing.T, readers []*eventStream, round, bulk int) [2]time.Duration {
	t.Helper()
	const marks = 50
	late := make([][]time.Duration, len(readers))
	var done sync.WaitGroup
	for i, s := range readers {
		done.Go(func() {
			for n := 0; n < marks; {
				m := s.next()
				var got struct {
					Data struct {
						ScanID      string
						RequestedAt time.Time
					}
				}
				if err := json.Unmarshal([]byte(m.data), &got); err != nil || got.Data.ScanID != fmt.Sprintf("round %d mark %d", round, n) {
					t.Errorf("instead of mark %d came %.200s, %v", n, m.data, err)
					return
				}
				late[i] = append(late[i], time.Since(got.Data.RequestedAt))
				n++
			}
		})
	}
	for n := range marks {
		for i := range bulk / marks {
			o := observed(round*100_000 + n*1000 + i)
			o.Warnings = []string{strings.Repeat("w", 4<<10)}
			e.append(t, o)
		}
		e.append(t, events.ScanRequested{ScanID: fmt.Sprintf("round %d mark %d", round, n), ScanDate: "2026-02-21", RequestedAt: time.Now()})
	}
	done.Wait()
	all := slices.Concat(late...)
	slices.Sort(all)
	if len(all) != marks*len(readers) {
		t.Fatalf("%d of %d came", len(all), marks*len(readers))
	}
	return [2]time.Duration{all[len(all)/2], all[len(all)*99/100]}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse)
}

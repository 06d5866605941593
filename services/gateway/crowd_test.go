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

// BenchmarkTwoHundredClients: of two hundred clients of the live feed a quarter
// does not read. Its figures are how late an event comes to those who read,
// with and without the others, and by how much the heap grows for them, clients
// included.
func BenchmarkTwoHundredClients(b *testing.B) {
	const perUser, readers, sleepers, bulk = 25, 150, 50, 1500
	e := start(b)
	listen := func(i int, types string) *eventStream {
		user := fmt.Sprint("u", i/perUser)
		if i%perUser == 0 {
			addUser(b, e.store, store.User{ID: user, Name: user, Type: "S", Active: true})
		}
		return e.listen(b, call{path: "/events?types=" + types, token: e.signIn(b, user)})
	}
	var streams []*eventStream
	defer func() {
		for _, s := range streams {
			s.close()
		}
	}()
	for b.Loop() { // once is enough: what grows would grow again
		if len(streams) > 0 {
			continue
		}
		for i := range readers {
			streams = append(streams, listen(i, events.TypeScanRequested))
			streams[i].next() // ready
		}
		alone := e.crowd(b, streams, 0, 0)
		for i := range sleepers {
			streams = append(streams, listen(readers+i, events.TypeBackupObserved))
		}
		before := heap()
		beside := e.crowd(b, streams[:readers], 1, bulk)
		b.ReportMetric(float64(heap()-before)/(1<<20), "heap-MiB")
		for name, late := range map[string][2]time.Duration{"alone": alone, "beside": beside} {
			b.ReportMetric(float64(late[0].Microseconds())/1000, name+"-p50-ms")
			b.ReportMetric(float64(late[1].Microseconds())/1000, name+"-p99-ms")
		}
	}
	b.ReportMetric(0, "ns/op")
}

// crowd has the readers read fifty events, with a bulk of others before
// each part, and gives how late they came: the median and the 99th percentile.
func (e *env) crowd(t testing.TB, readers []*eventStream, round, bulk int) [2]time.Duration {
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

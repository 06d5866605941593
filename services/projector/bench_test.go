package projector

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/natstest"
	"backupmonitor/services/internal/store"
	"backupmonitor/services/internal/store/sqlserver/sqlservertest"
)

// backEnds are the databases that are measured, each with the way to a fresh
// one. A line of 5 ms is as long as one to another town.
func backEnds() map[string]func(b *testing.B) store.Backend {
	return map[string]func(b *testing.B) store.Backend{
		"SQLite": func(b *testing.B) store.Backend {
			w := &world{path: b.TempDir() + "/monitor.db"}
			return w.open(b)
		},
		"SQL Server": func(b *testing.B) store.Backend { return opened(b, sqlservertest.Database(b)) },
		"SQL Server over 5 ms": func(b *testing.B) store.Backend {
			line, over := sqlservertest.NewLine(b, sqlservertest.Database(b))
			line.Poison(b, sqlservertest.Toxic{Name: "far", Type: "latency", Stream: "downstream", Attributes: map[string]any{"latency": 5}})
			return opened(b, over)
		},
	}
}

// prepared is a world on such a database, with tables.
func prepared(b *testing.B, log *natstest.Server, fresh func(*testing.B) store.Backend) *world {
	w := &world{Server: log, db: fresh(b)}
	if err := w.db.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	return w
}

// BenchmarkCatchUp projects a log that was there before, from its beginning.
func BenchmarkCatchUp(b *testing.B) {
	log := natstest.Start(b)
	const looks = 10000
	for i := range looks / 2 {
		if i%500 == 0 {
			<-log.JS.PublishAsyncComplete()
		}
		for _, m := range events.Modes() {
			msg, err := events.Encode("/backup-monitor/bench", start(), observed(fmt.Sprint("scan", i/1000), fmt.Sprintf("OUT%04d", i%1000), m))
			if err != nil {
				b.Fatal(err)
			}
			if _, err := log.JS.PublishMsgAsync(msg); err != nil {
				b.Fatal(err)
			}
		}
	}
	<-log.JS.PublishAsyncComplete()
	for name, fresh := range backEnds() {
		b.Run(name, func(b *testing.B) {
			b.StopTimer()
			b.ResetTimer()
			for range b.N {
				w := prepared(b, log, fresh)
				b.StartTimer()
				stop := running(b, New(Config{}, w.Log, w.db, slog.New(slog.DiscardHandler)))
				w.reached(b, looks)
				b.StopTimer()
				if err := stop(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(looks*float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkLive measures from one event's append to its visibility, with
// nothing else going on.
func BenchmarkLive(b *testing.B) {
	for name, fresh := range backEnds() {
		b.Run(name, func(b *testing.B) {
			w := prepared(b, natstest.Start(b), fresh)
			running(b, New(Config{}, w.Log, w.db, slog.New(slog.DiscardHandler)))
			w.reached(b, w.append(b, observed("scan", "OUT001", events.DDrive))) // the first prepares its statements
			var appended, visible time.Duration
			b.ResetTimer()
			for i := range b.N {
				begin := time.Now()
				seq := w.append(b, observed(fmt.Sprint("scan", i), "OUT001", events.DDrive))
				appended += time.Since(begin)
				w.reached(b, seq)
				visible += time.Since(begin)
			}
			b.ReportMetric(float64(appended.Microseconds())/float64(b.N), "µs-to-append")
			b.ReportMetric(float64(visible.Microseconds())/float64(b.N), "µs-to-visible")
			b.ReportMetric(float64(b.N)/visible.Seconds(), "events/s")
		})
	}
}

// BenchmarkPace appends 500 events a second and tells how many the tables were
// behind, at most and at the median: one who does not keep up falls behind
// without end.
func BenchmarkPace(b *testing.B) {
	const pace, seconds = 500, 10
	for name, fresh := range backEnds() {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				w := prepared(b, natstest.Start(b), fresh)
				running(b, New(Config{}, w.Log, w.db, slog.New(slog.DiscardHandler)))
				w.reached(b, w.append(b, observed("scan", "OUT001", events.DDrive)))
				var last uint64
				var behind []uint64
				begin := time.Now()
				for i := range pace * seconds {
					last = w.append(b, observed(fmt.Sprint("scan", i/1000), fmt.Sprintf("OUT%04d", i%1000), events.DDrive))
					if i%(pace/5) == 0 {
						behind = append(behind, last-w.checkpoint(b).Seq)
					}
					pause(b.Context(), time.Until(begin.Add(time.Duration(i)*time.Second/pace)))
				}
				b.ReportMetric(float64(last)/time.Since(begin).Seconds(), "events/s")
				ended := time.Now()
				w.reached(b, last)
				slices.Sort(behind)
				b.ReportMetric(float64(behind[len(behind)-1]), "events-behind-at-most")
				b.ReportMetric(float64(behind[len(behind)/2]), "events-behind-median")
				b.ReportMetric(float64(time.Since(ended).Milliseconds()), "ms-to-catch-up")
			}
		})
	}
}

package projector

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"backupmonitor/events"
)

// BenchmarkCatchUp projects a log that was there before, from its beginning.
func BenchmarkCatchUp(b *testing.B) {
	w := newWorld(b)
	const looks = 10000
	for i := range looks / 2 {
		if i%500 == 0 {
			<-w.JS.PublishAsyncComplete()
		}
		for _, m := range events.Modes() {
			msg, err := events.Encode("/backup-monitor/bench", start(), observed(fmt.Sprint("scan", i/1000), fmt.Sprintf("OUT%04d", i%1000), m))
			if err != nil {
				b.Fatal(err)
			}
			if _, err := w.JS.PublishMsgAsync(msg); err != nil {
				b.Fatal(err)
			}
		}
	}
	<-w.JS.PublishAsyncComplete()
	b.ResetTimer()
	for range b.N {
		b.StopTimer()
		fresh := &world{Server: w.Server, path: b.TempDir() + "/monitor.db"}
		fresh.db = fresh.open(b)
		if err := fresh.db.Migrate(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		stop := running(b, New(Config{}, w.Log, fresh.db, slog.New(slog.DiscardHandler)))
		fresh.reached(b, looks)
		if err := stop(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(looks*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkLive measures from one event's append to its visibility, with
// nothing else going on.
func BenchmarkLive(b *testing.B) {
	w := newWorld(b)
	running(b, New(Config{}, w.Log, w.db, slog.New(slog.DiscardHandler)))
	var appended, visible time.Duration
	for i := range b.N {
		begin := time.Now()
		seq := w.append(b, observed(fmt.Sprint("scan", i), "OUT001", events.DDrive))
		appended += time.Since(begin)
		w.reached(b, seq)
		visible += time.Since(begin)
	}
	b.ReportMetric(float64(appended.Microseconds())/float64(b.N), "µs-to-append")
	b.ReportMetric(float64(visible.Microseconds())/float64(b.N), "µs-to-visible")
}

package restore_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"backupmonitor/events"
	"backupmonitor/services/cmd/backup-monitor/instance"
	"backupmonitor/services/cmd/backup-monitor/restore"
	"backupmonitor/services/internal/logfile"
)

// benchLooks is how many looks a log has for a benchmark: a year's 12 million
// take 120 times as long.
const benchLooks = 100_000

// benchLook is a look with sixteen files, as a real one has.
func benchLook(i int) events.BackupObserved {
	at := time.Date(2026, 3, 14, 2, 0, 0, 0, time.UTC).Add(time.Duration(i) * time.Second)
	e := events.BackupObserved{
		Outlet: fmt.Sprintf("B%04d", i%1000), Mode: events.DDrive, ScanID: fmt.Sprint(i / 1000), ScanDate: events.DateOf(at, time.UTC),
		Server: "10.20.30.40", StartedAt: at, DurationMS: 123.4,
	}
	d := events.Drive{Letter: "D", Share: "d$", Folder: "BackupFull", FileCount: 16}
	for f := range 16 {
		d.Files = append(d.Files, events.File{Name: fmt.Sprintf("DB_B%04d_%02d_%d.bak", i%1000, f, i), Bytes: 2631231488 + int64(i), Modified: at, Created: at})
	}
	e.Drives = []events.Drive{d}
	return e
}

// benchLog makes a log of looks on the disk, and gives its size in bytes.
func benchLog(b *testing.B) (log *events.Log, size int64) {
	b.Helper()
	n, err := instance.Scratch(b.TempDir(), quiet())
	if err != nil {
		b.Fatal(err)
	}
	i := 0
	err = n.Load(events.Limits{EventsMaxBytes: 1 << 40}.Log(), instance.Contents{First: 1, Last: benchLooks, Records: benchLooks, Next: func() (events.Record, error) {
		if i == benchLooks {
			return events.Record{}, io.EOF
		}
		e := benchLook(i)
		m, err := events.Encode("/backup-monitor/bench", e.StartedAt, e)
		if err != nil {
			return events.Record{}, err
		}
		i++
		size += int64(len(m.Data))
		return events.Record{Seq: uint64(i), Stored: e.StartedAt, Subject: m.Subject, Header: m.Header, Data: m.Data}, nil
	}})
	if err != nil {
		b.Fatal(err)
	}
	closed := make(chan struct{})
	nc, err := n.ConnectKeeper("bench", nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		nc.Close()
		<-closed
		if err := n.Close(); err != nil {
			b.Error(err)
		}
	})
	js, err := jetstream.New(nc)
	if err != nil {
		b.Fatal(err)
	}
	return events.NewLog(js, "bench"), size
}

// BenchmarkCopies: reading the log and no more, beside a backup, which also
// writes, syncs, and reads back, and a restore, which reads all twice and
// compares it twice.
func BenchmarkCopies(b *testing.B) {
	log, size := benchLog(b)
	b.Run("read", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			feed, err := log.Feed(b.Context(), events.FeedOptions{})
			if err != nil {
				b.Fatal(err)
			}
			for range benchLooks {
				if _, err := feed.Next(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			feed.Stop()
		}
	})
	b.Run("backup", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			dir := filepath.Join(b.TempDir(), "backup")
			m, err := logfile.Copy(b.Context(), log, logfile.Options{Dir: dir})
			if err != nil {
				b.Fatal(err)
			}
			if err := os.RemoveAll(dir); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(m.Size())/benchLooks, "B/look")
		}
	})
	b.Run("restore", func(b *testing.B) {
		b.SetBytes(size)
		dir := filepath.Join(b.TempDir(), "backup")
		if _, err := logfile.Copy(b.Context(), log, logfile.Options{Dir: dir}); err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			o := restore.Options{Backup: dir, DataDir: filepath.Join(b.TempDir(), "data"), Limits: events.Limits{EventsMaxBytes: 1 << 40}, Logger: quiet()}
			_, err := restore.Into(b.Context(), o)
			if err := errors.Join(err, os.RemoveAll(o.DataDir)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

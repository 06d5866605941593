package rebuild_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/logfile"
	"backupmonitor/services/internal/natstest"
	"backupmonitor/services/internal/store/sqlite"
	"backupmonitor/services/projector"
	"backupmonitor/services/projector/rebuild"
)

// made is a log whose looks are made as they are read: what it holds would
// take a server minutes to store. Each outlet is looked at so many times a day
// in both modes, day after day. BenchmarkReadLog tells what a real one costs.
type made struct{ outlets, perDay, looks int }

func (l made) Identity(context.Context) (events.Identity, error) {
	return events.Identity{Created: start(), FirstSeq: 1, LastSeq: uint64(l.looks)}, nil
}

func (made) Restored(context.Context) (events.LogRestored, uint64, error) {
	return events.LogRestored{}, 0, nil
}

func (made) Dismissed(context.Context) (events.LogDismissed, uint64, error) {
	return events.LogDismissed{}, 0, nil
}

func (l made) SequenceAt(context.Context, time.Time) (uint64, error) { return uint64(l.looks), nil }

// Read implements rebuild.Log.
func (l made) Read(_ context.Context, from, to uint64, each func(events.Record) error) error {
	for seq := from; seq <= to; seq++ {
		n := int(seq - 1)
		day := n / (2 * l.outlets * l.perDay)
		e := look(1)
		e.Mode, e.Outlet = events.Modes()[n%2], fmt.Sprintf("OUT%04d", n/2%l.outlets)
		e.ScanID, e.ScanDate = fmt.Sprint("cron-", n/(2*l.outlets)), events.DateOf(start().AddDate(0, 0, day), time.UTC)
		m, err := events.Encode("/backup-monitor/bench", start(), e)
		if err == nil {
			err = each(events.Record{Seq: seq, Stored: start().Add(time.Duration(seq) * time.Second), Subject: m.Subject, Header: m.Header, Data: m.Data})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// logs are a year of days of 1000 outlets in both modes, one look each, and a
// million looks at 16 a day.
func logs() map[string]made {
	return map[string]made{
		"year of 730,000 day-rows": {outlets: 1000, perDay: 1, looks: 730_000},
		"million looks":            {outlets: 1000, perDay: 16, looks: 1_000_000},
	}
}

// BenchmarkRebuild makes a whole database from a log, folds the log anew
// beside it, compares, and, the second time, puts right rows that are all
// gone. decoding is the baseline: it reads and projects the same log, and
// keeps nothing.
func BenchmarkRebuild(b *testing.B) {
	for name, l := range logs() {
		b.Run(name, func(b *testing.B) {
			b.Run("decoding", func(b *testing.B) {
				for b.Loop() {
					err := l.Read(b.Context(), 1, uint64(l.looks), func(r events.Record) error { projector.Project(r); return nil })
					if err != nil {
						b.Fatal(err)
					}
				}
				rate(b, l.looks)
			})
			path := filepath.Join(b.TempDir(), "monitor.db")
			b.Run("replay", func(b *testing.B) {
				for b.Loop() {
					replay(b, l, path)
				}
				rate(b, l.looks)
			})
			for _, state := range []string{"nothing differs", "all rows are gone"} {
				b.Run(state, func(b *testing.B) { benchRebuild(b, l, path, state != "nothing differs") })
			}
		})
	}
}

func benchRebuild(b *testing.B, l made, path string, hurt bool) {
	db := open(b, path)
	for b.Loop() {
		if hurt {
			b.StopTimer()
			damage(b, path, "DELETE FROM D_Drive_Backup_Stat", "DELETE FROM IB_Storage_Backup_Stat")
			b.StartTimer()
		}
		r := run(b, l, db, false)
		if got := int(r.Tables[2].LogRows); got != l.looks || r.Repaired != hurt {
			b.Fatalf("%d looks: %s", got, text(r))
		}
	}
	rate(b, l.looks)
}

func replay(b *testing.B, l made, path string) {
	b.Helper()
	if err := sqlite.Remove(path); err != nil {
		b.Fatal(err)
	}
	db := open(b, path)
	if _, err := rebuild.Replay(b.Context(), l, db, uint64(l.looks), nil, quiet); err != nil {
		b.Fatal(err)
	}
}

func rate(b *testing.B, looks int) {
	b.ReportMetric(float64(looks*b.N)/b.Elapsed().Seconds(), "looks/s")
}

// BenchmarkReadLog reads a real log as a rebuild does.
func BenchmarkReadLog(b *testing.B) {
	n := natstest.Start(b)
	l := made{outlets: 1000, perDay: 16, looks: 50_000}
	err := l.Read(b.Context(), 1, uint64(l.looks), func(r events.Record) error {
		if r.Seq%500 == 0 {
			<-n.JS.PublishAsyncComplete()
		}
		_, err := n.JS.PublishAsync(r.Subject, r.Data)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	<-n.JS.PublishAsyncComplete()
	for b.Loop() {
		if err := (logfile.Whole{Log: n.Log}).Read(b.Context(), 1, uint64(l.looks), func(events.Record) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
	rate(b, l.looks)
}

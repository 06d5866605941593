package live

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/natstest"
)

// BenchmarkResume catches up with what is told of one outlet of five hundred: by
// its subjects, and by a look at every event, as the baseline.
func BenchmarkResume(b *testing.B) {
	const outlets, looks = 500, 10
	n := natstest.Start(b)
	for i := range outlets * looks {
		o := events.BackupObserved{
			Outlet: fmt.Sprint("S", i%outlets), Mode: events.DDrive, ScanID: fmt.Sprint("scan", i/outlets), ScanDate: "2026-02-21", StartedAt: time.Now(),
			Warnings: []string{strings.Repeat("w", 1000)}, // about what a look takes
		}
		if _, _, err := n.Log.Append(b.Context(), o); err != nil {
			b.Fatal(err)
		}
	}
	h := NewHub(n.Log, &list{from: outlets * looks}, slog.New(slog.DiscardHandler))
	run(b, h)
	if err := h.Ready(b.Context()); err != nil {
		b.Fatal(err)
	}
	identity, _ := h.Position()
	for name, subjects := range map[string][]string{"by subjects": events.SubjectsOf(events.TypeBackupObserved, "S7"), "every event": nil} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				got := 0
				s := Selection{Subjects: subjects, Wants: func(f *Frame) bool { return f.About == "S7" }}
				c, err := h.Resume(b.Context(), Position{Identity: identity}, s, func(*Frame) error { got++; return nil })
				if err != nil || got != looks {
					b.Fatal(got, err)
				}
				c.Close()
			}
		})
	}
}

// BenchmarkFrame encodes a look for its clients: for those who may read all of it,
// and for one who may not, too.
func BenchmarkFrame(b *testing.B) {
	n := natstest.Start(b)
	at := time.Date(2026, 2, 21, 12, 0, 0, 0, time.UTC)
	look := events.BackupObserved{
		Outlet: "S1", Server: "10.0.0.1", Mode: events.DDrive, ScanID: "scan", ScanDate: "2026-02-21", StartedAt: at,
		Warnings: []string{strings.Repeat("w", 1000)}, Verdict: events.Verdict{Status: events.Successful, Cause: events.CauseOK},
	}
	if _, _, err := n.Log.Append(b.Context(), look); err != nil {
		b.Fatal(err)
	}
	r, err := n.Log.Last(b.Context(), look.Subject())
	if err != nil {
		b.Fatal(err)
	}
	e, err := r.Decode()
	if err != nil {
		b.Fatal(err)
	}
	for name, whole := range map[string]bool{"whole": true, "bare too": false} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f, err := NewFrame("log", r, e)
				if err != nil || len(f.For(whole)) == 0 {
					b.Fatal(err)
				}
			}
		})
	}
}

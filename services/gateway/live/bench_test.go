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

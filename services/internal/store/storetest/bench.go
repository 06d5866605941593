package storetest

import (
	"context"
	"testing"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// Years is the database that BenchmarkYears asks: 1000 outlets, both modes,
// every day of five years, 3.65 M rows. A back end fills its tables itself, as
// the original system left them, and migrates.
const (
	YearsOutlets = 1000
	YearsDays    = 1825
	YearsFirst   = "2020-01-01"
	yearsLast    = "2024-12-29"
)

// BenchmarkYears asks what is asked most, of a database of years. It reports
// the median: what must stay under 20 ms for a day's list and under 50 ms for
// a summary.
func BenchmarkYears(b *testing.B, db store.Backend) {
	rows := func(q store.Query, want int) func() error {
		return func() error {
			n := 0
			err := db.Rows(context.Background(), q, func(store.Row) error { n++; return nil })
			if err == nil && n != want {
				b.Fatalf("%d rows, want %d", n, want)
			}
			return err
		}
	}
	summary := func(q store.Query, want int) func() error {
		return func() error {
			days, err := db.Summary(context.Background(), q)
			if err == nil && len(days) != want {
				b.Fatalf("%d days, want %d", len(days), want)
			}
			return err
		}
	}
	for _, x := range []struct {
		name string
		ask  func() error
	}{
		{"stats of 1000 rows", rows(store.Query{Mode: events.DDrive, From: yearsLast, To: yearsLast}, YearsOutlets)},
		{"stats of a day years ago", rows(store.Query{Mode: events.DDrive, From: "2021-06-01", To: "2021-06-01"}, YearsOutlets)},
		{"stats of an outlet", rows(store.Query{Mode: events.DDrive, Outlet: "out0500"}, YearsDays)},
		{"summary of five years", summary(store.Query{Mode: events.DDrive}, YearsDays)},
		{"summary of 30 days", summary(store.Query{Mode: events.IBStorage, Limit: 30}, 30)},
		{"summary of an outlet", summary(store.Query{Mode: events.DDrive, Outlet: "out0500"}, YearsDays)},
	} {
		b.Run(x.name, func(b *testing.B) { benchmarkMedian(b, x.ask) })
	}
}

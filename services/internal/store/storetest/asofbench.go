package storetest

import (
	"context"
	"errors"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// AsOf is the history that BenchmarkAsOf asks: from 2025-01-01 on 1000 outlets,
// OUT0000 to OUT0999, looked at 16 times a day in both modes, 32,000 looks a day
// with sequences from 1 on, evenly over the day. A back end fills its history and
// tables itself, faster than look by look, and leaves to CountAsOf what MonitorDay
// keeps.
const (
	AsOfFirst = "2025-01-01"
	AsOfLooks = 32_000
)

// AsOfDays is how many days the history has: 30, or ASOF_DAYS. 365 are the 12
// million looks of a year.
func AsOfDays() int {
	n, err := strconv.Atoi(os.Getenv("ASOF_DAYS"))
	if err != nil {
		return 30
	}
	return n
}

func asOfDay(n int) events.Date {
	return events.DateOf(time.Date(2025, 1, 1+max(0, n), 0, 0, 0, 0, time.UTC), time.UTC)
}

// CountAsOf applies looks at the last day until the batches have counted all days
// before it.
func CountAsOf(b *testing.B, db store.Backend, days int) {
	b.Helper()
	var cp store.Checkpoint
	for i := range days/4 + 2 {
		l := good(uint64(days*AsOfLooks+i+1), events.DDrive, "OUT0000", asOfDay(days-1))
		l.Stored = time.Date(2025, 1, 1+days, 0, 0, i, 0, time.UTC)
		next := store.Checkpoint{Stream: stream, Seq: l.Seq}
		if err := db.Apply(b.Context(), store.Batch{Old: cp, New: next, Looks: []store.Look{l}}); err != nil {
			b.Fatal(err)
		}
		cp = next
	}
}

// BenchmarkAsOf asks what was known at a moment of the last day but one, and in
// the middle, as the gateway does: of no day after the moment's. Beside it are the
// same questions about now. Whatever answers a page must take less than a second,
// and every day's rows as long for each as a month's.
func BenchmarkAsOf(b *testing.B, db store.Backend, days int) {
	at := func(day int) time.Time { return time.Date(2025, 1, 1+day, 12, 0, 0, 0, time.UTC) }
	b.Run("which sequence", func(b *testing.B) {
		for b.Loop() {
			if _, err := db.SequenceAt(b.Context(), at(days-2)); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, m := range []struct {
		name string
		day  int
		now  bool
	}{{"now", days - 2, true}, {"then", days - 2, false}, {"half way back", days / 2, false}} {
		whole := store.Query{Mode: events.DDrive, To: asOfDay(m.day)}
		if !m.now {
			seq, err := db.SequenceAt(b.Context(), at(m.day))
			if err != nil || seq == 0 {
				b.Fatal(seq, err)
			}
			whole.AsOf = &seq
		}
		one, month, outlet := whole, whole, whole
		one.From, month.From, outlet.Outlet = asOfDay(m.day), asOfDay(m.day-30), "out0500"
		page, last := month, whole
		page.Limit, page.Offset = 1000, 1000*min(30, m.day)
		last.Limit, last.Offset = 1000, 1000*m.day
		b.Run("rows/one day/"+m.name, benchmarkRows(db, one, 0))
		b.Run("rows/the last page of a month/"+m.name, benchmarkRows(db, page, 0))
		b.Run("rows/the last page of every day/"+m.name, benchmarkRows(db, last, 0))
		b.Run("rows/the first row of every day/"+m.name, benchmarkRows(db, whole, 1))
		b.Run("rows/a month/"+m.name, benchmarkRows(db, month, 0))
		b.Run("rows/every day/"+m.name, benchmarkRows(db, whole, 0))
		b.Run("rows/one outlet/"+m.name, benchmarkRows(db, outlet, 0))
		b.Run("summary/a month/"+m.name, benchmarkSummary(db, month))
		b.Run("summary/every day/"+m.name, benchmarkSummary(db, whole))
		b.Run("summary/one outlet/"+m.name, benchmarkSummary(db, outlet))
	}
}

var errEnough = errors.New("enough")

// benchmarkRows reads rows, up to most where that is not 0.
func benchmarkRows(db store.Backend, q store.Query, most int) func(*testing.B) {
	return func(b *testing.B) {
		n := 0
		benchmarkMedian(b, func() error {
			n = 0
			err := db.Rows(context.Background(), q, func(store.Row) error {
				if n++; n == most {
					return errEnough
				}
				return nil
			})
			if errors.Is(err, errEnough) {
				return nil
			}
			if n == 0 {
				b.Error("there are no rows")
			}
			return err
		})
		b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	}
}

func benchmarkSummary(db store.Backend, q store.Query) func(*testing.B) {
	return func(b *testing.B) {
		benchmarkMedian(b, func() error {
			days, err := db.Summary(context.Background(), q)
			if len(days) == 0 {
				b.Error("there are no days")
			}
			return err
		})
	}
}

func benchmarkMedian(b *testing.B, ask func() error) {
	if err := ask(); err != nil { // the first plans, and reads from the disk
		b.Fatal(err)
	}
	var took []time.Duration
	for b.Loop() {
		begin := time.Now()
		if err := ask(); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-median")
}

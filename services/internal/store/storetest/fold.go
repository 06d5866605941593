package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// model is what the tables must be: of all that was said about an outlet, a
// mode and a date, the maximum by evidence, then sequence; a known event id is
// ignored.
type model struct {
	rows  map[string]store.Look
	known map[string]store.Look
}

func (m *model) add(l store.Look) {
	if _, ok := m.known[l.EventID]; ok {
		return
	}
	m.known[l.EventID] = l
	day := fmt.Sprint(l.Mode, "/", strings.ToUpper(l.Outlet), "/", l.ScanDate)
	r, ok := m.rows[day]
	if !ok || l.Evidence > r.Evidence || l.Evidence == r.Evidence && l.Seq > r.Seq {
		m.rows[day] = l
	}
}

func (m *model) of(mode events.Mode) (rows []store.Row, history []store.Look) {
	for _, l := range m.rows {
		if l.Mode == mode {
			rows = append(rows, store.Row{Look: l})
		}
	}
	slices.SortFunc(rows, func(a, b store.Row) int {
		if c := strings.Compare(string(b.ScanDate), string(a.ScanDate)); c != 0 {
			return c
		}
		return strings.Compare(strings.ToUpper(a.Outlet), strings.ToUpper(b.Outlet))
	})
	for _, l := range m.known {
		if l.Mode == mode {
			history = append(history, l)
		}
	}
	slices.SortFunc(history, func(a, b store.Look) int { return int(a.Seq) - int(b.Seq) })
	return rows, history
}

// exerciseFold applies random looks in random order, with repetitions, in
// random batches, and compares all tables with the model. One database serves
// all runs: each has days and sequences of its own.
func exerciseFold(t *testing.T, fresh Fresh) {
	w := migrated(t, fresh)
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		first := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, 3*run)
		days := []events.Date{events.DateOf(first, time.UTC), events.DateOf(first.AddDate(0, 0, 1), time.UTC)}
		n := rapid.IntRange(1, 25).Draw(rt, "looks")
		var looks []store.Look
		for i := range n {
			seq := uint64(1000*run + i)
			mode := rapid.SampledFrom(events.Modes()).Draw(rt, "mode")
			outlet := rapid.SampledFrom([]string{"OUT1", "out1", "Out1", "OUT2", "café", "CAFÉ", "straße"}).Draw(rt, "outlet")
			day := rapid.SampledFrom(days).Draw(rt, "day")
			e := events.Evidence(rapid.IntRange(0, 3).Draw(rt, "evidence"))
			if rapid.Bool().Draw(rt, "good") && e > 0 {
				l := good(seq, mode, outlet, day)
				l.Evidence = e
				looks = append(looks, l)
			} else {
				looks = append(looks, failed(seq, mode, outlet, day, rapid.SampledFrom(events.Causes()).Draw(rt, "cause"), e))
			}
		}
		m := model{rows: map[string]store.Look{}, known: map[string]store.Look{}}
		for _, l := range looks {
			m.add(l)
		}
		order := rapid.Permutation(append(slices.Clone(looks), rapid.SliceOfN(rapid.SampledFrom(looks), 0, 10).Draw(rt, "again")...)).Draw(rt, "order")
		for len(order) > 0 {
			k := rapid.IntRange(1, len(order)).Draw(rt, "batch")
			w.apply(t, order[:k]...)
			order = order[k:]
		}
		for _, mode := range events.Modes() {
			q := store.Query{Mode: mode, From: days[0], To: days[1]}
			rows, history := m.of(mode)
			if got, want := text(w.rows(t, q)), text(rows); got != want {
				rt.Fatalf("rows of %s: got %s\nwant %s", mode, got, want)
			}
			if got, want := text(w.history(t, q)), text(history); got != want {
				rt.Fatalf("history of %s: got %s\nwant %s", mode, got, want)
			}
			same(rt, "summary", w.summary(t, q), counted(rows))
		}
	})
	// The days of all runs: some counted by batches that left them alone.
	for _, mode := range events.Modes() {
		same(t, "summary", w.summary(t, store.Query{Mode: mode}), counted(w.rows(t, store.Query{Mode: mode})))
	}
}

// counted is the summary of rows, which come newest day first.
func counted(rows []store.Row) (days []store.DaySummary) {
	for _, r := range rows {
		if len(days) == 0 || days[len(days)-1].ScanDate != r.ScanDate {
			days = append(days, store.DaySummary{ScanDate: r.ScanDate})
		}
		d := &days[len(days)-1]
		d.Total++
		if r.Status == events.Successful {
			d.Successful++
		} else {
			d.Failed++
		}
		if r.Evidence == events.EvidenceNone {
			d.NotObserved++
		}
	}
	return days
}

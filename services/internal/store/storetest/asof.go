package storetest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

func exerciseAsOf(t *testing.T, fresh Fresh) {
	t.Run("a row as it was before it was rewritten", func(t *testing.T) {
		t.Parallel()
		w := migrated(t, fresh)
		const m = events.IBStorage
		w.apply(t, failed(2, m, "Out1", day1, events.CauseTimeout, events.EvidenceNone), good(4, m, "OUT1", day1),
			failed(6, m, "OUT1", day1, events.CauseStale, events.EvidenceFull), good(8, m, "OUT2", day2))
		for seq, want := range map[uint64]string{
			0: "", 1: "", 2: "Out1 timeout", 3: "Out1 timeout", 4: "OUT1 ok", 5: "OUT1 ok", 6: "OUT1 stale", 8: "OUT2 ok, OUT1 stale", 99: "OUT2 ok, OUT1 stale",
		} {
			var got []string
			for _, r := range w.rows(t, store.Query{Mode: m, AsOf: &seq}) {
				got = append(got, r.Outlet+" "+string(r.Cause))
			}
			if text := strings.Join(got, ", "); text != want {
				t.Errorf("as of %d: %s, want %s", seq, text, want)
			}
		}
	})
	t.Run("the latest scan date as it was", func(t *testing.T) {
		t.Parallel()
		w := migrated(t, fresh)
		w.apply(t, good(2, events.DDrive, "OUT1", day1), good(4, events.IBStorage, "OUT1", day3), good(6, events.DDrive, "OUT1", day2))
		for seq, want := range map[uint64]events.Date{1: "", 2: day1, 5: day1, 6: day2, 9: day2} {
			if got, err := w.LatestScanDateAsOf(t.Context(), events.DDrive, seq, day3); err != nil || got != want {
				t.Errorf("as of %d: %q, %v; want %q", seq, got, err, want)
			}
		}
		if got, err := w.LatestScanDateAsOf(t.Context(), events.DDrive, 9, day1); err != nil || got != day1 {
			t.Errorf("until the first day: %q, %v", got, err)
		}
	})
	t.Run("what was stored by a time", func(t *testing.T) {
		t.Parallel()
		w := migrated(t, fresh)
		at := func(l store.Look, seconds int) store.Look {
			l.Stored = noon().Add(time.Duration(seconds) * time.Second)
			return l
		}
		if got, err := w.SequenceAt(t.Context(), noon()); err != nil || got != 0 {
			t.Fatalf("of nothing: %d, %v", got, err)
		}
		w.apply(t, at(good(3, events.DDrive, "OUT1", day1), 10), at(good(7, events.DDrive, "OUT2", day1), 20),
			at(good(8, events.DDrive, "OUT3", day1), 20), at(good(90, events.IBStorage, "OUT1", day1), 30))
		for seconds, want := range map[int]uint64{9: 0, 10: 3, 19: 3, 20: 8, 29: 8, 30: 90, 3000: 90} {
			if got, err := w.SequenceAt(t.Context(), noon().Add(time.Duration(seconds)*time.Second)); err != nil || got != want {
				t.Errorf("after %d s: %d, %v; want %d", seconds, got, err, want)
			}
		}
	})
	t.Run("any moment of any history", func(t *testing.T) {
		t.Parallel()
		exerciseAnyMoment(t, fresh)
	})
}

// exerciseAnyMoment holds pages of rows, and summaries, as of any sequence against
// the model fed with what there was until then. One database serves all runs: days
// are counted that are left alone, and anew where a look comes late to them, as one
// that was released from the quarantine.
func exerciseAnyMoment(t *testing.T, fresh Fresh) {
	w := migrated(t, fresh)
	var applied, late []store.Look
	run := 0
	begin := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(rt *rapid.T) {
		run++
		looks := slices.Concat(late, anyLooks(rt, uint64(1000*run), begin.AddDate(0, 0, 2*run)))
		var now []store.Look
		late = nil
		for _, l := range looks {
			if rapid.IntRange(0, 4).Draw(rt, "late") == 0 {
				late = append(late, l)
			} else {
				now = append(now, l)
			}
		}
		w.apply(t, now...)
		applied = append(applied, now...)
		seq := uint64(rapid.IntRange(1000*max(1, run-6), 1000*run+25).Draw(rt, "as of"))
		m := model{rows: map[string]store.Look{}, known: map[string]store.Look{}}
		for _, l := range applied {
			if l.Seq <= seq {
				m.add(l)
			}
		}
		q := anyQuery(rt, events.DateOf(begin.AddDate(0, 0, 2*max(1, run-8)), time.UTC))
		q.AsOf = &seq
		rows := m.selected(q)
		if got, want := text(w.rows(t, q)), text(paged(q, rows)); got != want {
			rt.Fatalf("rows of %+v as of %d: got %s\nwant %s", q, seq, got, want)
		}
		q.Status, q.Cause, q.Offset = "", "", 0
		days := counted(m.selected(q))
		if q.Limit > 0 {
			days = days[:min(q.Limit, len(days))]
		}
		if got, want := text(w.summary(t, q)), text(days); got != want {
			rt.Fatalf("days of %+v as of %d: got %s\nwant %s", q, seq, got, want)
		}
	})
}

// anyLooks are looks, in the order of the log, at two days and some before.
func anyLooks(rt *rapid.T, base uint64, first time.Time) []store.Look {
	var days []events.Date
	for back := range 6 {
		days = append(days, events.DateOf(first.AddDate(0, 0, 1-back), time.UTC))
	}
	looks := make([]store.Look, rapid.IntRange(1, 20).Draw(rt, "looks"))
	for i := range looks {
		mode := rapid.SampledFrom(events.Modes()).Draw(rt, "mode")
		outlet := rapid.SampledFrom([]string{"OUT1", "out1", "OUT2", "café"}).Draw(rt, "outlet")
		l := good(base+uint64(i), mode, outlet, rapid.SampledFrom(days).Draw(rt, "day"))
		if rapid.Bool().Draw(rt, "failed") {
			l = failed(l.Seq, mode, outlet, l.ScanDate, rapid.SampledFrom([]events.Cause{events.CauseStale, events.CauseTooSmall}).Draw(rt, "cause"), 0)
		}
		l.Evidence = events.Evidence(rapid.IntRange(0, 3).Draw(rt, "evidence"))
		looks[i] = l
	}
	return looks
}

// anyQuery selects some of the days from one on, in any way.
func anyQuery(rt *rapid.T, from events.Date) store.Query {
	return store.Query{
		Mode: rapid.SampledFrom(events.Modes()).Draw(rt, "mode"), From: from,
		Outlet: rapid.SampledFrom([]string{"", "", "", "Out1", "CAFÉ"}).Draw(rt, "of outlet"),
		Status: rapid.SampledFrom([]events.Status{"", "", events.Successful, events.Failed}).Draw(rt, "of status"),
		Cause:  rapid.SampledFrom([]events.Cause{"", "", events.CauseStale}).Draw(rt, "of cause"),
		Limit:  rapid.IntRange(0, 6).Draw(rt, "limit"), Offset: rapid.SampledFrom([]int{0, 0, 1, 3, 9}).Draw(rt, "offset"),
	}
}

// selected are the rows that q selects, of all pages.
func (m *model) selected(q store.Query) []store.Row {
	rows, _ := m.of(q.Mode)
	return slices.DeleteFunc(rows, func(r store.Row) bool {
		return r.ScanDate < q.From || q.Outlet != "" && events.Key(r.Outlet) != events.Key(q.Outlet) ||
			q.Status != "" && r.Status != q.Status || q.Cause != "" && r.Cause != q.Cause
	})
}

func paged(q store.Query, rows []store.Row) []store.Row {
	rows = rows[min(q.Offset, len(rows)):]
	if q.Limit > 0 {
		rows = rows[:min(q.Limit, len(rows))]
	}
	return slices.Concat(rows) // nil where there are none
}

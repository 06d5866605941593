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

// exerciseAnyMoment holds rows and summaries as of each sequence against the
// model fed with what there was until then.
func exerciseAnyMoment(t *testing.T, fresh Fresh) {
	w := migrated(t, fresh)
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		first := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, 3*run)
		days := []events.Date{events.DateOf(first, time.UTC), events.DateOf(first.AddDate(0, 0, 1), time.UTC)}
		base := uint64(1000 * run)
		var looks []store.Look
		for i := range rapid.IntRange(1, 20).Draw(rt, "looks") {
			mode := rapid.SampledFrom(events.Modes()).Draw(rt, "mode")
			outlet := rapid.SampledFrom([]string{"OUT1", "out1", "OUT2", "café"}).Draw(rt, "outlet")
			l := good(base+uint64(i), mode, outlet, rapid.SampledFrom(days).Draw(rt, "day"))
			if rapid.Bool().Draw(rt, "failed") {
				l = failed(l.Seq, mode, outlet, l.ScanDate, events.CauseStale, 0)
			}
			l.Evidence = events.Evidence(rapid.IntRange(0, 3).Draw(rt, "evidence"))
			looks = append(looks, l)
		}
		w.apply(t, looks...)
		seq := base + uint64(rapid.IntRange(-1, len(looks)).Draw(rt, "as of"))
		m := model{rows: map[string]store.Look{}, known: map[string]store.Look{}}
		for _, l := range looks {
			if l.Seq <= seq {
				m.add(l)
			}
		}
		for _, mode := range events.Modes() {
			q := store.Query{Mode: mode, From: days[0], To: days[1], AsOf: &seq}
			want, _ := m.of(mode)
			if got, want := text(w.rows(t, q)), text(want); got != want {
				rt.Fatalf("rows of %s as of %d: got %s\nwant %s", mode, seq, got, want)
			}
			checkDays(rt, w, q, want)
		}
	})
}

func checkDays(rt *rapid.T, w *writer, q store.Query, rows []store.Row) {
	var want []store.DaySummary
	for _, r := range rows {
		i := slices.IndexFunc(want, func(d store.DaySummary) bool { return d.ScanDate == r.ScanDate })
		if i < 0 {
			want = append(want, store.DaySummary{ScanDate: r.ScanDate})
			i = len(want) - 1
		}
		d := &want[i]
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
	got, err := w.Summary(rt.Context(), q)
	if err != nil {
		rt.Fatal(err)
	}
	if text(got) != text(want) {
		rt.Fatalf("days: got %s\nwant %s", text(got), text(want))
	}
}

package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// threeDays has three outlets on three days, each with another story.
func threeDays(t *testing.T, fresh Fresh) *writer {
	t.Helper()
	w := migrated(t, fresh)
	const m = events.DDrive
	w.apply(t,
		good(1, m, "OUT003", day1), good(2, m, "OUT001", day1), good(3, m, "out002", day1),
		good(4, m, "OUT001", day2), failed(5, m, "OUT002", day2, events.CauseStale, events.EvidenceFull),
		failed(6, m, "OUT003", day2, events.CauseUnreachable, events.EvidenceNone),
		failed(7, m, "OUT001", day3, events.CauseTimeout, events.EvidenceNone),
		failed(8, m, "OUT002", day3, events.CauseStale, events.EvidenceFull), good(9, m, "OUT003", day3),
		good(10, events.IBStorage, "OUT001", day1),
	)
	return w
}

func exerciseRead(t *testing.T, fresh Fresh) {
	t.Run("the latest scan date", func(t *testing.T) {
		t.Parallel()
		w := migrated(t, fresh)
		const never events.Date = "9999-12-31"
		for _, step := range []struct {
			looks []store.Look
			want  map[events.Date]events.Date // by the last day that is asked about
		}{
			{nil, map[events.Date]events.Date{day3: "", never: ""}},
			{[]store.Look{good(1, events.DDrive, "OUT001", day2)}, map[events.Date]events.Date{day1: "", day2: day2, day3: day2}},
			{[]store.Look{good(2, events.DDrive, "OUT001", day1), good(3, events.IBStorage, "OUT001", day3)}, map[events.Date]events.Date{day1: day1, day3: day2}},
			// The day of a look is whatever it says.
			{[]store.Look{good(4, events.DDrive, "OUT001", never)}, map[events.Date]events.Date{day1: day1, day3: day2, never: never}},
		} {
			w.apply(t, step.looks...)
			for last, want := range step.want {
				if got, err := w.LatestScanDate(t.Context(), events.DDrive, last); err != nil || got != want {
					t.Fatalf("latest until %s: %q, %v; want %q", last, got, err, want)
				}
			}
		}
	})
	t.Run("filters", func(t *testing.T) { t.Parallel(); exerciseFilters(t, fresh) })
	t.Run("pages", func(t *testing.T) { t.Parallel(); exercisePages(t, fresh) })
	t.Run("the reader's error ends the reading", func(t *testing.T) {
		t.Parallel()
		w := threeDays(t, fresh)
		enough, calls := errors.New("enough"), 0
		stop := func() error {
			if calls++; calls == 2 {
				return enough
			}
			return nil
		}
		err := w.Rows(t.Context(), store.Query{Mode: events.DDrive}, func(store.Row) error { return stop() })
		if !errors.Is(err, enough) || calls != 2 {
			t.Fatalf("rows: %v after %d calls", err, calls)
		}
		calls = 0
		err = w.History(t.Context(), store.Query{Mode: events.DDrive}, func(store.Look) error { return stop() })
		if !errors.Is(err, enough) || calls != 2 {
			t.Fatalf("history: %v after %d calls", err, calls)
		}
	})
	t.Run("a reader may write and read", func(t *testing.T) {
		t.Parallel()
		w := threeDays(t, fresh)
		next := uint64(100)
		err := w.Rows(t.Context(), store.Query{Mode: events.DDrive}, func(r store.Row) error {
			next++
			w.apply(t, good(next, events.DDrive, r.Outlet, day3))
			_, err := w.LatestScanDate(t.Context(), events.DDrive, day3)
			return err
		})
		if err != nil || next != 109 {
			t.Fatalf("%v after %d rows", err, next-100)
		}
	})
	t.Run("parts are read in turn", func(t *testing.T) { t.Parallel(); exerciseTurns(t, fresh) })
	t.Run("registration beside the row", func(t *testing.T) {
		t.Parallel()
		w := threeDays(t, fresh)
		for i, code := range []string{"OUT001", "OUT002", "OUT003"} { // as rows from before the log have none
			l := good(uint64(20+i), events.IBStorage, code, day2)
			l.Server, l.Evidence = "", events.EvidenceImported
			w.apply(t, l)
		}
		w.batch(t, store.Batch{Outlets: []store.Outlet{
			{Code: "Out001", Address: "198.51.100.1:1445", Name: "North", Active: true, Source: events.SourceUser, Seq: 50}, // moved
			{Code: "OUT002", Name: "South", Source: events.SourceFile, Seq: 51},                                             // without address, retired
		}})
		const looked = "192.0.2.7"
		for m, want := range map[events.Mode]map[string][2]string{
			events.DDrive:    {"OUT001": {looked, "North"}, "OUT002": {looked, "South"}, "OUT003": {looked, ""}},
			events.IBStorage: {"OUT001": {"198.51.100.1:1445", "North"}, "OUT002": {"", "South"}, "OUT003": {"", ""}},
		} {
			for _, r := range w.rows(t, store.Query{Mode: m, From: day2}) {
				if got := [2]string{r.Server, r.OutletName}; got != want[r.Outlet] {
					t.Errorf("%s %s has %q, want %q", m, r.Outlet, got, want[r.Outlet])
				}
			}
		}
	})
}

func exerciseFilters(t *testing.T, fresh Fresh) {
	w := threeDays(t, fresh)
	for name, x := range map[string]struct {
		q    store.Query
		want []uint64 // sequences, in order
	}{
		"everything":          {store.Query{}, []uint64{7, 8, 9, 4, 5, 6, 2, 3, 1}},
		"an outlet":           {store.Query{Outlet: "OUT002"}, []uint64{8, 5, 3}},
		"in another spelling": {store.Query{Outlet: " Out002 "}, []uint64{8, 5, 3}},
		"an unknown outlet":   {store.Query{Outlet: "OUT00"}, nil},
		"a pattern is a code": {store.Query{Outlet: "OUT00%"}, nil},
		"from":                {store.Query{From: day2}, []uint64{7, 8, 9, 4, 5, 6}},
		"to":                  {store.Query{To: day2}, []uint64{4, 5, 6, 2, 3, 1}},
		"one day":             {store.Query{From: day2, To: day2}, []uint64{4, 5, 6}},
		"an empty range":      {store.Query{From: day3, To: day1}, nil},
		"successful":          {store.Query{Status: events.Successful}, []uint64{9, 4, 2, 3, 1}},
		"failed":              {store.Query{Status: events.Failed}, []uint64{7, 8, 5, 6}},
		"a cause":             {store.Query{Cause: events.CauseStale}, []uint64{8, 5}},
		"an unseen cause":     {store.Query{Cause: events.CauseTooSmall}, nil},
		"failed, one day":     {store.Query{Status: events.Failed, From: day2, To: day2}, []uint64{5, 6}},
		"cause and outlet":    {store.Query{Cause: events.CauseStale, Outlet: "out002", To: day2}, []uint64{5}},
		"contradiction":       {store.Query{Cause: events.CauseOK, Status: events.Failed}, nil},
		"the first two":       {store.Query{Limit: 2}, []uint64{7, 8}},
		"the next two":        {store.Query{Limit: 2, Offset: 2}, []uint64{9, 4}},
		"past an offset":      {store.Query{Offset: 7}, []uint64{3, 1}},
		"past the end":        {store.Query{Offset: 9}, nil},
		"all at once":         {store.Query{Outlet: "OUT003", From: day1, To: day3, Status: events.Failed, Cause: events.CauseUnreachable, Limit: 5}, []uint64{6}},
	} {
		x.q.Mode = events.DDrive
		var got []uint64
		for _, r := range w.rows(t, x.q) {
			got = append(got, r.Seq)
		}
		if !slices.Equal(got, x.want) {
			t.Errorf("%s: looks %v, want %v", name, got, x.want)
		}
	}
}

// exercisePages: pages join without gap or repetition, whatever their size,
// and a list longer than a back end reads at once is whole.
func exercisePages(t *testing.T, fresh Fresh) {
	w := migrated(t, fresh)
	const days, outlets = 6, 900
	seq := uint64(0)
	for d := range days {
		date := events.Date(fmt.Sprintf("2025-03-%02d", d+1))
		var looks []store.Look
		for o := range outlets {
			seq++
			code := fmt.Sprintf("Out%04d", o)
			if o%2 == 1 {
				code = fmt.Sprintf("OUT%04d", o)
			}
			looks = append(looks, good(seq, events.DDrive, code, date))
		}
		w.apply(t, looks...)
	}
	all := w.rows(t, store.Query{Mode: events.DDrive})
	if len(all) != days*outlets {
		t.Fatalf("%d rows, want %d", len(all), days*outlets)
	}
	for i, r := range all {
		if want := seq - uint64(i/outlets+1)*outlets + uint64(i%outlets) + 1; r.Seq != want {
			t.Fatalf("row %d is of look %d, want %d", i, r.Seq, want)
		}
	}
	for _, size := range []int{1700, 5000} {
		var paged []store.Row
		for offset := 0; ; offset += size {
			page := w.rows(t, store.Query{Mode: events.DDrive, Limit: size, Offset: offset})
			paged = append(paged, page...)
			if len(page) < size {
				break
			}
		}
		if !slices.Equal(codes(paged), codes(all)) {
			t.Fatalf("pages of %d: %d rows, other than the whole list", size, len(paged))
		}
	}
	tail := w.rows(t, store.Query{Mode: events.DDrive, Offset: 150, Limit: 5100})
	if !slices.Equal(codes(tail), codes(all[150:5250])) {
		t.Fatalf("5100 rows past the first 150: %d, other than in the whole list", len(tail))
	}
	if h := w.history(t, store.Query{Mode: events.DDrive}); len(h) != days*outlets || h[0].Seq != 1 || h[len(h)-1].Seq != seq {
		t.Fatalf("%d lines of history, want %d in order", len(h), days*outlets)
	}
}

package storetest

import (
	"testing"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

func exerciseSummary(t *testing.T, fresh Fresh) {
	w := threeDays(t, fresh)
	w.apply(t, failed(20, events.DDrive, "OUT004", day1, events.CauseNoBackup, events.EvidenceBackNone)) // late, but it looked
	d3 := store.DaySummary{ScanDate: day3, Total: 3, Successful: 1, Failed: 2, NotObserved: 1}
	d2 := store.DaySummary{ScanDate: day2, Total: 3, Successful: 1, Failed: 2, NotObserved: 1}
	d1 := store.DaySummary{ScanDate: day1, Total: 4, Successful: 3, Failed: 1}
	for name, x := range map[string]struct {
		q    store.Query
		want []store.DaySummary
	}{
		"every day":   {store.Query{Mode: events.DDrive}, []store.DaySummary{d3, d2, d1}},
		"the newest":  {store.Query{Mode: events.DDrive, Limit: 2}, []store.DaySummary{d3, d2}},
		"a range":     {store.Query{Mode: events.DDrive, From: day1, To: day2}, []store.DaySummary{d2, d1}},
		"another day": {store.Query{Mode: events.DDrive, From: "2026-01-01"}, nil},
		"an outlet": {store.Query{Mode: events.DDrive, Outlet: "Out003"}, []store.DaySummary{
			{ScanDate: day3, Total: 1, Successful: 1}, {ScanDate: day2, Total: 1, Failed: 1, NotObserved: 1}, {ScanDate: day1, Total: 1, Successful: 1},
		}},
		"the other mode": {store.Query{Mode: events.IBStorage}, []store.DaySummary{{ScanDate: day1, Total: 1, Successful: 1}}},
	} {
		got, err := w.Summary(t.Context(), x.q)
		if err != nil {
			t.Fatal(err)
		}
		same(t, name, got, x.want)
	}
	if _, err := w.Summary(t.Context(), store.Query{}); err == nil {
		t.Fatal("a summary without a mode was answered")
	}
}

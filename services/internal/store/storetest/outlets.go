package storetest

import (
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

func exerciseOutlets(t *testing.T, fresh Fresh) {
	w := migrated(t, fresh)
	active := func() []store.Outlet {
		t.Helper()
		found, err := w.ActiveOutlets(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if found := active(); len(found) != 0 {
		t.Fatalf("%d outlets in an empty database", len(found))
	}
	a := store.Outlet{
		Code: "out002", Address: "192.0.2.2:1445", Name: "Süd", Group: "South", Active: true,
		PausedUntil: new(time.Date(2025, 4, 1, 0, 0, 0, 0, time.FixedZone("", 3600))), MaxAgeSeconds: new(int64(7200)),
		Source: events.SourceUser, Seq: 10,
	}
	b := store.Outlet{Code: "OUT001", Address: "shop1.example", Active: true, Source: events.SourceFile, Seq: 11}
	w.batch(t, store.Batch{Outlets: []store.Outlet{a, b}})
	a.PausedUntil = new(a.PausedUntil.UTC())
	same(t, "by code, ignoring case", active(), []store.Outlet{b, a})

	newer := a
	newer.Code, newer.Name, newer.PausedUntil, newer.MaxAgeSeconds, newer.Group, newer.Seq = "OUT002", "South", nil, nil, "", 20
	older := a
	older.Name, older.Seq = "from the past", 15
	w.batch(t, store.Batch{Outlets: []store.Outlet{newer, older, a}})
	w.batch(t, store.Batch{Outlets: []store.Outlet{older}})
	same(t, "the newest wins, also applied out of order", active(), []store.Outlet{b, newer})

	retired := newer
	retired.Active, retired.Seq = false, 30
	w.batch(t, store.Batch{Outlets: []store.Outlet{retired}})
	same(t, "a retired one is not listed", active(), []store.Outlet{b})
	back := newer
	back.Seq = 31
	w.batch(t, store.Batch{Outlets: []store.Outlet{back}})
	same(t, "and may come back", active(), []store.Outlet{b, back})

	for seq, until := range []time.Time{time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC)} {
		back.PausedUntil, back.Seq = &until, uint64(40+seq)
		w.batch(t, store.Batch{Outlets: []store.Outlet{back}})
		same(t, "a pause as early and as late as there are years of four digits", active(), []store.Outlet{b, back})
	}
}

package storetest

import (
	"fmt"
	"slices"
	"testing"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// exerciseEvidence tells stories of one outlet and day. Whatever the order and
// the batches in which the looks are applied, the same one is the row. All
// stories are told in one database, each of two outlets of its own.
func exerciseEvidence(t *testing.T, fresh Fresh) {
	const m, o, d = events.DDrive, "OUT001", day1
	w, told := migrated(t, fresh), uint64(0)
	imported := func(seq uint64) store.Look {
		l := good(seq, m, o, d)
		l.Cause, l.Evidence, l.ObservedAt, l.SizeBytes, l.ClockSkewMS = "", events.EvidenceImported, nil, nil, nil
		return l
	}
	none := func(seq uint64, e events.Evidence) store.Look { return failed(seq, m, o, d, events.CauseNoBackup, e) }
	closed := func(seq uint64) store.Look { return failed(seq, m, o, d, events.CauseUnreachable, events.EvidenceNone) }
	for name, story := range map[string]struct {
		looks []store.Look
		row   uint64 // sequence of the look that must be the row
	}{
		"closed for the night after a good day":        {[]store.Look{good(1, m, o, d), closed(2), closed(3)}, 1},
		"closed first, then open":                      {[]store.Look{closed(1), good(2, m, o, d)}, 2},
		"closed all day: the latest attempt":           {[]store.Look{closed(1), closed(2), closed(3)}, 3},
		"missing in the morning, there at noon":        {[]store.Look{none(1, events.EvidenceFull), good(2, m, o, d)}, 2},
		"there at noon, deleted in the evening":        {[]store.Look{good(1, m, o, d), none(2, events.EvidenceFull)}, 2},
		"a late look finds none":                       {[]store.Look{good(1, m, o, d), none(2, events.EvidenceBackNone)}, 1},
		"a late look finds none, of a day not seen":    {[]store.Look{closed(1), none(2, events.EvidenceBackNone), closed(3)}, 2},
		"a late look finds it":                         {[]store.Look{none(1, events.EvidenceFull), good(2, m, o, d)}, 2},
		"imported, then a late look finds none":        {[]store.Look{imported(1), none(2, events.EvidenceBackNone)}, 1},
		"imported, then nobody could look":             {[]store.Look{imported(1), closed(2)}, 1},
		"imported, then looked at on the day":          {[]store.Look{imported(1), none(2, events.EvidenceFull)}, 2},
		"a late look finds none, then it was imported": {[]store.Look{none(1, events.EvidenceBackNone), imported(2), closed(3)}, 2},
		"looked at on the day, then imported":          {[]store.Look{none(1, events.EvidenceFull), imported(2)}, 1},
	} {
		// of is the story's look as one of an outlet and of the whole log.
		of := func(l store.Look, outlet string) store.Look {
			l.Seq += 10 * told
			l.Outlet, l.EventID, l.ScanID = outlet, fmt.Sprintf("%s:%d", outlet, l.Seq), ""
			return l
		}
		tell := func(outlet string) (looks []store.Look, row store.Look) {
			told++
			for _, l := range story.looks {
				looks = append(looks, of(l, outlet))
				if l.Seq == story.row {
					row = of(l, outlet)
				}
			}
			return looks, row
		}
		looks, want := tell(fmt.Sprintf("together %d", told))
		w.apply(t, looks...)
		same(t, name+", in one batch", w.one(t, store.Query{Mode: m, Outlet: want.Outlet}), store.Row{Look: want})

		looks, want = tell(fmt.Sprintf("apart %d", told))
		for _, l := range slices.Backward(looks) {
			w.apply(t, l)
		}
		same(t, name+", one by one, backwards", w.one(t, store.Query{Mode: m, Outlet: want.Outlet}), store.Row{Look: want})
		if h := w.history(t, store.Query{Mode: m, Outlet: want.Outlet}); len(h) != len(story.looks) {
			t.Fatalf("%s: %d lines of history, want all %d looks", name, len(h), len(story.looks))
		}
	}
}

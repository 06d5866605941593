package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

func exerciseValues(t *testing.T, fresh Fresh) {
	// storing gives what comes back of a look, from the row and from the
	// history: of an outlet and a sequence of its own.
	storing := func(t *testing.T) func(store.Look) store.Look {
		t.Helper()
		w := migrated(t, fresh)
		return func(l store.Look) store.Look {
			t.Helper()
			n := w.cp.Seq + 1
			l.Outlet, l.EventID, l.Seq = fmt.Sprintf("OUT%03d", n), fmt.Sprint("e", n), n
			w.apply(t, l)
			q := store.Query{Mode: l.Mode, Outlet: l.Outlet}
			row := w.one(t, q)
			same(t, "history", w.history(t, q), []store.Look{row.Look})
			return row.Look
		}
	}
	t.Run("times are UTC, of the backup in whole seconds", func(t *testing.T) {
		t.Parallel()
		zone := time.FixedZone("", 5*3600+1800)
		l := good(1, events.DDrive, "OUT001", day1)
		l.LastBackupTaken = new(time.Date(2025, 3, 1, 2, 30, 15, 987654321, zone))
		l.ObservedAt = new(time.Date(2025, 3, 1, 3, 0, 0, 123456789, zone))
		l.Stored = time.Date(2025, 3, 1, 3, 0, 1, 999999999, zone)
		got := storing(t)(l)
		for name, x := range map[string]struct{ got, want time.Time }{
			"LastBackupTaken": {*got.LastBackupTaken, time.Date(2025, 2, 28, 21, 0, 15, 0, time.UTC)},
			"ObservedAt":      {*got.ObservedAt, time.Date(2025, 2, 28, 21, 30, 0, 123456000, time.UTC)},
			"Stored":          {got.Stored, time.Date(2025, 2, 28, 21, 30, 1, 999999000, time.UTC)},
		} {
			if !x.got.Equal(x.want) || x.got.Location() != time.UTC {
				t.Errorf("%s is %v, want %v", name, x.got, x.want)
			}
		}
	})
	t.Run("what there is not stays nothing", func(t *testing.T) {
		t.Parallel()
		l := store.Look{
			EventID: "e1", Seq: 1, Stored: noon(), Mode: events.IBStorage, Outlet: "OUT001", ScanDate: day1,
			Status: events.Failed, Cause: events.CauseExpired, Evidence: events.EvidenceNone,
		}
		stored := storing(t)
		same(t, "look", stored(l), l)
		zeros := l
		zeros.EventID, zeros.Seq, zeros.Outlet = "e2", 2, "OUT002"
		zeros.SizeBytes, zeros.ClockSkewMS, zeros.FreeBytes, zeros.TotalBytes = new(int64(0)), new(0.0), new(int64(0)), new(int64(0))
		same(t, "zeros", stored(zeros), zeros)
	})
	t.Run("a row that is replaced keeps nothing of the old", func(t *testing.T) {
		t.Parallel()
		w := migrated(t, fresh)
		w.apply(t, good(1, events.IBStorage, "OUT001", day1))
		bare := store.Look{
			EventID: "e", Seq: 2, Stored: noon(), Mode: events.IBStorage, Outlet: "OUT001", ScanDate: day1,
			Status: events.Failed, Cause: events.CauseDriveMissing, Conclusive: true, Evidence: events.EvidenceFull,
		}
		w.apply(t, bare)
		same(t, "row", w.one(t, store.Query{Mode: events.IBStorage}), store.Row{Look: bare})
	})
	t.Run("texts are cut to their columns, between characters", func(t *testing.T) {
		t.Parallel()
		stored := storing(t)
		for name, x := range map[string]struct{ given, want string }{
			"ASCII":              {strings.Repeat("x", 501), strings.Repeat("x", 500)},
			"exactly":            {strings.Repeat("ü", 500), strings.Repeat("ü", 500)},
			"two bytes each":     {strings.Repeat("ü", 501), strings.Repeat("ü", 500)},
			"two units each":     {strings.Repeat("💾", 300), strings.Repeat("💾", 250)},
			"a pair at the edge": {strings.Repeat("x", 499) + "💾", strings.Repeat("x", 499)},
			"not UTF-8":          {"bad \xff\xfe byte", "bad \ufffd byte"},
		} {
			l := failed(1, events.DDrive, "OUT001", day1, events.CauseStale, events.EvidenceFull)
			l.ErrorDetails = x.given
			if got := stored(l).ErrorDetails; got != x.want {
				t.Errorf("%s: %q, want %q", name, got, x.want)
			}
		}
		l := good(1, events.IBStorage, "OUT001", day1)
		l.BackupFile, l.BackupFileSize = strings.Repeat("ñ", 300), strings.Repeat("9", 60)
		l.Duration, l.DriveLetter = strings.Repeat("8", 60), strings.Repeat("E", 12)
		got := stored(l)
		if got.BackupFile != strings.Repeat("ñ", 255) || len(got.BackupFileSize) != 50 || len(got.Duration) != 50 || len(got.DriveLetter) != 10 {
			t.Errorf("cut to %q", []string{got.BackupFile, got.BackupFileSize, got.Duration, got.DriveLetter})
		}
	})
	t.Run("names are text and nothing else", func(t *testing.T) {
		t.Parallel()
		stored := storing(t)
		for _, name := range []string{
			"'; DROP TABLE Outlets; --.bak", `"quoted" \back\slash.bak`, "%_[a-z]*?.bak", "備份 резерв 💾.bak", " blanks ", "null", "?1 :a @b $c",
		} {
			l := good(1, events.DDrive, "OUT001", day1)
			l.BackupFile = name
			if got := stored(l).BackupFile; got != name {
				t.Errorf("%q came back as %q", name, got)
			}
		}
	})
	t.Run("codes", func(t *testing.T) { t.Parallel(); exerciseCodes(t, fresh) })
}

// exerciseCodes: spellings of one code are one outlet, also beyond ASCII; the
// winning look's spelling is kept.
func exerciseCodes(t *testing.T, fresh Fresh) {
	for _, x := range []struct{ first, second string }{
		{"out001", "OUT001"}, {"Café Nord", "CAFÉ NORD"}, {"Ünlü-7", "üNLÜ-7"}, {"Москва", "МОСКВА"}, {"OUT001  ", " out001"},
		{strings.Repeat("💾é", 16) + "xy", strings.Repeat("💾É", 16) + "XY"}, // 50 units of UTF-16
	} {
		w := migrated(t, fresh)
		w.apply(t, good(1, events.DDrive, x.first, day1))
		late := failed(2, events.DDrive, x.second, day1, events.CauseUnreachable, events.EvidenceNone)
		w.apply(t, late)
		if got := w.one(t, store.Query{Mode: events.DDrive}); got.Seq != 1 || got.Outlet != strings.TrimSpace(x.first) {
			t.Errorf("%q then a weaker %q: row %d of %q", x.first, x.second, got.Seq, got.Outlet)
		}
		w.apply(t, good(3, events.DDrive, x.second, day1), good(4, events.DDrive, x.second, day2))
		rows := w.rows(t, store.Query{Mode: events.DDrive})
		second := strings.TrimSpace(x.second)
		same(t, "spelled", codes(rows), []string{second, second})
		w.apply(t, good(5, events.DDrive, x.first, day2))
		for _, asked := range []string{x.first, x.second} {
			if got := w.rows(t, store.Query{Mode: events.DDrive, Outlet: asked}); len(got) != 2 {
				t.Errorf("%q finds %d of 2 rows", asked, len(got))
			}
			if got := w.history(t, store.Query{Mode: events.DDrive, Outlet: asked}); len(got) != 5 {
				t.Errorf("%q finds %d of 5 looks", asked, len(got))
			}
		}
	}
	w := migrated(t, fresh)
	w.apply(t, good(1, events.DDrive, "cafe", day1), good(2, events.DDrive, "café", day1), good(3, events.DDrive, "strasse", day1),
		good(4, events.DDrive, "straße", day1))
	if got := w.rows(t, store.Query{Mode: events.DDrive}); len(got) != 4 {
		t.Errorf("%d rows, want 4: an accent or a ß makes another code", len(got))
	}
}

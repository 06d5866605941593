package rebuild_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/logfile"
	"backupmonitor/services/internal/natstest"
	"backupmonitor/services/internal/store"
	"backupmonitor/services/internal/verdict"
	"backupmonitor/services/projector/rebuild"
)

func line(t testing.TB, db store.Rebuilder, seq uint64) (l store.Look) {
	t.Helper()
	err := db.View(t.Context(), func(ctx context.Context, v store.Tables) error {
		lines, err := v.Lines(ctx, seq-1, 1)
		if err == nil && (len(lines) == 0 || lines[0].Seq != seq) {
			err = store.ErrNotFound
		}
		if err == nil {
			l = lines[0]
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestReplayUntil has the tables of then, and nothing that came after.
func TestReplayUntil(t *testing.T) {
	t.Parallel()
	l := &memory{}
	l.add(t, story(100)...)
	then := open(t, filepath.Join(t.TempDir(), "then.db"))
	project(t, l, then, 7)
	l.add(t, story(300)[100:]...)
	l.poison()
	db := open(t, filepath.Join(t.TempDir(), "replayed.db"))
	r, err := rebuild.Replay(t.Context(), l, db, 100, nil, quiet)
	if err != nil || r != (rebuild.Replayed{Seq: 100}) {
		t.Fatalf("%+v, %v", r, err)
	}
	if a, b := agree(t, l, then), agree(t, l, db); text(a) != text(b) {
		t.Errorf("then there was %s\nreplayed %s", text(a), text(b))
	}
	project(t, l, db, 50) // and a projector goes on from there
	if r := agree(t, l, db); r.Unreadable != 1 || r.Checkpoint != 301 {
		t.Errorf("after it went on: %s", text(r))
	}
}

// TestReplayRefuses what is not empty, not whole or not there.
func TestReplayRefuses(t *testing.T) {
	t.Parallel()
	l := &memory{}
	l.add(t, story(20)...)
	path := filepath.Join(t.TempDir(), "full.db")
	db := open(t, path)
	for _, statement := range []string{
		"INSERT INTO UserManager (UserID) VALUES ('a')", "INSERT INTO Outlets (OutletCode, ActiveDepot) VALUES ('a', 'N')",
		"INSERT INTO D_Drive_Backup_Stat (OutletServer, ScanDate) VALUES ('a', '2019-01-01')", "INSERT INTO MonitorCheckpoint VALUES (1, 'x', 1)",
	} {
		damage(t, path, statement)
		if _, err := rebuild.Replay(t.Context(), l, db, 20, nil, quiet); !errors.Is(err, rebuild.ErrNotEmpty) {
			t.Errorf("after %s: error %v, want ErrNotEmpty", statement, err)
		}
		damage(t, path, "DELETE FROM UserManager", "DELETE FROM Outlets", "DELETE FROM D_Drive_Backup_Stat", "DELETE FROM MonitorCheckpoint")
	}
	if _, err := rebuild.Replay(t.Context(), l, db, 21, nil, quiet); err == nil {
		t.Error("replayed beyond the end of the log")
	}
	l.records = l.records[1:]
	if _, err := rebuild.Replay(t.Context(), l, db, 20, nil, quiet); !errors.Is(err, logfile.ErrIncomplete) {
		t.Errorf("error %v, want ErrIncomplete", err)
	}
}

// TestJudgedAnew: the facts are those of the event, the outlet's own rule
// stands, and evidence comes from the new verdict.
func TestJudgedAnew(t *testing.T) {
	t.Parallel()
	l := &memory{}
	fresh, late := look(1), look(1) // their backups are an hour old
	late.ScanID, late.Today, late.ScanDate = "late", false, "2025-02-28"
	own := look(1)
	own.ScanID = "own"
	l.add(t, fresh, late, events.OutletChanged{Code: "out000", MaxAgeSeconds: new(int64(7200)), Source: events.SourceUser}, own,
		events.OutletChanged{Code: "OUT000", Source: events.SourceUser, Previous: 3}, events.HistoryImported{
			Outlet: "OUT000", Mode: events.DDrive, ScanDate: "2025-02-01", Status: events.Successful,
		})
	db := open(t, filepath.Join(t.TempDir(), "anew.db"))
	r, err := rebuild.Replay(t.Context(), l, db, 6, &verdict.Change{MaxAge: new(time.Minute)}, quiet)
	if err != nil || r != (rebuild.Replayed{Seq: 6, Judged: 3, Changed: 2}) {
		t.Fatalf("%+v, %v", r, err)
	}
	for seq, want := range map[uint64]struct {
		cause    events.Cause
		evidence events.Evidence
	}{
		1: {events.CauseStale, events.EvidenceFull}, 2: {events.CauseStale, events.EvidenceBackNone},
		4: {events.CauseOK, events.EvidenceFull}, 6: {"", events.EvidenceImported},
	} {
		if got := line(t, db, seq); got.Cause != want.cause || got.Evidence != want.evidence {
			t.Errorf("event %d: %s with evidence %d, want %+v", seq, got.Cause, got.Evidence, want)
		}
	}
	// Nobody goes on with such tables.
	if _, err := rebuild.Run(t.Context(), l, db, false, quiet); !errors.Is(err, rebuild.ErrForeign) {
		t.Errorf("error %v, want ErrForeign", err)
	}
}

// TestSequenceAt on a real log.
func TestSequenceAt(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	log := logfile.Whole{Log: n.Log}
	at := func(when time.Time, want uint64) {
		t.Helper()
		if got, err := log.SequenceAt(t.Context(), when); err != nil || got != want {
			t.Errorf("at %s: %d, %v; want %d", when, got, err, want)
		}
	}
	at(time.Now(), 0)
	for i := range 3 {
		if _, _, err := n.Log.Append(t.Context(), look(i)); err != nil {
			t.Fatal(err)
		}
	}
	var stored []time.Time
	err := log.Read(t.Context(), 1, 3, func(r events.Record) error { stored = append(stored, r.Stored); return nil })
	if err != nil || len(stored) != 3 {
		t.Fatal(stored, err)
	}
	at(stored[0].Add(-time.Hour), 0)
	at(stored[0].Add(-1), 0)
	for i, s := range stored {
		at(s, uint64(i+1))
		at(s.Add(-1), uint64(i))
	}
	at(stored[2].Add(time.Hour), 3)
}

package whatif_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"backupmonitor/events"
	"backupmonitor/services/internal/logfile"
	"backupmonitor/services/internal/natstest"
	"backupmonitor/services/internal/verdict"
	"backupmonitor/services/internal/whatif"
)

// archive takes what was stored before a moment out of the log.
func archive(t *testing.T, n *natstest.Server, dir string, before time.Time) {
	t.Helper()
	a := &logfile.Archiver{
		Log: n.Log, Keeper: n.JS, Dir: dir, Product: "test", By: "a test",
		Tables: func(ctx context.Context) (uint64, error) {
			id, err := n.Log.Identity(ctx)
			return id.LastSeq, err
		},
		Rehearse: func(ctx context.Context, dir string, _ func(done, total uint64)) error {
			_, err := logfile.Verify(ctx, dir, nil)
			return err
		},
		Now: func() time.Time { return time.Now().Add(10 * logfile.MinArchiveAge) },
	}
	if _, err := a.Archive(t.Context(), before); err != nil {
		t.Fatal(err)
	}
}

// TestArchived: what is said of a log is the same after parts of it were
// archived, however much of it is asked for; without an archive that is needed
// it says nothing.
func TestArchived(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	today := events.DateOf(time.Now(), time.UTC)
	own, ownPolicy := int64(72*3600), inForce()
	ownPolicy.MaxAgeSeconds = own
	store(t, n, events.OutletChanged{Code: "OWN", Active: true, MaxAgeSeconds: &own, Source: events.SourceUser},
		events.HistoryImported{Outlet: "D", Mode: events.DDrive, ScanDate: "2026-01-01", Status: events.Failed},
		look("s1", "A", today, 25*time.Hour, 1<<20, inForce()), look("s1", "OWN", today, 25*time.Hour, 1<<20, ownPolicy))
	first := time.Now()
	store(t, n, look("s2", "B", today, 25*time.Hour, 1<<20, inForce()))
	second := time.Now()
	store(t, n, look("s3", "A", today, time.Hour, 1<<20, inForce()), look("s3", "C", today, 30*time.Hour, 1<<20, inForce()))
	dir := filepath.Join(t.TempDir(), "archive")
	judge := func(dir string, from events.Date) (whatif.Report, error) {
		return whatif.Log(t.Context(), logfile.Whole{Log: n.Log, Archives: dir}, whatif.Options{From: from, Change: verdict.Change{MaxAge: new(24 * time.Hour)}})
	}
	want, err := judge(dir, "")
	if err != nil || want.Looks != 5 || want.Days != 5 || want.Changed != 1 { // of A the later look stands
		t.Fatalf("%+v, %v", want, err)
	}
	wantToday, err := judge(dir, today)
	if err != nil {
		t.Fatal(err)
	}
	for step, before := range []time.Time{first, second} {
		archive(t, n, dir, before)
		for from, want := range map[events.Date]whatif.Report{"": want, today: wantToday} {
			if got, err := judge(dir, from); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("step %d from %q: %+v, %v; want %+v", step, from, got, err, want)
			}
		}
		if _, err := judge(t.TempDir(), today); !errors.Is(err, logfile.ErrNoArchive) {
			t.Errorf("step %d: error %v, want ErrNoArchive", step, err)
		}
		if _, err := judge("", ""); !errors.Is(err, whatif.ErrArchived) {
			t.Errorf("step %d: error %v, want ErrArchived", step, err)
		}
	}
	// Looks for later days than any archived was stored on need no archive.
	later := events.DateOf(time.Now().AddDate(0, 0, 3), time.UTC)
	if r, err := judge(t.TempDir(), later); err != nil || r.Days != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestRepeated: an event that is in the log twice says what it said first.
func TestRepeated(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	today := events.DateOf(time.Now(), time.UTC)
	for _, age := range []time.Duration{time.Hour, 25 * time.Hour, 40 * time.Hour} {
		m, err := events.Encode("/backup-monitor/test", time.Now(), look("s1", "A", today, age, 1<<20, inForce()))
		if err != nil {
			t.Fatal(err)
		}
		delete(m.Header, nats.MsgIdHdr)
		if _, err := n.JS.PublishMsg(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	r, err := whatif.Log(t.Context(), logfile.Whole{Log: n.Log}, whatif.Options{Change: verdict.Change{MaxAge: new(24 * time.Hour)}})
	if err != nil || r.Looks != 1 || r.Days != 1 || r.Changed != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestMostLooks: what is too much is not begun with.
func TestMostLooks(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	today := events.DateOf(time.Now(), time.UTC)
	for i := range 20 {
		store(t, n, look(fmt.Sprint("s", i), "A", today, time.Hour, 1<<20, inForce()))
	}
	o := whatif.Options{MostLooks: 20, Progress: func(uint64, uint64) {}}
	if r, err := whatif.Log(t.Context(), logfile.Whole{Log: n.Log}, o); err != nil || r.Looks != 20 {
		t.Errorf("%+v, %v", r, err)
	}
	o.MostLooks = 19
	o.Progress = func(uint64, uint64) { t.Error("it has begun") }
	_, err := whatif.Log(t.Context(), logfile.Whole{Log: n.Log}, o)
	if e, ok := errors.AsType[*whatif.TooManyError](err); !ok || e.Looks != 20 {
		t.Errorf("error %v, want that 20 are too many", err)
	}
}

// BenchmarkLog judges looks at a folder with 16 files; 20,000 are half a day
// of 1000 outlets.
func BenchmarkLog(b *testing.B) {
	n := natstest.Start(b)
	const looks = 20_000
	at := time.Now()
	for i := range looks {
		l := look(fmt.Sprint("s", i/1000), fmt.Sprint("OUT", i%1000), events.DateOf(at, time.UTC), time.Hour, 1<<20, inForce())
		for f := range 15 {
			l.Drives[0].Files = append(l.Drives[0].Files, events.File{Name: fmt.Sprintf("DB_OUT%04d_%d.bak", i%1000, f), Bytes: 1 << 30, Modified: l.StartedAt.AddDate(0, 0, -f)})
		}
		m, err := events.Encode("/backup-monitor/test", at, l)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := n.JS.PublishMsgAsync(m); err != nil {
			b.Fatal(err)
		}
		if i%1000 == 999 {
			<-n.JS.PublishAsyncComplete()
		}
	}
	for b.Loop() {
		r, err := whatif.Log(b.Context(), logfile.Whole{Log: n.Log}, whatif.Options{Change: verdict.Change{MaxAge: new(24 * time.Hour)}})
		if err != nil || r.Looks != looks {
			b.Fatalf("%+v, %v", r.Looks, err)
		}
	}
	b.ReportMetric(float64(looks*b.N)/b.Elapsed().Seconds(), "looks/s")
}

package projector

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/logfile"
	"backupmonitor/services/internal/store"
)

// archive takes what the tables have read of before now out of the log.
func (w *world) archive(t *testing.T) events.Archive {
	t.Helper()
	return w.archiveUpTo(t, func(ctx context.Context) (uint64, error) {
		cp, err := w.db.Checkpoint(ctx)
		return cp.Seq, err
	})
}

func (w *world) archiveUpTo(t *testing.T, tables func(context.Context) (uint64, error)) events.Archive {
	t.Helper()
	a := logfile.Archiver{
		Log: w.Log, Keeper: w.JS, Dir: w.archives, Product: "test", By: "a test", Tables: tables,
		Rehearse: func(ctx context.Context, dir string, _ func(done, total uint64)) error {
			_, err := logfile.Verify(ctx, dir, nil)
			return err
		},
		Now: func() time.Time { return time.Now().Add(10 * logfile.MinArchiveAge) },
	}
	done, err := a.Archive(t.Context(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// whole is a story whose scan has ended.
func (w *world) whole(t *testing.T, scan, outlets int) uint64 {
	t.Helper()
	w.story(t, scan, outlets)
	return w.append(t, events.ScanCompleted{ScanID: fmt.Sprintf("scan-%03d", scan)})
}

// TestArchivedLog: a projector at work does not mind that the log is archived
// behind it; an empty database is filled from archives and log, and waits for
// the archives where they are not there.
func TestArchivedLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.projector(w.db)
	running(t, p)
	for round := range 2 {
		w.reached(t, w.whole(t, 2*round, 30))
		if done := w.archive(t); done.Purged == 0 {
			t.Fatalf("%+v", done)
		}
		w.reached(t, w.whole(t, 2*round+1, 30))
	}
	w.agrees(t)
	if s := p.Status(); s.Error != "" || !s.Running {
		t.Errorf("%+v", s)
	}
	last := w.checkpoint(t)
	away := w.archives + "-away"
	if err := os.Rename(w.archives, away); err != nil {
		t.Fatal(err)
	}
	w.path = filepath.Join(t.TempDir(), "empty.db")
	w.db = w.open(t)
	if err := w.db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	p = w.projector(w.db)
	running(t, p)
	until(t, "it names what is missing", func() bool { return strings.Contains(p.Status().Error, "archive-000000000001-") })
	if cp := w.checkpoint(t); cp.Seq != 0 {
		t.Fatalf("checkpoint %d without the archives", cp.Seq)
	}
	if err := os.Rename(away, w.archives); err != nil {
		t.Fatal(err)
	}
	w.reached(t, last.Seq)
	w.agrees(t)
}

// TestLaggingProjector: one that lags behind an archive, made when other tables
// had read all of the log, goes on in it; it waits where that is not there yet.
func TestLaggingProjector(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	last := w.whole(t, 0, 500) // more than a feed fetches ahead
	db := &held{Store: w.db, reached: make(chan struct{}), may: make(chan struct{})}
	p := w.projector(db)
	running(t, p)
	<-db.reached
	if done := w.archiveUpTo(t, func(context.Context) (uint64, error) { return last, nil }); done.Purged < 900 {
		t.Fatalf("%+v", done)
	}
	away := w.archives + "-away"
	if err := os.Rename(w.archives, away); err != nil {
		t.Fatal(err)
	}
	close(db.may)
	until(t, "it names what is missing", func() bool { return strings.Contains(p.Status().Error, "archive-000000000001-") })
	if s := p.Status(); !s.Running || strings.Contains(s.Error, "damaged") {
		t.Errorf("%+v", s)
	}
	if err := os.Rename(away, w.archives); err != nil {
		t.Fatal(err)
	}
	w.reached(t, last+2) // with the two words about the archive
	w.agrees(t)
}

// held is a database whose first transaction waits.
type held struct {
	Store
	once         sync.Once
	reached, may chan struct{}
}

func (h *held) Apply(ctx context.Context, b store.Batch) error {
	h.once.Do(func() {
		close(h.reached)
		<-h.may
	})
	return h.Store.Apply(ctx, b)
}

// TestRestoredLog: tables go on with a log that was restored from theirs, as
// far as it holds what they show; tables that are ahead of it do not.
func TestRestoredLog(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ahead uint64 // how far the tables are ahead of the backup
		more  int    // scans of the restored log before the projector looks
		want  error
	}{
		"as far as the backup":           {},
		"ahead of it":                    {ahead: 1, want: ErrLogTruncated},
		"ahead of it, and the log grows": {ahead: 5, more: 3, want: ErrLogTruncated},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.story(t, 0, 3)
			before, err := w.Log.Identity(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			stop := running(t, w.projector(w.db))
			w.reached(t, before.LastSeq)
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			w.recreate(t)
			w.story(t, 0, 3) // the same events once more: restored
			w.append(t, events.LogRestored{
				Incarnations: []events.Incarnation{{Log: before.ID(), Last: before.LastSeq - c.ahead}}, Backup: "backup-1",
			})
			last := uint64(0)
			for scan := range c.more {
				last = w.story(t, 1+scan, 3)
			}
			if c.want != nil {
				if err := ended(t, w.projector(w.db)); !errors.Is(err, c.want) || !strings.Contains(err.Error(), "backup-1") {
					t.Fatalf("error %v, want %v", err, c.want)
				}
				if cp := w.checkpoint(t); cp != (store.Checkpoint{Stream: before.ID(), Seq: before.LastSeq}) {
					t.Fatalf("checkpoint %+v", cp)
				}
				return
			}
			running(t, w.projector(w.db))
			w.reached(t, max(last, before.LastSeq+1))
			w.reached(t, w.story(t, 1, 3))
			if cp := w.checkpoint(t); cp.Stream == before.ID() {
				t.Error("the checkpoint still names the log that is gone")
			}
		})
	}
}

// TestGapThatTheServerDoesNotCount is damage too.
func TestGapThatTheServerDoesNotCount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.story(t, 0, 10)
	r := &reading{records: make(chan events.Record, 100)}
	f := &skipping{Log: w.Log, skip: 5}
	r.run(t.Context(), f, 1)
	f.Stop()
	if !errors.Is(r.err, ErrLogDamaged) || len(r.records) != 4 {
		t.Errorf("%d records, then %v", len(r.records), r.err)
	}
}

// skipping is a feed that leaves out one event.
type skipping struct {
	*events.Log
	feed *events.Feed
	skip uint64
}

func (s *skipping) Next(ctx context.Context) (events.Record, error) {
	if s.feed == nil {
		var err error
		if s.feed, err = s.Feed(ctx, events.FeedOptions{}); err != nil {
			return events.Record{}, err
		}
	}
	r, err := s.feed.Next(ctx)
	if err == nil && r.Seq == s.skip {
		r, err = s.feed.Next(ctx)
	}
	return r, err
}

func (s *skipping) Stop() { s.feed.Stop() }

package rebuild_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"backupmonitor/events"
	"backupmonitor/services/internal/logfile"
	"backupmonitor/services/internal/natstest"
	"backupmonitor/services/internal/store"
	"backupmonitor/services/projector"
	"backupmonitor/services/projector/rebuild"
)

// served is a log of a server, and tables that reach as far.
type served struct {
	*natstest.Server
	whole logfile.Whole
	db    interface {
		rebuild.Quarantine
		store.Rebuilder
	}
	path string
}

func serve(t *testing.T, looks int) *served {
	t.Helper()
	s := &served{Server: natstest.Start(t), path: filepath.Join(t.TempDir(), "monitor.db")}
	s.whole = logfile.Whole{Log: s.Log, Archives: filepath.Join(t.TempDir(), "archive")}
	s.db = open(t, s.path)
	for i := range looks {
		s.append(t, look(i))
	}
	s.project(t)
	return s
}

func (s *served) append(t *testing.T, p events.Payload) {
	t.Helper()
	if _, _, err := s.Log.Append(t.Context(), p); err != nil {
		t.Fatal(err)
	}
}

// project does what a projector does.
func (s *served) project(t *testing.T) {
	t.Helper()
	id, err := s.Log.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cp, err := s.db.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := store.Batch{Old: cp, New: store.Checkpoint{Stream: id.ID(), Seq: id.LastSeq}}
	err = s.whole.Read(t.Context(), cp.Seq+1, id.LastSeq, func(r events.Record) error {
		put(&b, projector.Project(r))
		return nil
	})
	if err := errors.Join(err, s.db.Apply(t.Context(), b)); err != nil {
		t.Fatal(err)
	}
}

// archive takes everything that the tables have read out of the log.
func (s *served) archive(t *testing.T) {
	t.Helper()
	a := logfile.Archiver{
		Log: s.Log, Keeper: s.JS, Dir: s.whole.Archives, Product: "test", By: "a test",
		Tables: func(ctx context.Context) (uint64, error) {
			cp, err := s.db.Checkpoint(ctx)
			return cp.Seq, err
		},
		Rehearse: func(ctx context.Context, dir string, _ func(done, total uint64)) error {
			_, err := logfile.Verify(ctx, dir, nil)
			return err
		},
		Now: func() time.Time { return time.Now().Add(10 * logfile.MinArchiveAge) },
	}
	if _, err := a.Archive(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
}

// found checks that fsck finds just these.
func (s *served) found(t *testing.T, want ...string) {
	t.Helper()
	c, err := rebuild.Check(t.Context(), s.whole, s.db, quiet)
	if err != nil || len(c.Findings) != len(want) {
		t.Fatalf("found %s, %v; want %q", text(c.Findings), err, want)
	}
	for i, w := range want {
		if f := text(c.Findings[i]); !strings.Contains(f, w) {
			t.Errorf("found %s, want %q", f, w)
		}
	}
	if c.Events == 0 || c.Checkpoint == 0 || c.Log == "" {
		t.Errorf("beside it: %+v", c)
	}
}

// TestArchivedMeanwhile: a fold that lags behind an archive goes on in it.
func TestArchivedMeanwhile(t *testing.T) {
	t.Parallel()
	s := serve(t, 1500) // more than a feed fetches ahead
	archived := false
	r, err := rebuild.Run(t.Context(), pausing{s.whole, func() {
		if !archived {
			archived = true
			s.archive(t)
		}
	}}, s.db, true, quiet)
	if err != nil || !archived || r.Wrong()+r.Unknown() != 0 {
		t.Fatalf("%s, %v", text(r), err)
	}
	s.found(t)
}

// pausing is a log that does something after the first record that is read.
type pausing struct {
	logfile.Whole
	pause func()
}

func (p pausing) Read(ctx context.Context, from, to uint64, each func(events.Record) error) error {
	return p.Whole.Read(ctx, from, to, func(r events.Record) error {
		err := each(r)
		p.pause()
		return err
	})
}

// TestCheckArchives: an archive that is not there, or not as it was written, is
// told apart from a damaged log.
func TestCheckArchives(t *testing.T) {
	t.Parallel()
	s := serve(t, 60)
	s.archive(t)
	s.append(t, look(500))
	s.project(t)
	s.found(t)
	away := s.whole.Archives + "-away"
	if err := os.Rename(s.whole.Archives, away); err != nil {
		t.Fatal(err)
	}
	s.found(t, "An archive of the log is missing: events 1 to 60")
	if _, err := rebuild.Run(t.Context(), s.whole, s.db, true, quiet); !errors.Is(err, logfile.ErrNoArchive) {
		t.Errorf("error %v, want ErrNoArchive", err)
	}
	if err := os.Rename(away, s.whole.Archives); err != nil {
		t.Fatal(err)
	}
	segments, err := filepath.Glob(filepath.Join(s.whole.Archives, "*", "log-*.zst"))
	if err != nil || len(segments) != 1 {
		t.Fatalf("%v, %v", segments, err)
	}
	b, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(segments[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	s.found(t, "An archive of the log cannot be used")
	if err := os.Remove(filepath.Join(filepath.Dir(segments[0]), "SHA256SUMS")); err != nil {
		t.Fatal(err)
	}
	s.found(t, "backup-monitor backup verify")
}

// TestCheckLostEvents on a real log, whose server counts what it lost, or does
// not, or does not hand it out.
func TestCheckLostEvents(t *testing.T) {
	t.Parallel()
	s := serve(t, 30)
	s.append(t, events.OutletChanged{Code: "LOST", Source: events.SourceUser})
	for i := range 30 {
		s.append(t, look(30+i))
	}
	s.project(t)
	s.found(t)
	stream, err := s.JS.Stream(t.Context(), events.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context(), jetstream.WithPurgeSubject(events.OutletSubject("LOST"))); err != nil {
		t.Fatal(err)
	}
	s.found(t, "1 of the events from 1 to 61 are missing")
	for name, l := range map[string]rebuild.Log{"not counted": uncounted{s.whole}, "not handed out": stalled{uncounted{s.whole}}} {
		c, err := rebuild.Check(t.Context(), l, s.db, quiet)
		if err != nil || len(c.Findings) != 1 || !strings.Contains(c.Findings[0].What, "The log cannot be read to its end") {
			t.Errorf("%s: %s, %v", name, text(c.Findings), err)
		}
	}
}

// uncounted is a log whose server does not know what it lacks.
type uncounted struct{ logfile.Whole }

func (u uncounted) Identity(ctx context.Context) (events.Identity, error) {
	id, err := u.Whole.Identity(ctx)
	id.Missing = 0
	return id, err
}

// stalled is a log that does not give what it has.
type stalled struct{ uncounted }

func (stalled) Read(context.Context, uint64, uint64, func(events.Record) error) error {
	return fmt.Errorf("event 31: %w", events.ErrStalled)
}

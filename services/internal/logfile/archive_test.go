package logfile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"backupmonitor/events"
	"backupmonitor/services/internal/natstest"
)

// archiver is one to which the log is as old as need be, and the tables reach
// as far as the log.
func archiver(t *testing.T, n *natstest.Server) *Archiver {
	t.Helper()
	return &Archiver{
		Log: n.Log, Keeper: n.JS, Dir: filepath.Join(t.TempDir(), "archive"), Product: "test", By: "a test",
		Tables: func(ctx context.Context) (uint64, error) {
			id, err := n.Log.Identity(ctx)
			return id.LastSeq, err
		},
		Rehearse: func(ctx context.Context, dir string, _ func(done, total uint64)) error {
			_, err := Verify(ctx, dir, nil)
			return err
		},
		Now: func() time.Time { return time.Now().Add(10 * MinArchiveAge) },
	}
}

func identity(t *testing.T, log *events.Log) events.Identity {
	t.Helper()
	id, err := log.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestArchive: looks and scans go, everything else stays, nothing counts as
// missing; archives and log read as one are the log as it was, from anywhere.
func TestArchive(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	a := archiver(t, n)
	var want []events.Record
	for round := range 3 {
		last := story(t, n.Log, 20*round, 5)
		before := time.Now()
		story(t, n.Log, 20*round+10, 2)
		want = append(want, ofLog(t, n.Log, last)...)
		want = unique(want)
		done, err := a.Archive(t.Context(), before)
		if err != nil {
			t.Fatal(err)
		}
		if done.Last != last || !done.Done || done.Purged == 0 || done.Purged >= done.Records {
			t.Fatalf("%+v, want the last to be %d", done, last)
		}
		id := identity(t, n.Log)
		if id.Missing != 0 || id.Archived != last {
			t.Fatalf("%+v", id)
		}
		if _, err := a.Plan(t.Context(), before); !errors.Is(err, ErrNothing) {
			t.Errorf("again: error %v", err)
		}
	}
	for _, r := range ofLog(t, n.Log, identity(t, n.Log).LastSeq) {
		if r.Seq <= identity(t, n.Log).Archived && purged(r.Subject) {
			t.Errorf("%d on %s is still there", r.Seq, r.Subject)
		}
	}
	want = unique(append(want, ofLog(t, n.Log, identity(t, n.Log).LastSeq)...))
	for _, from := range []uint64{0, 1, 2, 30, identity(t, n.Log).Archived, identity(t, n.Log).Archived + 1} {
		s, err := Read(t.Context(), n.Log, a.Dir, from)
		if err != nil {
			t.Fatal(err)
		}
		tail := want[max(from, 1)-1:]
		if s.Initial != uint64(len(tail)) {
			t.Errorf("from %d: %d there at first, want %d", from, s.Initial, len(tail))
		}
		same(t, readAll(t, s.Next, want[len(want)-1].Seq), tail)
		s.Stop()
	}
}

// TestArchivedWhileItIsRead: a reader that lags behind goes on in the archive;
// without that it says which is missing, and nothing of damage.
func TestArchivedWhileItIsRead(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	a := archiver(t, n)
	story(t, n.Log, 0, 100) // more than a feed fetches ahead
	want := ofLog(t, n.Log, identity(t, n.Log).LastSeq)
	var readers []*Sequence
	for range 2 {
		s, err := Read(t.Context(), n.Log, a.Dir, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Stop()
		same(t, readAll(t, s.Next, 10), want[:10])
		readers = append(readers, s)
	}
	if _, err := a.Archive(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	same(t, readAll(t, readers[0].Next, want[len(want)-1].Seq), want[10:])
	if err := os.Rename(a.Dir, a.Dir+"-away"); err != nil {
		t.Fatal(err)
	}
	var err error
	for err == nil {
		_, err = readers[1].Next(t.Context())
	}
	if !errors.Is(err, ErrNoArchive) || errors.Is(err, ErrIncomplete) {
		t.Errorf("error %v, want ErrNoArchive", err)
	}
}

func unique(records []events.Record) []events.Record {
	slices.SortStableFunc(records, func(a, b events.Record) int { return int(a.Seq) - int(b.Seq) })
	return slices.CompactFunc(records, func(a, b events.Record) bool { return a.Seq == b.Seq })
}

// TestOnlyArchivedGapsAreExcused: one event more that is not there is damage,
// wherever it was.
func TestOnlyArchivedGapsAreExcused(t *testing.T) {
	t.Parallel()
	for name, filter := range map[string]string{"in the range": events.OutletSubject("B0001"), "after it": events.OutletSubject("B0011")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := natstest.Start(t)
			a := archiver(t, n)
			story(t, n.Log, 0, 3)
			before := time.Now()
			story(t, n.Log, 10, 3)
			if _, err := a.Archive(t.Context(), before); err != nil {
				t.Fatal(err)
			}
			s, err := n.JS.Stream(t.Context(), events.StreamEvents)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Purge(t.Context(), jetstream.WithPurgeSubject(filter)); err != nil {
				t.Fatal(err)
			}
			if id := identity(t, n.Log); id.Missing != 1 {
				t.Errorf("%+v", id)
			}
			if name == "after it" {
				q, err := Read(t.Context(), n.Log, a.Dir, 0)
				if err != nil {
					t.Fatal(err)
				}
				defer q.Stop()
				for err == nil {
					_, err = q.Next(t.Context())
				}
				if !errors.Is(err, ErrIncomplete) {
					t.Errorf("error %v, want ErrIncomplete", err)
				}
			}
		})
	}
}

// TestArchiveSpares what the tables have not read, what is young, and scans
// that have not ended.
func TestArchiveSpares(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	a := archiver(t, n)
	last := story(t, n.Log, 0, 3)
	if _, err := a.Plan(t.Context(), time.Now().Add(-time.Hour)); !errors.Is(err, ErrNothing) {
		t.Errorf("nothing is so old: error %v", err)
	}
	if _, err := a.Plan(t.Context(), a.Now().Add(-time.Hour)); !errors.Is(err, ErrNothing) {
		t.Errorf("too young: error %v", err)
	}
	if p, err := a.Plan(t.Context(), time.Now()); err != nil || p.Last != last || p.First != 1 || p.Records != last {
		t.Errorf("%+v %v", p, err)
	}
	open, _, err := n.Log.Append(t.Context(), events.ScanRequested{ScanID: "open"})
	if err != nil {
		t.Fatal(err)
	}
	story(t, n.Log, 5, 3)
	if p, err := a.Plan(t.Context(), time.Now()); err != nil || p.Last != open-1 {
		t.Errorf("%+v %v, want the last before %d", p, err, open)
	}
	tables := a.Tables
	a.Tables = func(context.Context) (uint64, error) { return 7, nil }
	if p, err := a.Plan(t.Context(), time.Now()); err != nil || p.Last != 7 {
		t.Errorf("%+v %v", p, err)
	}
	a.Tables = tables
	if s, _, err := n.Log.Archived(t.Context()); err != nil || len(s.Archives) > 0 {
		t.Fatalf("%+v %v: a plan has changed something", s, err)
	}
}

// TestArchiveOfANewerVersion: where the last that was noted of archives cannot be read
// nothing is copied, which could not be noted after all.
func TestArchiveOfANewerVersion(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	a := archiver(t, n)
	story(t, n.Log, 0, 5)
	if _, err := n.JS.Publish(t.Context(), events.SubjectArchived, []byte("of a newer version")); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Archive(t.Context(), time.Now()); err == nil || !strings.Contains(err.Error(), "cannot be read") {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(a.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something was copied: %v", err)
	}
}

// TestArchiveAfterGarbage: what somebody published where the archives are noted holds up
// archiving until all of it is dismissed, and is noted over then; what was archived
// before stays known.
func TestArchiveAfterGarbage(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	a := archiver(t, n)
	story(t, n.Log, 0, 5)
	before := time.Now()
	story(t, n.Log, 5, 5)
	first, err := a.Archive(t.Context(), before)
	if err != nil {
		t.Fatal(err)
	}
	var dismissed events.LogDismissed
	for range 2 {
		ack, err := n.JS.Publish(t.Context(), events.SubjectArchived, []byte("{}"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Archive(t.Context(), time.Now()); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("event %d", ack.Sequence)) ||
			!strings.Contains(err.Error(), "quarantine dismiss") {
			t.Fatalf("error %v", err)
		}
		dismissed.Events = append(dismissed.Events, events.Dismissed{Seq: ack.Sequence, Reason: "garbage"})
		if dismissed.Previous, err = n.Log.Write(t.Context(), dismissed, dismissed.Previous); err != nil {
			t.Fatal(err)
		}
	}
	second, err := a.Archive(t.Context(), time.Now())
	if err != nil || second.First != first.Last+1 || !second.Done {
		t.Fatalf("%+v, %v", second, err)
	}
	state, _, err := n.Log.Archived(t.Context())
	if err != nil || len(state.Archives) != 2 || state.Archives[0].Name != first.Name {
		t.Errorf("%+v, %v", state, err)
	}
	if id := identity(t, n.Log); id.Missing != 0 || id.Archived != second.Last {
		t.Errorf("%+v", id)
	}
}

// TestArchiveNeedsRoom for itself and for the log that proves it, and writes
// nothing without.
func TestArchiveNeedsRoom(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	a := archiver(t, n)
	last := story(t, n.Log, 0, 3)
	before := time.Now()
	story(t, n.Log, 3, 3) // as much again, which stays
	const size = 2 << 30
	need := uint64(2*size/2 + spare)
	free := need - 1
	a.Space = func() (int64, uint64, error) { return size, free, nil }
	var short *NoSpaceError
	if _, err := a.Plan(t.Context(), before); !errors.As(err, &short) || short.Need != need {
		t.Fatalf("%v, want %d bytes", err, need)
	}
	if _, err := a.Archive(t.Context(), before); !errors.As(err, &short) || !strings.Contains(err.Error(), "2304 MB, 2303 MB are free, 1 MB are missing") {
		t.Fatalf("error %v", err)
	}
	if _, err := os.Stat(a.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it has written something: %v", err)
	}
	free = need
	broken := errors.New("broken")
	rehearse := a.Rehearse
	a.Rehearse = func(context.Context, string, func(done, total uint64)) error { return broken }
	if _, err := a.Archive(t.Context(), before); !errors.Is(err, broken) {
		t.Fatalf("error %v", err)
	}
	a.Rehearse = rehearse
	free = need - size/2 // the copy is there
	if done, err := a.Archive(t.Context(), before); err != nil || done.Last != last {
		t.Errorf("%+v, %v", done, err)
	}
}

// TestNothingIsPurgedUnproved: a copy that cannot be restored leaves the log as
// it is, and is used when it can.
func TestNothingIsPurgedUnproved(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	a := archiver(t, n)
	last := story(t, n.Log, 0, 3)
	rehearse, broken := a.Rehearse, errors.New("it cannot be restored")
	a.Rehearse = func(context.Context, string, func(done, total uint64)) error { return broken }
	if _, err := a.Archive(t.Context(), time.Now()); !errors.Is(err, broken) {
		t.Fatalf("error %v", err)
	}
	if id := identity(t, n.Log); id.Messages != last || id.LastSeq != last {
		t.Fatalf("%+v", id)
	}
	a.Rehearse = rehearse
	killed := filepath.Join(a.Dir, "archive-1-2"+partial)
	if err := os.Mkdir(killed, 0o700); err != nil {
		t.Fatal(err)
	}
	done, err := a.Archive(t.Context(), time.Now())
	if err != nil || done.Purged == 0 {
		t.Fatalf("%+v %v", done, err)
	}
	if _, err := os.Stat(killed); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what a killed process left is still there: %v", err)
	}
}

// TestPurgeIsFinished: an interrupted one goes on where it was left, but not
// with a bad archive.
func TestPurgeIsFinished(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	a := archiver(t, n)
	story(t, n.Log, 0, 3)
	before := time.Now()
	story(t, n.Log, 10, 1)
	ctx, cancel := context.WithCancel(t.Context())
	a.Keeper = cancelling{n.JS, cancel}
	if _, err := a.Archive(ctx, before); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	id := identity(t, n.Log)
	if id.Missing != 0 || id.Messages != id.LastSeq && id.Archived == 0 {
		t.Fatalf("%+v", id)
	}
	a.Keeper = n.JS
	p, err := a.Plan(t.Context(), before)
	if err != nil || p.Unfinished == nil {
		t.Fatalf("%+v %v", p, err)
	}
	if _, err := Read(t.Context(), n.Log, t.TempDir(), 0); !errors.Is(err, ErrNoArchive) {
		t.Errorf("elsewhere: error %v, want ErrNoArchive", err)
	}
	segment := filepath.Join(a.Dir, p.Unfinished.Name, "log-00001.zst")
	whole, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(segment, whole[:len(whole)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Archive(t.Context(), before); !errors.Is(err, ErrDamaged) {
		t.Errorf("error %v, want ErrDamaged", err)
	}
	if err := os.WriteFile(segment, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	done, err := a.Archive(t.Context(), before)
	if err != nil || !done.Done {
		t.Fatalf("%+v %v", done, err)
	}
	if id := identity(t, n.Log); id.Missing != 0 || id.LastSeq-id.Messages != done.Purged {
		t.Errorf("%+v", id)
	}
}

// cancelling ends what it is used for.
type cancelling struct {
	jetstream.JetStream
	cancel context.CancelFunc
}

func (c cancelling) Stream(ctx context.Context, _ string) (jetstream.Stream, error) {
	c.cancel()
	<-ctx.Done()
	return nil, ctx.Err()
}

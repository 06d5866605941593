package natstest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"backupmonitor/events"
	"backupmonitor/services/internal/natstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func look(scan, outlet string) events.BackupObserved {
	return events.BackupObserved{ScanID: scan, Outlet: outlet, Mode: events.DDrive, ScanDate: "2026-03-14"}
}

func TestAppendTwiceIsOnce(t *testing.T) {
	t.Parallel()
	log := natstest.Start(t).Log
	seq, dup, err := log.Append(t.Context(), look("s1", "b1"))
	if err != nil || dup || seq != 1 {
		t.Fatalf("first: %d %v %v", seq, dup, err)
	}
	again := look("s1", "B1")
	again.Attempt = 2
	if seq, dup, err = log.Append(t.Context(), again); err != nil || !dup || seq != 1 {
		t.Fatalf("second: %d %v %v", seq, dup, err)
	}
	r, err := log.Last(t.Context(), events.ObservedSubject(events.DDrive, "b1"))
	if err != nil || r.Seq != 1 || events.ID(r.Header) != events.LookID("s1", "b1", events.DDrive) {
		t.Fatalf("%+v %v", r, err)
	}
	if _, err := log.Last(t.Context(), events.ObservedSubject(events.DDrive, "b2")); !errors.Is(err, events.ErrNotFound) {
		t.Fatal(err)
	}
}

func TestWriteConflict(t *testing.T) {
	t.Parallel()
	log := natstest.Start(t).Log
	state := events.SettingsChanged{Policy: events.Policy{MinSizeBytes: 1}}
	seq, err := log.Write(t.Context(), state, 0)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := log.Write(t.Context(), state, 0); err != nil || again != seq {
		t.Fatalf("the very same event again: %d %v", again, err)
	}
	other := events.SettingsChanged{Policy: events.Policy{MinSizeBytes: 2}}
	if _, err := log.Write(t.Context(), other, 0); !errors.Is(err, events.ErrConflict) {
		t.Fatalf("another event: %v", err)
	}
	other.Previous = seq
	if _, err := log.Write(t.Context(), other, seq); err != nil {
		t.Fatal(err)
	}
}

// TestSameIDOtherContent: an event of the same id but other content is a
// conflict also where the server takes it for a repetition, as a replicated
// stream does before it looks at sequences.
func TestSameIDOtherContent(t *testing.T) {
	t.Parallel()
	log := natstest.Start(t).Log
	first := events.ScanCompleted{ScanID: "s1", Unobserved: 1}
	seq, err := log.Write(t.Context(), first, 0)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := log.Write(t.Context(), first, seq); err != nil || again != seq {
		t.Fatalf("the same again: %d %v", again, err)
	}
	if _, err := log.Write(t.Context(), events.ScanCompleted{ScanID: "s1", Unobserved: 2}, seq); !errors.Is(err, events.ErrConflict) {
		t.Fatalf("another of the same id: %v", err)
	}
}

// TestIDUsedElsewhere: somebody who stored something else under an event's id, on
// another subject, keeps it from the log no more than from being stored once.
func TestIDUsedElsewhere(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	use := func(id string) {
		t.Helper()
		if _, err := n.JS.Publish(t.Context(), events.ProberSubject("liar"), []byte("{}"), jetstream.WithMsgID(id)); err != nil {
			t.Fatal(err)
		}
	}
	last := func(p events.Payload) uint64 {
		t.Helper()
		r, err := n.Log.Last(t.Context(), p.Subject())
		if err != nil {
			t.Fatal(err)
		}
		return r.Seq
	}
	done, seen := events.ScanCompleted{ScanID: "s1", Unobserved: 1}, look("s1", "b1")
	use("s1:completed")
	use(events.LookID("s1", "b1", events.DDrive))
	for range 2 {
		if seq, err := n.Log.Write(t.Context(), done, 0); err != nil || seq != 3 || last(done) != 3 {
			t.Fatalf("written as %d: %v", seq, err)
		}
	}
	for i, want := range []bool{false, true, true} {
		if seq, duplicate, err := n.Log.Append(t.Context(), seen); err != nil || seq != 4 || duplicate != want || last(seen) != 4 {
			t.Fatalf("time %d: appended as %d, %t: %v", i, seq, duplicate, err)
		}
	}
	if _, err := n.Log.Write(t.Context(), events.ScanCompleted{ScanID: "s1", Unobserved: 2}, 0); !errors.Is(err, events.ErrConflict) {
		t.Fatalf("another of the same id: %v", err)
	}
}

// TestLastReadableState: an event that nobody can read does not take away the state
// before it, and with it the log's identity.
func TestLastReadableState(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	if a, seq, err := n.Log.Archived(t.Context()); err != nil || seq != 0 || len(a.Archives) > 0 {
		t.Fatalf("%+v at %d, %v", a, seq, err)
	}
	state := events.LogArchived{Archives: []events.Archive{{Name: "a", First: 1, Last: 7, Purged: 5}}}
	if _, err := n.Log.Write(t.Context(), state, 0); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := n.JS.Publish(t.Context(), events.SubjectArchived, []byte("no event")); err != nil {
			t.Fatal(err)
		}
	}
	a, seq, err := n.Log.Archived(t.Context())
	if err != nil || seq != 1 || a.Purged() != 5 {
		t.Fatalf("%+v at %d, %v", a, seq, err)
	}
}

// TestOneOfManyWriters: of writers who expect the same state, one wins.
func TestOneOfManyWriters(t *testing.T) {
	t.Parallel()
	log := natstest.Start(t).Log
	var wg sync.WaitGroup
	won := make(chan int, 16)
	for i := range 16 {
		wg.Go(func() {
			_, err := log.Write(t.Context(), events.OutletChanged{Code: "b1", Name: fmt.Sprint(i)}, 0)
			switch {
			case err == nil:
				won <- i
			case !errors.Is(err, events.ErrConflict):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Fatalf("%d writers won", len(won))
	}
}

func TestCommandOutstanding(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	c := events.ProbeCommand{ScanID: "s1", Outlet: "b1"}
	if err := n.Log.Command(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	c.ScanID = "s2"
	if err := n.Log.Command(t.Context(), c); !errors.Is(err, events.ErrOutstanding) {
		t.Fatalf("second while pending: %v", err)
	}
	cons, err := n.JS.Consumer(t.Context(), events.StreamProbes, events.ConsumerProbers)
	if err != nil {
		t.Fatal(err)
	}
	m, err := cons.Next(jetstream.FetchMaxWait(10 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Log.Command(t.Context(), c); !errors.Is(err, events.ErrOutstanding) {
		t.Fatalf("second while delivered: %v", err)
	}
	if err := m.DoubleAck(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := n.Log.Command(t.Context(), c); err != nil {
		t.Fatalf("after the ack: %v", err)
	}
}

func TestFullLogIsAnError(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	if err := events.Provision(t.Context(), n.JS, events.Limits{EventsMaxBytes: 64 << 10}); err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		e := look("s1", fmt.Sprint("b", i))
		e.Warnings = []string{strings.Repeat("x", 1000)}
		_, _, err := n.Log.Append(t.Context(), e)
		if errors.Is(err, events.ErrFull) {
			id, err := n.Log.Identity(t.Context())
			if err != nil || id.FirstSeq != 1 || id.LastSeq != uint64(i) {
				t.Fatalf("a full log lost its beginning: %+v %v", id, err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("200 KB went into 64 KiB")
}

// TestFeed: everything from a place, then live; and the last of each subject.
func TestFeed(t *testing.T) {
	t.Parallel()
	log := natstest.Start(t).Log
	put := func(scan, outlet string) {
		t.Helper()
		if _, _, err := log.Append(t.Context(), look(scan, outlet)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 5 {
		put(fmt.Sprint("s", i), "b1")
	}
	read := func(o events.FeedOptions, want ...uint64) {
		t.Helper()
		f, err := log.Feed(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Stop()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		for _, seq := range want {
			r, err := f.Next(ctx)
			if err != nil || r.Seq != seq {
				t.Fatalf("%+v: got %d, %v, want %d", o, r.Seq, err, seq)
			}
			if _, err := r.Decode(); err != nil {
				t.Fatal(err)
			}
		}
		put("live", fmt.Sprint("c", time.Now().UnixNano()))
		if len(o.Subjects) > 0 {
			return
		}
		if r, err := f.Next(ctx); err != nil || r.Pending != 0 {
			t.Fatalf("live: %+v %v", r, err)
		}
	}
	read(events.FeedOptions{}, 1, 2, 3, 4, 5)
	read(events.FeedOptions{From: 6}, 6)
	read(events.FeedOptions{From: 3}, 3, 4, 5, 6, 7)
	read(events.FeedOptions{LastPerSubject: true, Subjects: []string{events.ObservedSubject(events.DDrive, "b1")}}, 5)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	f, err := log.Feed(t.Context(), events.FeedOptions{Subjects: []string{events.AllOutlets}})
	if err != nil || f.Initial != 0 {
		t.Fatalf("%+v %v", f, err)
	}
	defer f.Stop()
	if _, err := f.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("an empty feed: %v", err)
	}
}

func TestStoppedFeedsLeaveNothingOnTheServer(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	ctx := t.Context()
	for range 20 {
		feed, err := s.Log.Feed(ctx, events.FeedOptions{})
		if err != nil {
			t.Fatal(err)
		}
		feed.Stop()
		feed.Stop()
	}
	stream, err := s.JS.Stream(ctx, events.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	if n := stream.CachedInfo().State.Consumers; n != 1 { // the schedulers'
		t.Errorf("the log has %d consumers, want 1", n)
	}
}

// TestLogSurvivesItsServer: what was acknowledged is there after a restart,
// under the same identity, and the window of ids too.
func TestLogSurvivesItsServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := natstest.StartAt(t, dir)
	if _, _, err := first.Log.Append(t.Context(), look("s1", "b1")); err != nil {
		t.Fatal(err)
	}
	before, err := first.Log.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	first.Stop()
	second := natstest.StartAt(t, dir)
	after, err := second.Log.Identity(t.Context())
	if err != nil || after.ID() != before.ID() || after.LastSeq != 1 {
		t.Fatalf("%+v, then %+v %v", before, after, err)
	}
	if _, dup, err := second.Log.Append(t.Context(), look("s1", "b1")); err != nil || !dup {
		t.Fatalf("the id was forgotten: %v %v", dup, err)
	}
}

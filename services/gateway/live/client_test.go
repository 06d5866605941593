package live

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"backupmonitor/events"
	"backupmonitor/services/internal/natstest"
)

// What was purged cannot be resumed; what follows it can.
func TestResumeAfterAPurge(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	h := NewHub(n.Log, &list{from: 1}, slog.New(slog.DiscardHandler))
	run(t, h)
	for i := range 10 {
		put(t, n, i)
	}
	s, err := n.JS.Stream(t.Context(), events.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Purge(t.Context(), jetstream.WithPurgeSequence(6)); err != nil { // keeps 6
		t.Fatal(err)
	}
	caught, err := h.Join(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	defer caught.Close()
	for seq := caught.Start.Seq; seq < 10; {
		seq = take(t, caught).Seq
	}
	identity := caught.Start.Identity
	for after, want := range map[uint64]string{4: "gone", 5: "[6 7 8 9 10]", 10: "[]"} {
		got := []uint64{}
		c, err := h.Resume(t.Context(), Position{identity, after}, Selection{Wants: all}, func(f *Frame) error { got = append(got, f.Seq); return nil })
		if want == "gone" {
			if !errors.Is(err, ErrGone) {
				t.Errorf("after %d: %v", after, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if fmt.Sprint(got) != want {
			t.Errorf("after %d: %v and not %s", after, got, want)
		}
	}
}

// What was archived cannot be resumed either, though the log begins before it.
func TestResumeAfterAnArchive(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	h := NewHub(n.Log, &list{from: 1}, slog.New(slog.DiscardHandler))
	run(t, h)
	put(t, n, 1)
	for _, p := range []events.Payload{
		events.ScanRequested{ScanID: "a"}, events.ScanCompleted{ScanID: "a"},
		events.LogArchived{Archives: []events.Archive{{Name: "x", First: 1, Last: 3, Records: 3, Purged: 2}}},
	} {
		if _, _, err := n.Log.Append(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	s, err := n.JS.Stream(t.Context(), events.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Purge(t.Context(), jetstream.WithPurgeSubject(events.AllScans)); err != nil {
		t.Fatal(err)
	}
	caught, err := h.Join(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	defer caught.Close()
	for seq := caught.Start.Seq; seq < 4; {
		seq = take(t, caught).Seq
	}
	for after, gone := range map[uint64]bool{0: true, 1: true, 2: true, 3: false, 4: false} {
		c, err := h.Resume(t.Context(), Position{caught.Start.Identity, after}, Selection{Wants: all}, func(*Frame) error { return nil })
		if err == nil {
			c.Close()
		}
		if errors.Is(err, ErrGone) != gone || err != nil && !gone {
			t.Errorf("after %d: %v, want gone: %t", after, err, gone)
		}
	}
}

// Who was away for too long begins anew, instead of having all of it read.
func TestResumeAfterTooMuch(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	h := NewHub(n.Log, &list{from: 1}, slog.New(slog.DiscardHandler))
	h.maxReplay = 5
	run(t, h)
	for i := range 10 {
		put(t, n, i)
	}
	caught, err := h.Join(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	defer caught.Close()
	for seq := caught.Start.Seq; seq < 10; {
		seq = take(t, caught).Seq
	}
	for after, gone := range map[uint64]bool{0: true, 4: true, 5: false, 10: false} {
		c, err := h.Resume(t.Context(), Position{caught.Start.Identity, after}, Selection{Wants: all}, func(*Frame) error { return nil })
		if err == nil {
			c.Close()
		}
		if errors.Is(err, ErrGone) != gone || err != nil && !gone {
			t.Errorf("after %d: %v, want gone: %t", after, err, gone)
		}
	}
}

// A client that was ahead of this hub, at another gateway, gets nothing twice.
func TestResumeAheadOfTheHub(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	fold := &list{from: 1}
	h := NewHub(n.Log, fold, slog.New(slog.DiscardHandler))
	run(t, h)
	if err := h.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	identity, _ := h.Position()
	fold.mu.Lock() // the hub stands still
	for i := range 5 {
		put(t, n, i)
	}
	c, err := h.Resume(t.Context(), Position{identity, 3}, Selection{Wants: all}, func(f *Frame) error { return fmt.Errorf("sent %d", f.Seq) })
	fold.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var got []uint64
	for seq := uint64(0); seq < 5; {
		f := take(t, c)
		if seq = f.Seq; c.New(f) {
			got = append(got, seq)
		}
	}
	if fmt.Sprint(got) != "[4 5]" {
		t.Errorf("got %v", got)
	}
}

func TestPositionsAreWrittenAndRead(t *testing.T) {
	t.Parallel()
	p := Position{Identity: "18a0", Seq: 1<<64 - 1}
	if got, err := ParsePosition(p.String()); err != nil || got != p {
		t.Errorf("%+v, %v", got, err)
	}
	for _, s := range []string{"", "-", "1", "-1", "a-", "a-b", "a--1", "a-1-2", "a-18446744073709551616"} {
		if p, err := ParsePosition(s); err == nil {
			t.Errorf("%q is %+v", s, p)
		}
	}
}

// Of who selects nothing the log is not read.
func TestResumeOfNothing(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	h := NewHub(n.Log, &list{from: 1}, slog.New(slog.DiscardHandler))
	run(t, h)
	begin, err := h.Join(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	defer begin.Close()
	put(t, n, 1)
	take(t, begin)
	c, err := h.Resume(t.Context(), begin.Start, Selection{Subjects: []string{}, Wants: all}, func(f *Frame) error {
		t.Errorf("got %d", f.Seq)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if seq := put(t, n, 2); take(t, c).Seq != seq {
		t.Error("what follows is missing")
	}
}

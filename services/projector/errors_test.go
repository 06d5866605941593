package projector

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"backupmonitor/services/internal/store"
)

// TestErrorsPass: whatever the database answers, and whether or not it did
// what it was asked, every event ends in the tables once.
func TestErrorsPass(t *testing.T) {
	t.Parallel()
	broken := errors.New("the line is broken")
	for name, answer := range map[string]func(call int, apply func() error) error{
		"refused": func(call int, apply func() error) error {
			if call%3 != 0 {
				return broken
			}
			return apply()
		},
		"done, but the answer is lost": func(call int, apply func() error) error {
			if err := apply(); err != nil || call%2 == 0 {
				return err
			}
			return broken
		},
		"done twice, so the second says fenced": func(_ int, apply func() error) error {
			if err := apply(); err != nil {
				return err
			}
			return apply()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := w.projector(&scripted{Store: w.db, answer: answer})
			running(t, p)
			for scan := range 4 {
				w.reached(t, w.story(t, scan, 5))
			}
			w.agrees(t)
			until(t, "the error is over", func() bool { return p.Status().Error == "" })
			if p.Status().StandingBy {
				t.Error("it stands by for itself")
			}
		})
	}
}

// TestErrorShows: an error that lasts stands in the status.
func TestErrorShows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.story(t, 0, 1)
	p := w.projector(&scripted{Store: w.db, answer: func(int, func() error) error { return errors.New("the disk is full") }})
	stop := running(t, p)
	until(t, "the error shows", func() bool { return strings.Contains(p.Status().Error, "disk is full") })
	if _, err := p.Check(t.Context()); err == nil {
		t.Error("readiness does not know of the error")
	}
	if s := p.Status(); s.Lag() == 0 {
		t.Errorf("status %+v, want a lag", s)
	}
	if err := stop(); err != nil {
		t.Errorf("stopped with %v", err)
	}
}

// TestGraceEndsATransaction: at the end a transaction is given some time only.
func TestGraceEndsATransaction(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.story(t, 0, 1)
	entered := make(chan struct{})
	var once sync.Once
	p := w.projector(stuck{Store: w.db, entered: func() { once.Do(func() { close(entered) }) }})
	p.cfg.Grace = 20 * time.Millisecond
	stop := running(t, p)
	<-entered
	if err := stop(); err != nil { // it would hang without the grace's end
		t.Errorf("stopped with %v", err)
	}
}

// stuck is a database that never answers a transaction.
type stuck struct {
	Store
	entered func()
}

func (s stuck) Apply(ctx context.Context, _ store.Batch) error {
	s.entered()
	<-ctx.Done()
	return ctx.Err()
}

// TestTellFlood: of events that cannot be read the log tells once for a batch, with how
// many they are, and of each that a column did not take.
func TestTellFlood(t *testing.T) {
	t.Parallel()
	var said bytes.Buffer
	p := &Projector{logger: slog.New(slog.NewTextHandler(&said, nil))}
	column := store.UnstorableReason(&store.Trouble{Reason: "OutletServer is too narrow", Unstorable: true, Err: errors.New("8152")})
	var aside []store.Quarantined
	for seq := range uint64(6) {
		aside = append(aside, store.Quarantined{Seq: seq + 1, Reason: "garbage"})
	}
	aside[1].Reason, aside[4].Reason = column, column
	p.tell(t.Context(), aside)
	p.tell(t.Context(), nil)
	lines := slices.Collect(strings.Lines(said.String()))
	if len(lines) != 3 {
		t.Fatalf("%q; want three lines", lines)
	}
	for i, want := range []string{"unreadable_with_it=4", "seq=2 ", "seq=5 "} {
		if !strings.Contains(lines[i], want) {
			t.Errorf("%q; want %s", lines[i], want)
		}
	}
}

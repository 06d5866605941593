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

// TestTellFlood: of events that went into quarantine one after another the log tells
// once, with how many they are, and of each that stands apart.
func TestTellFlood(t *testing.T) {
	t.Parallel()
	var said bytes.Buffer
	p := &Projector{logger: slog.New(slog.NewTextHandler(&said, nil))}
	var aside []store.Quarantined
	for _, seq := range []uint64{3, 4, 5, 7, 100, 101} {
		aside = append(aside, store.Quarantined{Seq: seq, Reason: "garbage"})
	}
	p.tell(t.Context(), aside)
	p.tell(t.Context(), nil)
	lines := slices.Collect(strings.Lines(said.String()))
	for i, want := range []string{"seq=3 ", "and_following=2", "seq=7 ", "and_following=0", "seq=100 ", "and_following=1"} {
		if len(lines) != 3 || !strings.Contains(lines[i/2], want) {
			t.Fatalf("%q; want three lines, and %s in one", lines, want)
		}
	}
}

package live

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"backupmonitor/events"
	"backupmonitor/services/internal/natstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const limit = 30 * time.Second

// list is a fold that keeps what it was given.
type list struct {
	from uint64

	mu    sync.Mutex
	loads int
	seqs  []uint64
}

func (l *list) Load(context.Context, *events.Log) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loads++
	l.seqs = nil
	return l.from, nil
}

func (l *list) Apply(r events.Record, _ events.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seqs = append(l.seqs, r.Seq)
}

func (l *list) last() (loads int, seq uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.seqs) == 0 {
		return l.loads, 0
	}
	return l.loads, l.seqs[len(l.seqs)-1]
}

func run(t testing.TB, h *Hub) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { h.Run(ctx) })
	t.Cleanup(func() { cancel(); done.Wait() })
}

func all(*Frame) bool { return true }

func put(t *testing.T, n *natstest.Server, i int) uint64 {
	t.Helper()
	seq, _, err := n.Log.Append(t.Context(), events.Audited{ID: strconv.Itoa(i), Kind: events.UserChanged, Actor: "a", At: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

func take(t *testing.T, c *Client) *Frame {
	t.Helper()
	select {
	case f, ok := <-c.Frames():
		if !ok {
			t.Fatal("the client was dropped")
		}
		return f
	case <-time.After(limit):
		t.Fatalf("no frame in %s", limit)
	}
	return nil
}

// A hub that starts late folds from where the fold needs it, and hands clients
// only what is new.
func TestHubCatchesUpFirst(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	for i := range 10 {
		put(t, n, i)
	}
	fold := &list{from: 4}
	h := NewHub(n.Log, fold, slog.New(slog.DiscardHandler))
	early, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := h.Join(early, all); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("joining a hub that does not run: %v", err)
	}
	run(t, h)
	c, err := h.Join(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.Start.Seq != 10 {
		t.Errorf("the client starts after %d and not 10", c.Start.Seq)
	}
	fold.mu.Lock()
	if got := fmt.Sprint(fold.seqs); got != "[4 5 6 7 8 9 10]" {
		t.Errorf("folded %s", got)
	}
	fold.mu.Unlock()
	put(t, n, 11)
	if f := take(t, c); f.Seq != 11 {
		t.Errorf("got %d", f.Seq)
	}
}

// What cannot be decoded reaches no client, and stops nothing.
func TestHubPassesOverPoison(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	h := NewHub(n.Log, &list{from: 1}, slog.New(slog.DiscardHandler))
	run(t, h)
	c, err := h.Join(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := n.JS.Publish(t.Context(), "ev.audit.poison", []byte("{")); err != nil {
		t.Fatal(err)
	}
	seq := put(t, n, 1)
	if f := take(t, c); f.Seq != seq {
		t.Errorf("got %d and not %d", f.Seq, seq)
	}
	var resumed []uint64
	r, err := h.Resume(t.Context(), Position{Identity: c.Start.Identity}, Selection{Wants: all}, func(f *Frame) error { resumed = append(resumed, f.Seq); return nil })
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if len(resumed) != 1 || resumed[0] != seq {
		t.Errorf("resumed with %v", resumed)
	}
}

// A client that does not read is dropped; the others get everything.
func TestHubDropsWhoDoesNotRead(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	h := NewHub(n.Log, &list{from: 1}, slog.New(slog.DiscardHandler))
	run(t, h)
	slow, err := h.Join(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	fast, err := h.Join(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	defer fast.Close()
	for i := range queueLength + 1 {
		seq := put(t, n, i)
		if f := take(t, fast); f.Seq != seq {
			t.Fatalf("got %d and not %d", f.Seq, seq)
		}
	}
	got := 0
	for range slow.Frames() { // ends, because the client was dropped
		got++
	}
	if got != queueLength {
		t.Errorf("the slow client got %d and not %d", got, queueLength)
	}
}

// A log that was made anew under the hub ends every client, and is followed
// from its own beginning.
func TestHubFollowsANewLog(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	fold := &list{from: 1}
	h := NewHub(n.Log, fold, slog.New(slog.DiscardHandler))
	h.watchEvery = 50 * time.Millisecond
	run(t, h)
	for i := range 5 {
		put(t, n, i)
	}
	c, err := h.Join(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := n.JS.DeleteStream(t.Context(), events.StreamEvents); err != nil {
		t.Fatal(err)
	}
	if err := events.Provision(t.Context(), n.JS, events.Limits{EventsMaxBytes: natstest.MaxBytes}); err != nil {
		t.Fatal(err)
	}
	deadline := time.After(limit)
	for open := true; open; {
		select {
		case _, open = <-c.Frames():
		case <-deadline:
			t.Fatalf("after %s the client still waits for the old log", limit)
		}
	}
	after, err := h.Join(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	defer after.Close()
	if after.Start.Identity == c.Start.Identity {
		t.Error("the new log has the identity of the old")
	}
	if seq := put(t, n, 100); seq != 1 || take(t, after).Seq != 1 {
		t.Errorf("the new log goes on at %d", seq)
	}
	if loads, _ := fold.last(); loads < 2 {
		t.Error("the fold did not begin anew")
	}
	if _, err := h.Resume(t.Context(), c.Start, Selection{Wants: all}, func(*Frame) error { return nil }); !errors.Is(err, ErrGone) {
		t.Errorf("resuming in the old log: %v", err)
	}
}

// TestHubUndecoded: of records that cannot be decoded the log tells once a minute, and
// how many they were.
func TestHubUndecoded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		h := NewHub(nil, &list{}, slog.New(slog.NewTextHandler(&said, nil)))
		m, err := events.Encode("x", time.Now(), events.ProberChanged{Prober: "p"})
		if err != nil {
			t.Fatal(err)
		}
		for seq := range uint64(9) {
			r := events.Record{Seq: seq, Subject: m.Subject, Header: m.Header, Data: m.Data}
			if seq != 3 {
				r.Data = []byte("{")
			}
			if seq == 7 {
				<-time.After(tellEvery)
			}
			h.take(t.Context(), "log", r)
		}
		lines := slices.Collect(strings.Lines(said.String()))
		if len(lines) != 2 || !strings.Contains(lines[0], "seq=0 ") || !strings.Contains(lines[1], "seq=7 ") || !strings.Contains(lines[1], "since_told_last=6") {
			t.Errorf("it says %q", lines)
		}
	})
}

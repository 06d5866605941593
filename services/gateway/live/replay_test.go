package live

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"backupmonitor/events"
	"backupmonitor/services/internal/natstest"
)

// behind is a log whose feed comes from a server that has only part of it for now.
type behind struct {
	has   []uint64                 // what the leader has
	fed   int                      // how many of them the server has
	reads []func(s *behind, i int) // what happens before the i-th record is asked for
	asked int
}

func (s *behind) open(context.Context, uint64, []string) (feed, uint64, error) {
	return &behindFeed{s: s}, uint64(s.fed), nil
}

func (s *behind) last(context.Context, []string) (uint64, error) {
	if len(s.has) == 0 {
		return 0, nil
	}
	return slices.Max(s.has), nil
}

type behindFeed struct {
	s  *behind
	at int
}

func (f *behindFeed) Stop() {}

func (f *behindFeed) Next(ctx context.Context) (events.Record, error) {
	s := f.s
	s.asked++
	for _, do := range s.reads {
		do(s, s.asked)
	}
	if f.at >= min(s.fed, len(s.has)) {
		<-ctx.Done()
		return events.Record{}, ctx.Err()
	}
	f.at++
	r := record(s.has[f.at-1])
	r.Pending = uint64(s.fed - f.at)
	return r, nil
}

func record(seq uint64) events.Record {
	m, err := events.Encode("/test", time.Now(), events.SettingsChanged{})
	if err != nil {
		panic(err)
	}
	return events.Record{Seq: seq, Stored: time.Now(), Subject: m.Subject, Header: m.Header, Data: m.Data}
}

func replayOf(t *testing.T, s *behind, target uint64) (sent []uint64, err error) {
	t.Helper()
	r := replay{log: s, most: 100, identity: "a", selected: Selection{Wants: all}, send: func(f *Frame) error { sent = append(sent, f.Seq); return nil }}
	if err = r.upTo(t.Context(), target); err == nil && r.sent != target {
		t.Errorf("sent up to %d, want %d", r.sent, target)
	}
	return sent, err
}

// Nothing is left out where the server that feeds a client has less than the
// leader, and says that there is no more.
func TestReplayFromAServerThatIsBehind(t *testing.T) {
	t.Parallel()
	for name, fed := range map[string]int{"it has some": 2, "it has nothing": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &behind{has: []uint64{1, 2, 3, 5}, fed: fed, reads: []func(*behind, int){func(s *behind, i int) {
					if i == fed+2 { // it waits in vain once
						s.fed = 4
					}
				}}}
				sent, err := replayOf(t, s, 5)
				if err != nil || !slices.Equal(sent, []uint64{1, 2, 3, 5}) {
					t.Errorf("sent %v, %v", sent, err)
				}
			})
		})
	}
}

// Where an archive takes the last events that are to be sent, the replay ends
// without them.
func TestReplayWhileAnArchiveTakesTheLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &behind{has: []uint64{1, 2, 3, 4}, fed: 4, reads: []func(*behind, int){func(s *behind, i int) {
			if i == 3 {
				s.has = []uint64{1, 2}
			}
		}}}
		sent, err := replayOf(t, s, 4)
		if err != nil || !slices.Equal(sent, []uint64{1, 2}) {
			t.Errorf("sent %v, %v", sent, err)
		}
	})
}

// What the log has and does not hand out is not waited for for ever.
func TestReplayOfALogThatDoesNotHandOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sent, err := replayOf(t, &behind{has: []uint64{1, 2}, fed: 1}, 2)
		if !errors.Is(err, events.ErrStalled) || !slices.Equal(sent, []uint64{1}) {
			t.Errorf("sent %v, %v", sent, err)
		}
	})
}

// The last event is known by subject, whatever was taken out of the log behind it.
func TestLastOf(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	is := func(want uint64, subjects ...string) {
		t.Helper()
		if got, err := lastOf(t.Context(), n.Log, subjects); err != nil || got != want {
			t.Errorf("the last on %v is %d, %v; want %d", subjects, got, err, want)
		}
	}
	is(0)
	put(t, n, 1)
	for _, p := range []events.Payload{events.ScanRequested{ScanID: "a"}, events.ScanCompleted{ScanID: "a"}} {
		if _, _, err := n.Log.Append(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	is(3)
	is(2, events.AllRequested, events.AllObserved)
	is(0, events.AllObserved)
	s, err := n.JS.Stream(t.Context(), events.StreamEvents)
	if err == nil {
		err = s.Purge(t.Context(), jetstream.WithPurgeSubject(events.AllScans))
	}
	if err != nil {
		t.Fatal(err)
	}
	is(1)
	h := NewHub(n.Log, &list{from: 1}, slog.New(slog.DiscardHandler))
	run(t, h)
	if err := h.Ready(t.Context()); err != nil { // it waits for no event that was taken out
		t.Fatal(err)
	}
	if _, last := h.Position(); last != 3 {
		t.Errorf("the hub stands at %d, want 3", last)
	}
}

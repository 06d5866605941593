package scans

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"backupmonitor/events"
	"backupmonitor/services/internal/natstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// story is a log as the tracker gets it.
type story struct {
	tracker *Tracker
	now     time.Time
	seq     uint64
}

func newStory() *story {
	s := &story{now: time.Date(2026, 2, 21, 10, 0, 0, 0, time.UTC)}
	s.tracker = New(func() time.Time { return s.now })
	return s
}

func (s *story) tell(p events.Payload) uint64 {
	s.seq++
	s.tracker.Apply(events.Record{Seq: s.seq, Stored: s.now}, events.Event{Data: p})
	return s.seq
}

func (s *story) request(id string) uint64 {
	return s.tell(events.ScanRequested{ScanID: id, ScanDate: "2026-02-21", Modes: []events.Mode{events.DDrive}, RequestedAt: s.now})
}

func begun(id string, position uint64, outlets ...string) events.ScanStarted {
	return events.ScanStarted{ScanID: id, ScanDate: "2026-02-21", Modes: []events.Mode{events.DDrive}, RequestPosition: position, Outlets: outlets}
}

func (s *story) look(outlet string, position uint64) {
	s.tell(events.BackupObserved{
		Outlet: outlet, Mode: events.DDrive, ScanID: "any", ScanDate: "2026-02-21", RequestPosition: position,
		Verdict: events.Verdict{Status: events.Successful, Cause: events.CauseOK, Conclusive: true},
	})
}

func (s *story) end(id string) {
	s.tell(events.ScanCompleted{ScanID: id, Counts: map[events.Mode]events.ModeCount{events.DDrive: {Total: 2, Successful: 2}}})
}

func (s *story) counts(t *testing.T, id string, completed int, phase Phase) {
	t.Helper()
	got, ok := s.tracker.Get(id)
	if !ok || got.Sum().Completed() != completed || got.Phase != phase {
		t.Errorf("scan %s: %t, %d looks, %s; not %d, %s", id, ok, got.Sum().Completed(), got.Phase, completed, phase)
	}
}

// Looks count from the request on, also when the scan starts after them, and
// also when the scan they were made for has ended.
func TestLooksFromBeforeTheStartCount(t *testing.T) {
	t.Parallel()
	s := newStory()
	host := s.request("host")
	s.tell(begun("host", host, "S1", "S2"))
	s.look("S1", host)
	late := s.request("late")
	s.look("S2", late)
	s.end("host")
	s.now = s.now.Add(30 * time.Minute)
	attached := begun("late", late, "S1", "S2")
	attached.AttachedTo, attached.HostPosition = "host", host
	s.tell(attached)
	s.counts(t, "late", 2, Running)

	own := s.request("own")
	s.look("S1", own)
	s.look("S1", own-1) // asked for before this scan
	s.tell(begun("own", own, "S1", "S2"))
	s.counts(t, "own", 1, Running)
	if st, _ := s.tracker.Get("own"); st.Looked {
		t.Error("half a scan passes for a whole one")
	}
	s.look("S2", own)
	if st, _ := s.tracker.Get("own"); !st.Looked || st.Seq != s.seq || st.Phase != Running {
		t.Errorf("%+v", st)
	}
	s.end("own")
	s.counts(t, "own", 2, Completed)
}

// Folding again what was folded changes nothing.
func TestRepeatedEventsChangeNothing(t *testing.T) {
	t.Parallel()
	s := newStory()
	p := s.request("a")
	s.tell(begun("a", p, "S1", "S2"))
	s.look("S1", p)
	s.seq = 0
	s.request("a")
	s.tell(begun("a", p, "S1", "S2"))
	s.look("S1", p)
	s.counts(t, "a", 1, Running)
	if n := len(s.tracker.looks); n != 1 {
		t.Errorf("%d looks are kept and not 1", n)
	}
}

// What no scan can count any more is not kept: memory is that of a day.
func TestOldScansAndLooksAreForgotten(t *testing.T) {
	t.Parallel()
	s := newStory()
	for i := range 200 {
		id := fmt.Sprint(i)
		p := s.request(id)
		s.tell(begun(id, p, "S1", "S2"))
		s.look("S1", p)
		s.look("S2", p)
		s.end(id)
		s.now = s.now.Add(15 * time.Minute)
	}
	if n := len(s.tracker.looks); n > 12 {
		t.Errorf("%d looks are kept", n)
	}
	if n := len(s.tracker.List()); n < 98 || n > 102 {
		t.Errorf("%d scans of the last 25 hours, one each 15 minutes", n)
	}
}

// A watcher that does not read still sees the end, and holds nobody up.
func TestWatchersThatLagSeeTheEnd(t *testing.T) {
	t.Parallel()
	s := newStory()
	w := s.tracker.Watch("a")
	defer w.Close()
	p := s.request("a")
	outlets := make([]string, 3*updates)
	for i := range outlets {
		outlets[i] = fmt.Sprint("S", i)
	}
	s.tell(begun("a", p, outlets...))
	for _, o := range outlets {
		s.look(o, p)
	}
	s.end("a")
	var last State
	n, completed := 0, -1
	for len(w.States()) > 0 {
		last = <-w.States()
		if c := last.Sum().Completed(); !last.Phase.Ended() && c < completed {
			t.Errorf("went back from %d to %d", completed, c)
		} else {
			completed = c
		}
		n++
	}
	if n != updates || last.Phase != Completed {
		t.Errorf("%d states, the last is %s", n, last.Phase)
	}
	w.Close()
	if len(s.tracker.watchers) != 0 {
		t.Error("a closed watcher is kept")
	}
}

// What a tracker reads at its start is what one knows that was there all the
// time.
func TestLoadKnowsWhatRuns(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	put := func(p events.Payload) uint64 {
		seq, _, err := n.Log.Append(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		return seq
	}
	tracker := New(time.Now)
	if from, err := tracker.Load(t.Context(), n.Log); err != nil || from != ^uint64(0) {
		t.Errorf("of an empty log: %d, %v", from, err)
	}
	put(events.OutletChanged{Code: "S1", Address: "a", Active: true})
	req := events.ScanRequested{ScanID: "a", ScanDate: "2026-02-21", Modes: []events.Mode{events.DDrive}, RequestedAt: time.Now()}
	p := put(req)
	put(begun("a", p, "S1", "S2"))
	put(events.BackupObserved{Outlet: "S1", Mode: events.DDrive, ScanID: "a", ScanDate: "2026-02-21", RequestPosition: p})
	from, err := tracker.Load(t.Context(), n.Log)
	if err != nil || from != p {
		t.Fatalf("from %d and not %d, %v", from, p, err)
	}
	feed, err := n.Log.Feed(t.Context(), events.FeedOptions{From: from})
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Stop()
	for range feed.Initial {
		r, err := feed.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		e, err := r.Decode()
		if err != nil {
			t.Fatal(err)
		}
		tracker.Apply(r, e)
	}
	if s, ok := tracker.Get("a"); !ok || s.Phase != Running || s.Sum().Completed() != 1 || s.Outlets != 2 {
		t.Errorf("%+v", s)
	}
	put(events.ScanCompleted{ScanID: "a", Modes: req.Modes, CompletedAt: time.Now()})
	old := New(func() time.Time { return time.Now().Add(window + time.Hour) })
	if from, err := old.Load(t.Context(), n.Log); err != nil || from != ^uint64(0) || len(old.List()) != 0 {
		t.Errorf("a day later: from %d, %v", from, err)
	}
	if s, err := old.Find(t.Context(), n.Log, "a"); err != nil || s.Phase != Completed {
		t.Errorf("a day later: %+v, %v", s, err)
	}
}

var errAway = errors.New("the server is away")

// hiccup is a server that answers some requests, and then no more.
type hiccup struct {
	jetstream.JetStream
	answers int
}

func (h *hiccup) Stream(ctx context.Context, name string) (jetstream.Stream, error) {
	if h.answers--; h.answers < 0 {
		return nil, errAway
	}
	return h.JetStream.Stream(ctx, name)
}

// That the log did not answer does not say that a scan never started or ended.
func TestFindTellsNothingWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	find := func(answers int) (State, error) {
		js := &hiccup{JetStream: n.JS, answers: answers}
		return New(time.Now).Find(t.Context(), events.NewLog(js, "test"), "a")
	}
	all := 3
	for i, step := range []struct {
		put   events.Payload
		phase Phase
	}{
		{events.ScanRequested{ScanID: "a", ScanDate: "2026-02-21", Modes: []events.Mode{events.DDrive}}, Requested},
		{begun("a", 1, "S1"), Running},
		{events.ScanCompleted{ScanID: "a"}, Completed},
	} {
		if _, err := find(all); i == 0 && !errors.Is(err, events.ErrNotFound) {
			t.Errorf("before the request: %v", err)
		}
		if _, _, err := n.Log.Append(t.Context(), step.put); err != nil {
			t.Fatal(err)
		}
		if s, err := find(all); err != nil || s.Phase != step.phase {
			t.Errorf("%s: %s, %v", step.phase, s.Phase, err)
		}
		for answers := range all {
			if s, err := find(answers); !errors.Is(err, errAway) {
				t.Errorf("%s, after %d answers: %+v, %v", step.phase, answers, s, err)
			}
		}
	}
}

// A scan counts for its caller from when it is admitted to its end, once, or to
// its deadline where nobody ends it.
func TestAdmit(t *testing.T) {
	t.Parallel()
	s := newStory()
	ask := func(id, by, trigger string) events.ScanRequested {
		return events.ScanRequested{ScanID: id, RequestedBy: by, Trigger: trigger, RequestedAt: s.now, Deadline: s.now.Add(time.Hour)}
	}
	admit := func(want bool, r events.ScanRequested) {
		t.Helper()
		if got := s.tracker.Admit(r, 2); got != want {
			t.Errorf("%s of %q is admitted: %t", r.ScanID, r.RequestedBy, got)
		}
	}
	for range 3 {
		s.tell(ask(fmt.Sprint("cron", s.seq), "", events.TriggerCron))
		s.tell(ask(fmt.Sprint("cli", s.seq), events.ActorCommandLine, events.TriggerCLI))
	}
	a := ask("a", "ada", events.TriggerAPI)
	admit(true, a)
	s.tell(a)
	admit(true, ask("b", "ada", events.TriggerSync))
	admit(false, ask("c", "ada", events.TriggerAPI))
	admit(true, ask("c", "bob", events.TriggerAPI))
	admit(true, ask("p1", "", events.TriggerPublic))
	admit(true, ask("p2", "", events.TriggerPublic))
	admit(false, ask("p3", "", events.TriggerPublic))
	s.tracker.Withdraw("b")
	admit(true, ask("b2", "ada", events.TriggerAPI))
	admit(false, ask("d", "ada", events.TriggerAPI))
	s.end("a")
	admit(true, ask("d", "ada", events.TriggerAPI))
	admit(false, ask("e", "ada", events.TriggerAPI))
	s.now = s.now.Add(time.Hour)
	admit(true, ask("e", "ada", events.TriggerAPI))
	s.now = s.now.Add(window + time.Hour)
	s.request("late")
	if n := len(s.tracker.asked); n != 0 {
		t.Errorf("%d scans are on their way to the log for a day", n)
	}
}

// Of two who ask for a scan of the same id, as strangers do within a minute, the one
// who is refused leaves the other's place alone.
func TestWithdrawnByAnother(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 2, 21, 12, 0, 0, 0, time.UTC)
	tracker := New(func() time.Time { return now })
	ask := func(id string) bool {
		return tracker.Admit(events.ScanRequested{ScanID: id, Trigger: events.TriggerPublic, Deadline: now.Add(time.Hour)}, 2)
	}
	for range 2 {
		if !ask("one") {
			t.Fatal("not admitted")
		}
	}
	tracker.Withdraw("one")
	if !ask("two") || ask("three") {
		t.Error("the place of the one who was not refused is not counted once")
	}
	tracker.Withdraw("one")
	if !ask("three") || ask("four") {
		t.Error("the place is not given back when both have withdrawn")
	}
}

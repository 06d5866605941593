package scheduler_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"backupmonitor/events"
)

// onceEach checks that each outlet has one look in each mode, by a scan.
func (f *fixture) onceEach(id string, codes []string, modes ...events.Mode) {
	f.t.Helper()
	n := map[string]int{}
	for _, o := range f.looks() {
		if o.ScanID == id {
			n[events.LookID(id, o.Outlet, o.Mode)]++
		}
	}
	for _, code := range codes {
		for _, m := range modes {
			if k := n[events.LookID(id, code, m)]; k != 1 {
				f.t.Errorf("outlet %s has %d looks in %s", code, k, m)
			}
		}
	}
	if len(n) != len(codes)*len(modes) {
		f.t.Errorf("%d looks of scan %s, want %d", len(n), id, len(codes)*len(modes))
	}
}

// TestKilledScheduler loses its connection in the middle of a scan, without a
// word; another goes on with it.
func TestKilledScheduler(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]int{"early": 1, "in the middle": 100, "late": 199} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.quickTakeover()
			codes := f.register(200)
			first := f.schedule()
			var kill sync.Once
			var mu sync.Mutex
			n := 0
			f.probe(2, func(p *prober) {
				p.before = func(events.ProbeCommand) {
					mu.Lock()
					defer mu.Unlock()
					if n++; n >= at {
						kill.Do(first.conn.Close)
					}
				}
			})
			f.request(request("handed", events.Modes()...))
			f.until("the first scheduler is gone", first.conn.IsClosed)
			second := f.schedule()
			c := f.completed("handed")
			if want := (events.ModeCount{Total: 200, Successful: 200}); c.Counts[events.DDrive] != want || c.Counts[events.IBStorage] != want {
				t.Errorf("completed as %+v", c)
			}
			f.queueEmpties()
			f.onceEach("handed", codes, events.Modes()...)
			f.nothingUnacknowledged()
			first.stop()
			second.stop()
		})
	}
}

// TestTakeoverOfWhatIsSeen: a scheduler died after the last look and before the
// completion. Its successor asks for nothing again.
func TestTakeoverOfWhatIsSeen(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	codes := f.register(60)
	r := request("seen", events.DDrive)
	seq := f.request(r)
	started := events.ScanStarted{
		ScanID: r.ScanID, ScanDate: r.ScanDate, Modes: r.Modes, RequestPosition: seq, Outlets: codes, Policy: policy(), Deadline: r.Deadline,
	}
	if _, err := f.Log.Write(f.ctx, started, 0); err != nil {
		t.Fatal(err)
	}
	dead := &prober{f: f}
	for _, code := range codes {
		c := events.ProbeCommand{ScanID: r.ScanID, ScanDate: r.ScanDate, Outlet: code, RequestPosition: seq}
		if _, _, err := f.Log.Append(f.ctx, dead.look(c, events.DDrive)); err != nil {
			t.Fatal(err)
		}
	}
	f.schedule()
	if c := f.completed("seen"); c.Counts[events.DDrive] != (events.ModeCount{Total: 60, Successful: 60}) {
		t.Errorf("completed as %+v", c)
	}
	f.nothingUnacknowledged()
	if n := f.queued(); n != 0 {
		t.Errorf("%d outlets are to be looked at again", n)
	}
}

// TestStoppedSchedulerHandsOver: after an orderly stop the other has the scan
// at once, and does not wait for an acknowledgement to time out.
func TestStoppedSchedulerHandsOver(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.register(5)
	f.takeoverAfter(time.Hour) // only what is given back is delivered again
	first := f.schedule()
	f.request(request("handed", events.DDrive))
	f.until("every outlet has its command", func() bool { return f.queued() == 5 })
	first.stop()
	first.conn.Close()
	second := f.schedule()
	second.detail("1 scan running")
	f.probe(2)
	if c := f.completed("handed"); c.Counts[events.DDrive] != (events.ModeCount{Total: 5, Successful: 5}) {
		t.Errorf("completed as %+v", c)
	}
	f.nothingUnacknowledged()
}

// TestLongScanIsRenewed: a scan that lasts longer than the time to acknowledge
// stays with its scheduler.
func TestLongScanIsRenewed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.quickTakeover()
	f.register(1)
	s := f.schedule()
	f.request(request("long", events.DDrive))
	s.detail("1 scan running")
	s2 := f.schedule()
	later := time.Now().Add(2500 * time.Millisecond)
	f.until("time passes", func() bool {
		if detail, _ := s2.Check(f.ctx); strings.Contains(detail, " running, ") {
			t.Fatal("another scheduler was given the scan")
		}
		return time.Now().After(later)
	})
	f.probe(1)
	f.completed("long")
}

// TestRefusedCommands: a scan of outlets that have another scan's commands
// counts that scan's looks where it may, and has its own turn where not.
func TestRefusedCommands(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	codes := f.register(40)
	f.schedule()
	f.request(request("first", events.DDrive))
	f.until("every outlet has its command", func() bool { return f.queued() == 40 })
	f.request(request("other-mode", events.IBStorage))
	dated := request("other-date", events.DDrive)
	dated.ScanDate = "2026-02-21"
	f.request(dated)
	sync := request("sync", events.DDrive)
	sync.Outlets = codes[:3]
	f.request(sync)
	for _, id := range []string{"other-mode", "other-date", "sync"} {
		f.started(id)
	}
	if n := f.queued(); n != 40 {
		t.Errorf("%d commands outstanding at 40 outlets", n)
	}
	f.probe(4)
	for id, n := range map[string]int{"first": 40, "other-mode": 40, "other-date": 40, "sync": 3} {
		c := f.completed(id)
		if c.Counts[c.Modes[0]] != (events.ModeCount{Total: n, Successful: n}) {
			t.Errorf("%s completed as %+v", id, c)
		}
	}
	f.queueEmpties()
	f.onceEach("first", codes, events.DDrive)
	f.onceEach("other-mode", codes, events.IBStorage)
	f.onceEach("other-date", codes, events.DDrive)
	f.onceEach("sync", codes[:3], events.DDrive) // later than the first's commands, so that theirs do not count
}

// TestLaterLooksCount: a look that a later scan asked for satisfies an earlier
// one that waits for its turn.
func TestLaterLooksCount(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	codes := f.register(3)
	first := request("first", events.DDrive)
	first.Outlets = codes
	f.request(first)
	later := request("later", events.DDrive)
	later.Outlets = codes
	seq := f.request(later)
	for _, code := range codes { // the later one's commands are there before any scheduler offers the first's
		c := events.ProbeCommand{
			ScanID: "later", ScanDate: later.ScanDate, Outlet: code, Server: "10.0.0.1", Modes: later.Modes,
			RequestPosition: seq, Policy: policy(), Deadline: later.Deadline,
		}
		if err := f.Log.Command(f.ctx, c); err != nil {
			t.Fatal(err)
		}
	}
	f.schedule()
	f.started("first")
	f.started("later")
	// An offer may slip in between a look and its way to the scheduler. It ends
	// in a look, but the scan does not wait for that.
	_, release := f.probeHolding(len(codes)+1, func(c events.ProbeCommand) bool { return c.ScanID == "first" })
	f.completed("first")
	f.completed("later")
	release()
	f.queueEmpties()
	f.onceEach("later", codes, events.DDrive)
}

package scheduler_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"backupmonitor/events"
)

// TestManyScansManySchedulers lets scans of all kinds meet on few outlets,
// while schedulers come and go.
func TestManyScansManySchedulers(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			manyScans(newFixture(t), rand.New(rand.NewPCG(seed, 1)))
		})
	}
}

func manyScans(f *fixture, random *rand.Rand) {
	f.quickTakeover()
	codes := f.register(6)
	f.probe(3, func(p *prober) {
		p.judge = func(outlet string, _ events.Mode) events.Cause {
			return events.Causes()[int(outlet[4]-'0')%8] // ok to unreachable, by outlet
		}
	})
	schedulers := []*running{f.schedule(), f.schedule()}
	modes := [][]events.Mode{{events.DDrive}, {events.IBStorage}, events.Modes()}
	requests := map[string]events.ScanRequested{}
	for i := range 30 {
		r := request(string(rune('a'+i%26))+string(rune('a'+i/26)), modes[random.IntN(3)]...)
		if random.IntN(3) == 0 {
			r.ScanDate = "2026-02-21"
		}
		if random.IntN(2) == 0 {
			r.Outlets = slices.Clone(codes[random.IntN(5):])
		}
		f.request(r)
		requests[r.ScanID] = r
		switch random.IntN(8) {
		case 0:
			f.change(codes[random.IntN(6)], func(o *events.OutletChanged) { o.Name += "x" })
		case 1:
			k := random.IntN(2)
			if random.IntN(2) == 0 {
				schedulers[k].conn.Close()
			}
			schedulers[k].stop()
			schedulers[k] = f.schedule()
		case 2:
			c := events.ScanCompleted{ScanID: r.ScanID, ScanDate: r.ScanDate, Modes: r.Modes, Cancelled: true}
			if _, err := f.Log.Write(f.ctx, c, 0); err != nil && !errors.Is(err, events.ErrConflict) {
				f.t.Fatal(err)
			}
		}
	}
	ends := map[string]events.ScanCompleted{}
	for id := range requests {
		ends[id] = f.completed(id)
	}
	f.queueEmpties()
	f.nothingUnacknowledged()
	looks := f.looks()
	for id, c := range ends {
		f.checkCompleted(id, c, looks)
	}
	ids := map[string]bool{}
	for _, o := range looks {
		id := events.LookID(o.ScanID, o.Outlet, o.Mode)
		if ids[id] {
			f.t.Errorf("look %s is in the log twice", id)
		}
		ids[id] = true
	}
}

// checkCompleted counts a scan again, from its definition: for each outlet and
// mode the first look in the log that belongs to it.
func (f *fixture) checkCompleted(id string, c events.ScanCompleted, looks []events.BackupObserved) {
	f.t.Helper()
	if c.Cancelled {
		return
	}
	started := f.started(id)
	want := map[events.Mode]events.ModeCount{}
	for _, m := range started.Modes {
		n := events.ModeCount{Total: len(started.Outlets)}
		for _, code := range started.Outlets {
			for _, o := range looks {
				if o.Outlet != code || o.Mode != m || o.ScanDate != started.ScanDate || o.RequestPosition < started.Position() {
					continue
				}
				switch {
				case o.Verdict.Status == events.Successful:
					n.Successful++
				case o.Verdict.Conclusive:
					n.Failed++
				default:
					n.Failed++
					n.NotObserved++
				}
				break
			}
		}
		want[m] = n
	}
	for m, n := range want {
		if c.Counts[m] != n || n.Completed() != n.Total {
			f.t.Errorf("scan %s completed with %+v in %s, want %+v", id, c.Counts[m], m, n)
		}
	}
}

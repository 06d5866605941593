package smb_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/fleet"
	"backupmonitor/services/internal/fleet/fault"
	"backupmonitor/services/prober/smb"
)

// hostileFleet are as many good outlets as there are faults and requests, and
// one outlet for each of these.
func hostileFleet(t testing.TB) (good, hostile []*fleet.Outlet) {
	t.Helper()
	var specs []fleet.Spec
	add := func(preset fleet.Preset, faults ...fault.Fault) {
		spec := fleet.New(fleet.Plan{Code: fmt.Sprintf("S%04d", len(specs)), Preset: preset, Seed: 7, Now: time.Now()})
		if faults != nil {
			spec.Truth.Faults = faults
		}
		specs = append(specs, spec)
	}
	for _, h := range hostilities() {
		for _, q := range requests() {
			add(fleet.Good, fault.To(q.command, q.nth, h.act))
		}
	}
	for seed := range uint64(20) {
		add(fleet.SeveralUSB, fault.Every(fault.Mutator{Seed: seed, Resign: seed%2 == 0}.Act()))
	}
	for _, preset := range []fleet.Preset{
		fleet.WrongPassword, fleet.LockedOut, fleet.NotListening, fleet.NeverAnswers, fleet.Resets, fleet.Missigns,
		fleet.TooManyGuests, fleet.FolderInUse, fleet.ShareDenied, fleet.Drips,
	} {
		add(preset)
	}
	n := len(specs)
	for range n {
		add(fleet.Good)
	}
	all := start(t, nil, specs...)
	return all[n:], all[:n]
}

// footprint is what a process holds.
type footprint struct {
	goroutines, descriptors int
	heap                    uint64
}

func takeFootprint() footprint {
	runtime.GC()
	runtime.GC() // what the finalizers of the first let go
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	f := footprint{goroutines: runtime.NumGoroutine(), heap: memory.HeapAlloc}
	if entries, err := os.ReadDir("/proc/self/fd"); err == nil { // else the system does not tell
		f.descriptors = len(entries)
	}
	return f
}

// TestNothingIsLeftBehind looks very often, half of the time in vain: then
// everything is as it was. LOOKS says how often. It runs alone: what others
// hold would be counted.
func TestNothingIsLeftBehind(t *testing.T) {
	looks := number(t, "LOOKS", 1000)
	const workers, within = 32, 300 * time.Millisecond
	good, hostile := hostileFleet(t)
	lookAt := func(o *fleet.Outlet) events.Verdict {
		ctx, cancel := context.WithTimeout(context.Background(), within)
		defer cancel()
		return judge(smb.Look(ctx, smb.Options{}, bothModes(o.Addr(), account()), today(time.Now()))[0])
	}
	settle := func() {
		for _, o := range append(good, hostile...) {
			gone(t, o)
		}
	}
	lookAt(good[0])
	settle()
	before := takeFootprint()

	var next, wrong atomic.Uint64
	var looking sync.WaitGroup
	for range workers {
		looking.Go(func() {
			for i := next.Add(1) - 1; i < looks; i = next.Add(1) - 1 {
				o := good[i/2%uint64(len(good))]
				if i%2 == 0 {
					o = hostile[i/2%uint64(len(hostile))]
				}
				if lookAt(o).Cause != events.CauseOK {
					wrong.Add(1)
				}
			}
		})
	}
	looking.Wait()
	settle()
	var after footprint
	until(t, func() bool {
		after = takeFootprint()
		return after.goroutines <= before.goroutines && after.descriptors <= before.descriptors
	})
	t.Logf("%d looks, %d in vain; before %+v, after %+v", looks, wrong.Load(), before, after)
	if wrong.Load() < looks/3 {
		t.Errorf("only %d of %d looks went wrong", wrong.Load(), looks)
	}
	if most := before.heap + 8<<20; after.heap > most {
		t.Errorf("the heap has %d bytes, and had %d", after.heap, before.heap)
	}
	checkFinalizers(t)
}

// checkFinalizers makes sure that the process still runs finalizers. Those of
// the library's files talk to the server, all on one goroutine: one that hangs
// would be the end of all finalizers.
func checkFinalizers(t *testing.T) {
	t.Helper()
	ran := make(chan struct{})
	func() {
		object := &[16]byte{}
		runtime.SetFinalizer(object, func(*[16]byte) { close(ran) })
	}()
	until(t, func() bool {
		runtime.GC()
		select {
		case <-ran:
			return true
		default:
			return false
		}
	})
}

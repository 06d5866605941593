package line_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"backupmonitor/events"
	"backupmonitor/services/prober/line"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is outlets that answer or don't, and what was said about it.
type world struct {
	mu      sync.Mutex
	outlets int
	answers map[string]bool
	dialled map[string]int
	said    []events.ProberChanged
	broken  error // of the list of outlets
}

func address(i int) string { return fmt.Sprint("10.0.", i/256, ".", i%256) }

func (w *world) sample(_ context.Context, n int) ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var drawn []string
	for _, i := range rand.Perm(w.outlets)[:min(n, w.outlets)] {
		drawn = append(drawn, address(i))
	}
	return drawn, w.broken
}

func (w *world) dial(ctx context.Context, a string) bool {
	w.mu.Lock()
	w.dialled[a]++
	answers := w.answers[a]
	w.mu.Unlock()
	if answers {
		return true
	}
	select {
	case <-time.After(5 * time.Second):
	case <-ctx.Done():
	}
	return false
}

func (w *world) tell(_ context.Context, e events.ProberChanged) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, e)
	return nil
}

func (w *world) let(a string, answer bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers[a] = answer
}

func (w *world) words() []events.ProberChanged {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.said
}

// in runs f beside a line on a fake clock.
func in(t *testing.T, outlets int, f func(t *testing.T, w *world, l *line.Line)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{outlets: outlets, answers: map[string]bool{}, dialled: map[string]int{}}
		l := line.New(line.Config{Prober: "p1", Sample: w.sample, Dial: w.dial, Tell: w.tell, Now: time.Now}, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { l.Run(ctx) })
		f(t, w, l)
		cancel()
		running.Wait()
	})
}

// pass lets time go by on the fake clock.
func pass(d time.Duration) { <-time.After(d) }

// fail reports looks at n outlets that did not answer, and says how many of
// them were not to be believed.
func fail(l *line.Line, n int) (held int) {
	for i := range n {
		if l.Report(address(i), false, time.Now()) {
			held++
		}
	}
	return held
}

// TestNetworkDown: after a few outlets in a row, nothing is believed until one
// answers again.
func TestNetworkDown(t *testing.T) {
	in(t, 1000, func(t *testing.T, w *world, l *line.Line) {
		began := time.Now()
		if held := fail(l, 128); held != 119 {
			t.Errorf("%d of 128 failures held back, want all from the tenth on", held)
		}
		pass(6 * time.Second) // synctest: until the sample has not answered
		if since, offline := l.Offline(); !offline || !since.Equal(began) {
			t.Fatalf("offline %t since %v", offline, since)
		}
		waited := make(chan bool, 1)
		go func() { waited <- l.Wait(t.Context()) }()
		pass(5 * time.Minute)
		select {
		case <-waited:
			t.Error("somebody is sent to work offline")
		default:
		}
		said := w.words()
		if n := len(said); n < 4 || n > 6 {
			t.Errorf("said %d times in five minutes", n)
		}
		for i, e := range said {
			if e.Online || e.Prober != "p1" || e.Tried != 128 || e.Detail == "" || !e.Since.Equal(began) || e.ValidUntil == nil || !e.ValidUntil.After(e.ChangedAt) {
				t.Errorf("%+v", e)
			}
			if i > 0 && e.ChangedAt.After(*said[i-1].ValidUntil) {
				t.Error("not believed any more before it was said again")
			}
		}
		for i := range 1000 {
			w.let(address(i), true)
		}
		if !<-waited {
			t.Error("nobody is sent to work")
		}
		synctest.Wait()
		if last := w.words()[len(w.words())-1]; !last.Online || last.ValidUntil != nil {
			t.Errorf("%+v", last)
		}
		if _, offline := l.Offline(); offline {
			t.Error("still offline")
		}
	})
}

// TestRegionDown: where others answer, those who don't are down.
func TestRegionDown(t *testing.T) {
	in(t, 1000, func(t *testing.T, w *world, l *line.Line) {
		for i := 60; i < 1000; i++ {
			w.let(address(i), true)
		}
		if held := fail(l, 60); held == 0 {
			t.Error("no suspicion")
		}
		pass(6 * time.Second)
		if _, offline := l.Offline(); offline {
			t.Fatal("offline, though others answer")
		}
		if held := fail(l, 60); held != 0 {
			t.Errorf("%d failures held back again at once", held)
		}
		if len(w.words()) != 0 {
			t.Errorf("%+v", w.words())
		}
	})
}

// TestSmallFleet: from a few outlets nothing can be told.
func TestSmallFleet(t *testing.T) {
	in(t, 9, func(t *testing.T, w *world, l *line.Line) {
		for range 20 {
			fail(l, 9)
		}
		fail(l, 15) // also some that are not registered any more
		pass(6 * time.Second)
		if _, offline := l.Offline(); offline || len(w.words()) != 0 {
			t.Error("offline, for nine outlets")
		}
	})
}

// TestFewDown: a success in between is an answer.
func TestFewDown(t *testing.T) {
	in(t, 100, func(t *testing.T, w *world, l *line.Line) {
		for i := range 100 {
			if held := l.Report(address(i), i%9 == 8, time.Now()); held {
				t.Fatalf("held at %d", i)
			}
			pass(time.Second)
		}
		if len(w.dialled) != 0 {
			t.Error("somebody was dialled")
		}
	})
}

// TestOldConnection: a look that was connected before the trouble began says
// nothing about it when it ends.
func TestOldConnection(t *testing.T) {
	in(t, 100, func(t *testing.T, _ *world, l *line.Line) {
		before := time.Now()
		pass(time.Second)
		fail(l, 9)
		l.Report("10.9.9.9", true, before)
		if held := l.Report(address(9), false, time.Now()); !held {
			t.Error("the row of failures was broken by an old success")
		}
		pass(6 * time.Second)
		if _, offline := l.Offline(); !offline {
			t.Error("not offline")
		}
	})
}

// TestRegionThenNetwork: that a region was down does not hide that the network
// goes down a moment later.
func TestRegionThenNetwork(t *testing.T) {
	in(t, 1000, func(t *testing.T, w *world, l *line.Line) {
		w.let(address(500), true)
		for i := 60; i < 1000; i++ {
			w.let(address(i), true)
		}
		fail(l, 60)
		pass(6 * time.Second)
		for i := range 1000 {
			w.let(address(i), false)
		}
		held := 0
		for i := 100; i < 228; i++ {
			if l.Report(address(i), false, time.Now()) {
				held++
			}
		}
		pass(6 * time.Second)
		if _, offline := l.Offline(); !offline || held != 119 {
			t.Errorf("offline %t, %d of 128 failures held back", offline, held)
		}
	})
}

// TestNoList: as long as nobody can tell which outlets there are, nothing is
// believed and nothing claimed.
func TestNoList(t *testing.T) {
	in(t, 100, func(t *testing.T, w *world, l *line.Line) {
		broken := func(err error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.broken = err
		}
		broken(errors.New("the log is away"))
		fail(l, 50)
		pass(6 * time.Second)
		if err := l.Unsure(); err != nil {
			t.Errorf("the log may come back soon: %v", err)
		}
		pass(15 * time.Second)
		if _, offline := l.Offline(); offline {
			t.Error("offline, by a guess")
		}
		if l.Unsure() == nil {
			t.Error("nobody is told that it is not known")
		}
		if held := fail(l, 50); held != 50 {
			t.Errorf("%d of 50 failures held back while nothing is known", held)
		}
		broken(nil)
		pass(12 * time.Second)
		if _, offline := l.Offline(); !offline {
			t.Error("not offline when it can be told")
		}
		if err := l.Unsure(); err != nil {
			t.Error(err)
		}
	})
}

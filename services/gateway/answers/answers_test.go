package answers

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"backupmonitor/services/internal/store"
)

func at(seq uint64) store.Checkpoint { return store.Checkpoint{Stream: "s", Seq: seq} }

// tables is what answers are made of.
type tables struct {
	seq   atomic.Uint64
	makes atomic.Int32
}

func (t *tables) answer(context.Context) (Answer[string], error) {
	t.makes.Add(1)
	seq := t.seq.Load()
	wait := time.NewTimer(10 * time.Millisecond)
	defer wait.Stop()
	<-wait.C
	return Answer[string]{Value: fmt.Sprint(seq), Checkpoint: at(seq), Size: 1}, nil
}

// Many who ask at once cost one, and nobody gets tables older than they have
// seen.
func TestOneForMany(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, tb := New[string, string](10, time.Now), &tables{}
		for _, seq := range []uint64{1, 1, 2, 7} {
			tb.seq.Store(seq)
			var asking sync.WaitGroup
			for range 50 {
				asking.Go(func() {
					if v, err := c.Get(t.Context(), "k", at(seq), tb.answer); err != nil || v != fmt.Sprint(seq) {
						t.Errorf("%s, %v; want %d", v, err, seq)
					}
				})
			}
			asking.Wait()
		}
		if n := tb.makes.Load(); n != 3 {
			t.Errorf("made %d times and not 3", n)
		}
	})
}

// Who has seen newer tables than those that an answer is being made of waits
// for the next.
func TestNobodyGetsOlderThanSeen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, tb := New[string, string](10, time.Now), &tables{}
		var asking sync.WaitGroup
		for seq := range uint64(20) {
			tb.seq.Store(seq)
			for range 5 {
				asking.Go(func() {
					v, err := c.Get(t.Context(), "k", at(seq), tb.answer)
					var got uint64
					if _, serr := fmt.Sscan(v, &got); err != nil || serr != nil || got < seq {
						t.Errorf("who has seen %d gets %s, %v", seq, v, err)
					}
				})
			}
			time.Sleep(3 * time.Millisecond) //nolint:forbidigo // of the bubble's own time
		}
		asking.Wait()
	})
}

func TestAnotherLogIsAnotherAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := New[string, string](10, time.Now)
		for _, stream := range []string{"a", "b", "a"} {
			cp := store.Checkpoint{Stream: stream, Seq: 5}
			v, err := c.Get(t.Context(), "k", cp, func(context.Context) (Answer[string], error) {
				return Answer[string]{Value: stream, Checkpoint: cp, Size: 1}, nil
			})
			if err != nil || v != stream {
				t.Errorf("%s, %v", v, err)
			}
		}
	})
}

// What changes without the checkpoint is seen after a moment, and only one
// waits for it.
func TestAnswersGrowOld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, tb := New[string, string](10, time.Now), &tables{}
		get := func() {
			if _, err := c.Get(t.Context(), "k", at(0), tb.answer); err != nil {
				t.Error(err)
			}
		}
		get()
		time.Sleep(freshFor) //nolint:forbidigo // of the bubble's own time
		var one sync.WaitGroup
		one.Go(get)
		synctest.Wait()
		began := time.Now()
		get()
		if time.Since(began) != 0 {
			t.Error("a second one waits")
		}
		one.Wait()
		if n := tb.makes.Load(); n != 2 {
			t.Errorf("made %d times and not 2", n)
		}
	})
}

func TestSizeIsBounded(t *testing.T) {
	t.Parallel()
	c := New[int, int](100, time.Now)
	get := func(key, size int) bool {
		made := false
		v, err := c.Get(t.Context(), key, at(0), func(context.Context) (Answer[int], error) {
			made = true
			return Answer[int]{Value: key, Checkpoint: at(0), Size: size}, nil
		})
		if err != nil || v != key {
			t.Fatal(v, err)
		}
		return made
	}
	for key := range 50 {
		get(key, 30)
		get(0, 30)
		if c.size > 100 || len(c.entries) > 3 {
			t.Fatalf("%d entries of size %d", len(c.entries), c.size)
		}
	}
	if get(0, 30) {
		t.Error("what is in use was dropped")
	}
	get(1000, 101)
	if !get(1000, 101) || c.size > 100 {
		t.Errorf("what is too large is kept: %d", c.size)
	}
}

func TestFailuresAndLeavers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := New[string, string](10, time.Now)
		down := errors.New("down")
		var asking sync.WaitGroup
		var tries atomic.Int32
		for range 20 {
			asking.Go(func() {
				_, err := c.Get(t.Context(), "k", at(0), func(context.Context) (Answer[string], error) {
					tries.Add(1)
					time.Sleep(time.Second) //nolint:forbidigo // of the bubble's own time
					return Answer[string]{}, down
				})
				if !errors.Is(err, down) {
					t.Error(err)
				}
			})
		}
		asking.Wait()
		if tries.Load() != 1 || len(c.entries) != 0 {
			t.Errorf("%d tries, %d entries", tries.Load(), len(c.entries))
		}
		// The one who makes it leaves: another goes on.
		tb := &tables{}
		leaving, leave := context.WithCancel(t.Context())
		asking.Go(func() {
			_, err := c.Get(leaving, "k", at(0), func(ctx context.Context) (Answer[string], error) {
				<-ctx.Done()
				return Answer[string]{}, ctx.Err()
			})
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		synctest.Wait()
		for range 5 {
			asking.Go(func() {
				if v, err := c.Get(t.Context(), "k", at(0), tb.answer); err != nil || v != "0" {
					t.Error(v, err)
				}
			})
		}
		synctest.Wait()
		leave()
		asking.Wait()
		if n := tb.makes.Load(); n != 1 {
			t.Errorf("made %d times", n)
		}
	})
}

func TestOnlySoManyAreMadeAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, tb := New[int, string](10, time.Now), &tables{}
		var asking sync.WaitGroup
		var refused atomic.Int32
		for key := range 3 * flights {
			asking.Go(func() {
				if _, err := c.Get(t.Context(), key, at(0), tb.answer); errors.Is(err, ErrTooMany) {
					refused.Add(1)
				} else if err != nil {
					t.Error(err)
				}
			})
		}
		asking.Wait()
		if refused.Load() != 2*flights || len(c.entries) != flights {
			t.Errorf("%d were refused, %d are kept", refused.Load(), len(c.entries))
		}
	})
}

// However many are asked for, only so many are kept, those used last; what counts
// for nothing is not kept at all.
func TestTheNumberIsBounded(t *testing.T) {
	t.Parallel()
	c := New[int, int](1<<30, time.Now)
	made := 0
	ask := func(key, size int) {
		t.Helper()
		v, err := c.Get(t.Context(), key, at(1), func(context.Context) (Answer[int], error) {
			made++
			return Answer[int]{Value: key, Checkpoint: at(1), Size: size}, nil
		})
		if err != nil || v != key {
			t.Fatal(v, err)
		}
	}
	for key := range 10 * maxKept {
		ask(key, 1)
		ask(0, 1)
	}
	if made != 10*maxKept || len(c.entries) != maxKept || c.order.Len() != maxKept || c.size != maxKept {
		t.Errorf("made %d, kept %d, in order %d, of size %d", made, len(c.entries), c.order.Len(), c.size)
	}
	made = 0
	for range 3 {
		ask(-1, 0)
	}
	if made != 3 || len(c.entries) != maxKept {
		t.Errorf("made %d and not 3 times, kept %d", made, len(c.entries))
	}
}

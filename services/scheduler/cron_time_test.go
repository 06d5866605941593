package scheduler

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	_ "time/tzdata"

	"backupmonitor/events"
)

// clockwork is a cron in time that stands still while anything runs. Time
// begins at midnight UTC of 2000-01-01, a Saturday.
type clockwork struct {
	settings chan events.Schedule
	mu       sync.Mutex
	asked    []string // slots, UTC, as 15:04
	refuse   int      // so many times more
	skew     time.Duration
	next     time.Time
}

func startClockwork(ctx context.Context, zone *time.Location) *clockwork {
	w := &clockwork{settings: make(chan events.Schedule)}
	c := cron{
		zone: zone,
		now: func() time.Time {
			w.mu.Lock()
			defer w.mu.Unlock()
			return time.Now().Add(w.skew)
		},
		ask: func(_ context.Context, slot time.Time) bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.refuse > 0 {
				w.refuse--
				return false
			}
			w.asked = append(w.asked, slot.UTC().Format("02 15:04"))
			return true
		},
		next: func(t time.Time) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.next = t
		},
	}
	go c.run(ctx, w.settings)
	return w
}

// after lets time pass and checks which slots have been asked for since.
func (w *clockwork) after(t *testing.T, d time.Duration, want ...string) {
	t.Helper()
	time.Sleep(d) //nolint:forbidigo // in the bubble of synctest this is what moves the clock
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.asked, want) {
		t.Errorf("asked for %v, want %v", w.asked, want)
	}
	w.asked = nil
}

func (w *clockwork) refuseNext(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refuse = n
}

func (w *clockwork) nextSlot() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.next
}

func (w *clockwork) set(from string, interval time.Duration, to string) {
	w.settings <- events.Schedule{
		IntervalSeconds: int64(interval / time.Second), From: from, To: to, Days: []int{0, 1, 2, 3, 4, 5, 6},
	}
}

func inBubble(t *testing.T, zone *time.Location, test func(t *testing.T, w *clockwork)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		test(t, startClockwork(ctx, zone))
	})
}

func TestSlotsAreAskedForAsTheyCome(t *testing.T) {
	t.Parallel()
	inBubble(t, time.UTC, func(t *testing.T, w *clockwork) {
		w.after(t, 90*time.Minute) // nothing is known yet
		w.set("08:00", 4*time.Hour, "18:00")
		w.after(t, 0)
		if got, want := w.nextSlot(), time.Date(2000, 1, 1, 8, 0, 0, 0, time.UTC); !got.Equal(want) {
			t.Errorf("next slot is %v, want %v", got, want)
		}
		w.after(t, 24*time.Hour, "01 08:00", "01 12:00", "01 16:00")
	})
}

func TestStartMakesUpForTheCurrentSlot(t *testing.T) {
	t.Parallel()
	inBubble(t, time.UTC, func(t *testing.T, w *clockwork) {
		w.after(t, 13*time.Hour)
		w.set("00:00", 4*time.Hour, "24:00")
		w.after(t, 0, "01 12:00")
		w.after(t, 3*time.Hour+time.Second, "01 16:00")
	})
}

func TestNewScheduleMakesUpForNothing(t *testing.T) {
	t.Parallel()
	inBubble(t, time.UTC, func(t *testing.T, w *clockwork) {
		w.set("08:00", time.Hour, "20:00")
		w.after(t, 9*time.Hour+30*time.Minute, "01 08:00", "01 09:00")
		w.set("09:15", time.Hour, "20:00")
		w.after(t, 50*time.Minute, "01 10:15")
		w.settings <- events.Schedule{}
		w.after(t, 24*time.Hour)
		if got := w.nextSlot(); !got.IsZero() {
			t.Errorf("next slot is %v, want never", got)
		}
	})
}

func TestAbsenceIsFollowedByOneScan(t *testing.T) {
	t.Parallel()
	inBubble(t, time.UTC, func(t *testing.T, w *clockwork) {
		w.set("00:00", time.Hour, "24:00")
		w.after(t, 30*time.Minute, "01 00:00")
		w.mu.Lock()
		w.skew = 5 * time.Hour // the machine slept: the clock is on, the timers are not
		w.mu.Unlock()
		w.after(t, time.Minute, "01 05:00")
		w.after(t, 30*time.Minute, "01 06:00")
	})
}

func TestClockSetBack(t *testing.T) {
	t.Parallel()
	inBubble(t, time.UTC, func(t *testing.T, w *clockwork) {
		w.set("00:00", time.Hour, "24:00")
		w.after(t, 150*time.Minute, "01 00:00", "01 01:00", "01 02:00")
		w.mu.Lock()
		w.skew = -time.Hour // asked for again, which the log refuses
		w.mu.Unlock()
		w.after(t, 31*time.Minute, "01 02:00")
	})
}

func TestFailedRequestIsRepeatedWhileCurrent(t *testing.T) {
	t.Parallel()
	inBubble(t, time.UTC, func(t *testing.T, w *clockwork) {
		w.after(t, time.Minute)
		w.refuseNext(10)
		w.set("00:00", time.Hour, "24:00")
		w.after(t, 45*time.Second)
		w.after(t, 10*time.Second, "01 00:00")
		w.refuseNext(1000) // for more than an hour: the slot is not made up for afterwards
		w.after(t, 3*time.Hour-2*time.Minute, "01 02:00")
	})
}

func TestSummerTime(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	inBubble(t, berlin, func(t *testing.T, w *clockwork) {
		w.after(t, time.Until(time.Date(2000, 3, 25, 23, 30, 0, 0, time.UTC)))
		w.set("00:00", time.Hour, "24:00")
		w.after(t, 3*time.Hour, "25 23:00", "26 00:00", "26 01:00", "26 02:00")
	})
}

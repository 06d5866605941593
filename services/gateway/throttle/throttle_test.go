package throttle

import (
	"fmt"
	"testing"
	"time"
)

func TestABurstThenOneEachSoOften(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 2, 21, 10, 0, 0, 0, time.UTC)
	th := New(Limit{Burst: 3, Every: 10 * time.Second}, 10, func() time.Time { return now })
	take := func(key string, want time.Duration) {
		t.Helper()
		if got := th.Take(key); got != want {
			t.Errorf("%s waits %s and not %s", key, got, want)
		}
	}
	for range 3 {
		take("a", 0)
	}
	take("a", 10*time.Second)
	take("a", 10*time.Second) // a try that waits costs nothing more
	take("b", 0)
	now = now.Add(4 * time.Second)
	take("a", 6*time.Second)
	now = now.Add(6 * time.Second)
	take("a", 0)
	take("a", 10*time.Second)
	th.Give("a")
	take("a", 0)
	now = now.Add(time.Hour) // no more than a burst gathers
	for range 3 {
		take("a", 0)
	}
	take("a", 10*time.Second)
	now = now.Add(-time.Hour) // a clock that goes back gives nothing
	take("a", 10*time.Second)
}

func TestADebtIsWaitedFor(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 2, 21, 10, 0, 0, 0, time.UTC)
	th := New(Limit{Burst: 100, Every: time.Second}, 10, func() time.Time { return now })
	for _, c := range []struct {
		key   string
		tries int
		want  time.Duration
	}{{"a", 100, 0}, {"a", 5, 5 * time.Second}, {"a", 5, 10 * time.Second}, {"b", 101, time.Second}, {"a", 0, 10 * time.Second}} {
		if got := th.Owe(c.key, c.tries); got != c.want {
			t.Errorf("%d more of %s wait %s and not %s", c.tries, c.key, got, c.want)
		}
	}
	if got := th.Owe("c", 1_000_000); got != mostOwed*100*time.Second {
		t.Errorf("whoever owes more than there is to owe waits %s", got)
	}
	now = now.Add(11 * time.Second)
	if got := th.Owe("a", 2); got != time.Second {
		t.Errorf("after the wait: %s", got)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 2, 21, 10, 0, 0, 0, time.UTC)
	th := New(Limit{Burst: 1, Every: time.Minute}, 100, func() time.Time { return now })
	th.Take("first")
	for i := range 1000 {
		th.Take(fmt.Sprint(i))
		if i < 50 && th.Take("first") == 0 {
			t.Fatal("a key in use was forgotten")
		}
	}
	if len(th.keys) != 100 || th.used.Len() != 100 {
		t.Errorf("%d keys are held, %d in order", len(th.keys), th.used.Len())
	}
	if th.Take("999") == 0 {
		t.Error("the newest key was forgotten")
	}
}

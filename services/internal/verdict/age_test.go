package verdict_test

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"backupmonitor/events"
	"backupmonitor/services/internal/verdict"
)

// A greater maximum age never makes a backup stale, however great it is: a log
// may hold one that no duration can.
func TestAGreaterMaximumAgeMakesNothingStale(t *testing.T) {
	t.Parallel()
	judged := func(seconds int64, age time.Duration) events.Cause {
		return verdict.Judge(look(events.DDrive, true, drive("d$", file("DB.bak", 1<<30, age))), events.Policy{MaxAgeSeconds: seconds, Patterns: []string{"*.bak"}}).Cause
	}
	for _, seconds := range []int64{
		events.MostMaxAgeSeconds, events.MostMaxAgeSeconds + 1, 2 * events.MostMaxAgeSeconds, 1 << 60, math.MaxInt64 - 1, math.MaxInt64,
	} {
		if c := judged(seconds, time.Hour); c != events.CauseOK {
			t.Errorf("at most %d s old: %s", seconds, c)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		less := rapid.Int64Range(1, math.MaxInt64).Draw(t, "less")
		more := rapid.Int64Range(less, math.MaxInt64).Draw(t, "more")
		age := time.Duration(rapid.Int64Range(0, int64(200*365*24*time.Hour)).Draw(t, "age"))
		if judged(less, age) == events.CauseOK && judged(more, age) != events.CauseOK {
			t.Fatalf("%s old is good at most %d s old, and not at most %d s old", age, less, more)
		}
	})
}

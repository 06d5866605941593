package schedule_test

import (
	"slices"
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"

	"backupmonitor/events"
	"backupmonitor/services/internal/schedule"
)

func load(t rapid.TB, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func every(d time.Duration, from, to string, days ...int) events.Schedule {
	if len(days) == 0 {
		days = []int{0, 1, 2, 3, 4, 5, 6}
	}
	return events.Schedule{IntervalSeconds: int64(d / time.Second), From: from, To: to, Days: days}
}

func TestNext(t *testing.T) {
	t.Parallel()
	const berlin, dhaka = "Europe/Berlin", "Asia/Dhaka"
	for _, c := range []struct {
		name  string
		zone  string
		s     events.Schedule
		after string   // UTC
		want  []string // UTC, the slots that follow
	}{
		{"hourly in Dhaka, which has no summer time", dhaka, every(time.Hour, "00:00", "24:00"),
			"2026-02-21T10:30:00Z", []string{"2026-02-21T11:00:00Z", "2026-02-21T12:00:00Z"}},
		{"a slot is not after itself", dhaka, every(time.Hour, "00:00", "24:00"),
			"2026-02-21T11:00:00Z", []string{"2026-02-21T12:00:00Z"}},
		{"counted from the first active hour", dhaka, every(4*time.Hour, "09:30", "18:00"),
			"2026-02-21T00:00:00Z", []string{"2026-02-21T03:30:00Z", "2026-02-21T07:30:00Z", "2026-02-21T11:30:00Z", "2026-02-22T03:30:00Z"}},
		{"the end does not belong to the hours", dhaka, every(time.Hour, "09:00", "10:00"),
			"2026-02-21T03:00:00Z", []string{"2026-02-22T03:00:00Z"}},
		{"only on active days: a Saturday to the Monday", dhaka, every(24*time.Hour, "06:00", "24:00", 1),
			"2026-02-21T00:00:00Z", []string{"2026-02-23T00:00:00Z", "2026-03-02T00:00:00Z"}},
		{"hours over midnight belong to the day of their beginning", dhaka, every(2*time.Hour, "22:00", "03:00", 6),
			"2026-02-21T00:00:00Z", []string{"2026-02-21T16:00:00Z", "2026-02-21T18:00:00Z", "2026-02-21T20:00:00Z", "2026-02-28T16:00:00Z"}},
		{"daily in the hour that does not exist: at the change", berlin, every(24*time.Hour, "02:30", "24:00"),
			"2026-03-28T12:00:00Z", []string{"2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"}},
		{"hourly over the hour that does not exist", berlin, every(time.Hour, "00:00", "24:00"),
			"2026-03-28T23:30:00Z", []string{"2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"}},
		{"every six hours keeps to the wall clock in spring", berlin, every(6*time.Hour, "00:00", "24:00"),
			"2026-03-28T22:00:00Z", []string{"2026-03-28T23:00:00Z", "2026-03-29T04:00:00Z", "2026-03-29T10:00:00Z"}},
		{"daily in the hour that comes twice: once", berlin, every(24*time.Hour, "02:30", "24:00"),
			"2026-10-24T12:00:00Z", []string{"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
		{"hourly in the hour that comes twice: twice", berlin, every(time.Hour, "00:00", "24:00"),
			"2026-10-24T23:00:00Z", []string{"2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"}},
		{"half-hourly in the hour that comes twice: in order", berlin, every(30*time.Minute, "02:00", "03:00"),
			"2026-10-24T12:00:00Z", []string{"2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z", "2026-10-26T01:00:00Z"}},
		{"a day that the calendar left out", "Pacific/Apia", every(24*time.Hour, "12:00", "24:00"),
			"2011-12-29T23:00:00Z", []string{"2011-12-30T10:00:00Z", "2011-12-30T22:00:00Z"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			at, err := time.Parse(time.RFC3339, c.after)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for range c.want {
				next, ok := schedule.Next(c.s, at, load(t, c.zone))
				if !ok {
					t.Fatalf("no slot after %v", at)
				}
				got, at = append(got, next.UTC().Format(time.RFC3339)), next
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("slots are\n%v, want\n%v", got, c.want)
			}
		})
	}
}

func TestNever(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]events.Schedule{
		"interval 0": {From: "00:00", To: "24:00", Days: []int{1}},
		"no day":     {IntervalSeconds: 3600, From: "00:00", To: "24:00"},
		"bad hours":  every(time.Hour, "25:00", "26:00"),
	} {
		if at, ok := schedule.Next(s, time.Unix(0, 0), time.UTC); ok {
			t.Errorf("%s: next slot is %v, want none", name, at)
		}
		if at, ok := schedule.Current(s, time.Unix(0, 0), time.UTC); ok {
			t.Errorf("%s: current slot is %v, want none", name, at)
		}
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, s := range []events.Schedule{
		{}, every(time.Minute, "00:00", "24:00"), every(24*time.Hour, "22:00", "04:00"), every(time.Hour, "23:59", "00:00"),
	} {
		if err := schedule.Check(s); err != nil {
			t.Errorf("%+v: %v", s, err)
		}
	}
	for _, s := range []events.Schedule{
		every(59*time.Second, "00:00", "24:00"), every(25*time.Hour, "00:00", "24:00"), {IntervalSeconds: -1},
		every(time.Hour, "24:00", "24:00"), every(time.Hour, "9:00", "18:00"), every(time.Hour, "09:00", "18:60"),
		every(time.Hour, "08:00", "08:00"), every(time.Hour, "08:00", "18:00", 7), every(time.Hour, "", ""),
		{IntervalSeconds: 3600, From: "00:00", To: "24:00"},
	} {
		if err := schedule.Check(s); err == nil {
			t.Errorf("%+v passed", s)
		}
	}
}

func TestCurrent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		s         events.Schedule
		now, want string // UTC; want "" for none
	}{
		{"within its interval", every(time.Hour, "08:00", "18:00"), "2026-02-21T10:59:59Z", "2026-02-21T10:00:00Z"},
		{"at the slot itself", every(time.Hour, "08:00", "18:00"), "2026-02-21T10:00:00Z", "2026-02-21T10:00:00Z"},
		{"before the hours", every(time.Hour, "08:00", "18:00"), "2026-02-21T07:59:00Z", ""},
		{"after the hours", every(4*time.Hour, "08:00", "18:00"), "2026-02-21T18:30:00Z", ""},
		{"long ago", every(time.Hour, "22:00", "04:00", 5), "2026-02-21T12:00:00Z", ""},
		{"over midnight", every(2*time.Hour, "22:00", "04:00", 5), "2026-02-21T01:00:00Z", "2026-02-21T00:00:00Z"},
		{"daily, missed in the night", every(24*time.Hour, "02:00", "24:00"), "2026-02-21T09:00:00Z", "2026-02-21T02:00:00Z"},
	} {
		now, err := time.Parse(time.RFC3339, c.now)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := schedule.Current(c.s, now, time.UTC)
		text := ""
		if ok {
			text = got.Format(time.RFC3339)
		}
		if text != c.want {
			t.Errorf("%s: current slot at %s is %q, want %q", c.name, c.now, text, c.want)
		}
	}
}

// The last slot is that of the last active hours, however long they are over.
func TestLast(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		s         events.Schedule
		now, want string // UTC; want "" for none
	}{
		{"within its interval", every(time.Hour, "08:00", "18:00"), "2026-02-21T10:59:59Z", "2026-02-21T10:00:00Z"},
		{"after the hours", every(4*time.Hour, "08:00", "18:00"), "2026-02-21T23:30:00Z", "2026-02-21T16:00:00Z"},
		{"days ago", every(time.Hour, "22:00", "04:00", 5), "2026-02-26T12:00:00Z", "2026-02-21T03:00:00Z"},
		{"never", events.Schedule{}, "2026-02-26T12:00:00Z", ""},
	} {
		now, err := time.Parse(time.RFC3339, c.now)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := schedule.Last(c.s, now, time.UTC)
		if text := got.Format(time.RFC3339); ok != (c.want != "") || ok && text != c.want {
			t.Errorf("%s: last slot at %s is %q, want %q", c.name, c.now, text, c.want)
		}
	}
}

// TestNextAgainstEveryMinute compares Next with a look at each minute around
// changes of the clocks.
func TestNextAgainstEveryMinute(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		zone := load(t, rapid.SampledFrom([]string{
			"Europe/Berlin", "Asia/Dhaka", "America/Sao_Paulo", "Australia/Lord_Howe", "UTC",
		}).Draw(t, "zone"))
		start := rapid.SampledFrom([]time.Time{
			time.Date(2026, 3, 28, 6, 0, 0, 0, time.UTC), time.Date(2026, 10, 24, 6, 0, 0, 0, time.UTC),
			time.Date(2018, 11, 3, 6, 0, 0, 0, time.UTC), time.Date(2018, 2, 17, 6, 0, 0, 0, time.UTC),
			time.Date(2026, 10, 3, 6, 0, 0, 0, time.UTC), time.Date(2026, 4, 4, 6, 0, 0, 0, time.UTC),
		}).Draw(t, "start")
		clock := func(name string) string {
			return time.Date(2000, 1, 1, 0, rapid.IntRange(0, 24*60-1).Draw(t, name), 0, 0, time.UTC).Format("15:04")
		}
		s := every(time.Duration(rapid.IntRange(10, 300).Draw(t, "minutes"))*time.Minute, clock("from"), clock("to"),
			rapid.SliceOfNDistinct(rapid.IntRange(0, 6), 1, 7, rapid.ID).Draw(t, "days")...)
		if s.From == s.To {
			t.Skip("empty hours")
		}
		end := start.Add(30 * time.Hour)
		want := slotsByMinute(s, start, end, zone)
		var got []time.Time
		for at := start; ; {
			next, ok := schedule.Next(s, at, zone)
			if !ok || next.After(end) {
				break
			}
			if !next.After(at) {
				t.Fatalf("the slot after %v is %v", at, next)
			}
			got, at = append(got, next.UTC()), next
		}
		if !slices.EqualFunc(got, want, time.Time.Equal) {
			t.Fatalf("slots of %+v are\n%v, want\n%v", s, got, want)
		}
	})
}

// slotsByMinute walks through real time and asks of each minute, and of each
// wall time that a change of the clocks left out, whether it is a slot.
func slotsByMinute(s events.Schedule, start, end time.Time, zone *time.Location) (all []time.Time) {
	from, _ := time.Parse("15:04", s.From)
	to, _ := time.Parse("15:04", s.To)
	onSchedule := func(s events.Schedule, wall time.Time) bool { return onSchedule(s, from, to, wall) }
	wall := func(t time.Time) time.Time {
		_, offset := t.In(zone).Zone()
		return t.UTC().Add(time.Duration(offset) * time.Second)
	}
	seen := map[time.Time]time.Time{}
	for t := start.Add(-3 * time.Hour); !t.After(end); t = t.Add(time.Minute) {
		w, before := wall(t), wall(t.Add(-time.Minute))
		slot := false
		for skipped := before.Add(time.Minute); skipped.Before(w); skipped = skipped.Add(time.Minute) {
			slot = slot || onSchedule(s, skipped)
		}
		first, again := seen[w]
		if !again {
			seen[w] = t
		}
		if onSchedule(s, w) && (!again || time.Duration(s.IntervalSeconds)*time.Second <= t.Sub(first)) {
			slot = true
		}
		if slot && t.After(start) {
			all = append(all, t)
		}
	}
	return all
}

func onSchedule(s events.Schedule, from, to, wall time.Time) bool {
	length := to.Sub(from)
	if length <= 0 {
		length += 24 * time.Hour
	}
	for _, back := range []int{0, 1} {
		day := wall.AddDate(0, 0, -back)
		begin := time.Date(day.Year(), day.Month(), day.Day(), from.Hour(), from.Minute(), 0, 0, time.UTC)
		since := wall.Sub(begin)
		if since >= 0 && since < length && since%(time.Duration(s.IntervalSeconds)*time.Second) == 0 &&
			slices.Contains(s.Days, int(begin.Weekday())) {
			return true
		}
	}
	return false
}

package verdict_test

import (
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"backupmonitor/events"
	"backupmonitor/services/internal/verdict"
)

func TestDetailFitsItsColumn(t *testing.T) {
	t.Parallel()
	for pad := range 3 {
		name := strings.Repeat("x", pad) + strings.Repeat("\U0001F4BE", 600) + ".bak"
		v := verdict.Judge(look(events.DDrive, true, drive("d$", file(name, 1<<20, 99*time.Hour))), policy())
		if n := len(utf16.Encode([]rune(v.Detail))); n > 500 || n < 499 {
			t.Errorf("a sentence of %d UTF-16 units, want at most and nearly 500", n)
		}
		if strings.ContainsRune(v.Detail, '\uFFFD') {
			t.Errorf("a character was cut in two: %q", v.Detail)
		}
	}
	v := verdict.Judge(look(events.DDrive, true, drive("d$", file("a\r\nb\u202ec.bak", 1<<20, 99*time.Hour))), policy())
	if strings.ContainsAny(v.Detail, "\r\n\u202e") {
		t.Errorf("unprintable characters reach the operator: %q", v.Detail)
	}
}

func TestLetter(t *testing.T) {
	t.Parallel()
	for share, want := range map[string]string{"d$": "D", "E$": "E", "": "", "d": "", "$$": "", "1$": "", "dd$": "", "ipc$": "", "backup": ""} {
		if got := verdict.Letter(share); got != want {
			t.Errorf("Letter(%q) = %q, want %q", share, got, want)
		}
	}
}

func TestPatterns(t *testing.T) {
	t.Parallel()
	cases := []struct {
		patterns []string
		name     string
		want     bool
	}{
		{nil, "a.bak", true}, {nil, "A.BAK", true}, {nil, ".bak", true}, {nil, "a.bak.tmp", false}, {nil, "abak", false}, {nil, "", false},
		{[]string{"*.bak", "*.dif"}, "x.DIF", true}, {[]string{"DB_?.bak"}, "db_1.bak", true}, {[]string{"DB_?.bak"}, "db_.bak", false},
		{[]string{"DB_?.bak"}, "db_é.bak", true}, {[]string{"*Ä*"}, "maätz", true}, {[]string{"*"}, "", true}, {[]string{""}, "", true},
		{[]string{"a*b*c"}, "aXbXbXc", true}, {[]string{"a*b*c"}, "aXbXcX", false}, {[]string{"**a"}, "bba", true}, {[]string{"[a].bak"}, "a.bak", false},
		{[]string{strings.Repeat("*a", 30) + "b"}, strings.Repeat("a", 255), false},
	}
	for _, c := range cases {
		if got := verdict.CompilePatterns(c.patterns).Match(c.name); got != c.want {
			t.Errorf("%q matches %q: %t, want %t", c.patterns, c.name, got, c.want)
		}
	}
}

func TestCutoff(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	began := time.Date(2026, 3, 29, 21, 30, 0, 0, time.UTC) // 23:30 in Berlin, the day the clocks went forward
	ahead := verdict.Clock{Server: began.Add(365 * 24 * time.Hour), Skew: 365 * 24 * time.Hour}
	cases := []struct {
		name  string
		date  events.Date
		clock verdict.Clock
		today bool
		want  time.Time
	}{
		{"today, by the server's clock", "2026-03-29", ahead, true, ahead.Server},
		{"today, by ours", "2026-03-29", verdict.Clock{}, true, began},
		{"yesterday", "2026-03-28", verdict.Clock{}, false, time.Date(2026, 3, 28, 23, 0, 0, 0, time.UTC)},
		{"yesterday, a year ahead", "2026-03-28", ahead, false, time.Date(2027, 3, 28, 23, 0, 0, 0, time.UTC)},
		{"tomorrow", "2026-03-30", verdict.Clock{Server: began, Skew: -time.Minute}, false, time.Date(2026, 3, 30, 21, 59, 0, 0, time.UTC)},
	}
	for _, c := range cases {
		got, err := verdict.Cutoff(c.date, began, zone, c.clock)
		if err != nil || !got.Equal(c.want) || got.Location() != time.UTC {
			t.Errorf("%s: cutoff %v, %v; want %v", c.name, got, err, c.want)
		}
		if today := verdict.Today(c.date, began, zone); today != c.today {
			t.Errorf("%s: today %t", c.name, today)
		}
		wantLimit := c.want
		if c.today {
			wantLimit = c.want.Add(time.Hour)
		}
		if limit := verdict.Limit(got, c.today); !limit.Equal(wantLimit) {
			t.Errorf("%s: limit %v, want %v", c.name, limit, wantLimit)
		}
	}
	if _, err := verdict.Cutoff("2026-02-30", began, zone, verdict.Clock{}); err == nil {
		t.Error("a day that the calendar does not have is accepted")
	}
}

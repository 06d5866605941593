package events

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestToken(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"B0001": "B0001", "a-b_c": "a-b_c", "": "~", "~": "~7E", "A B": "A~20B", "A.B": "A~2EB", "*": "~2A", ">": "~3E", "Ä": "~C3~84", "\xff": "~FF",
	} {
		if got := Token(in); got != want {
			t.Errorf("Token(%q) = %q, want %q", in, got, want)
		}
	}
	for _, bad := range []string{"", "A B", "~4", "~4x", "~41", "~c3", "A.B"} {
		if got, err := Untoken(bad); err == nil {
			t.Errorf("Untoken(%q) = %q, want an error", bad, got)
		}
	}
}

// FuzzToken: a token is one token, and nothing is lost.
func FuzzToken(f *testing.F) {
	for _, s := range []string{"", "B0001", "~", "~~", "a.b*c>", "Ünï 7", "\x00\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		token := Token(s)
		if token == "" || strings.ContainsAny(token, " .*>\t\r\n") {
			t.Fatalf("Token(%q) = %q is not one token", s, token)
		}
		back, err := Untoken(token)
		if err != nil || back != s {
			t.Fatalf("Untoken(Token(%q)) = %q, %v", s, back, err)
		}
		if again, err := Untoken(s); err == nil && Token(again) != s {
			t.Fatalf("%q and %q are tokens of the same text", s, Token(again))
		}
	})
}

func TestCleanCode(t *testing.T) {
	t.Parallel()
	if got, err := CleanCode("  b 01 "); err != nil || got != "b 01" {
		t.Errorf("CleanCode kept %q, %v", got, err)
	}
	for _, bad := range []string{"", " \t", "a\nb", "a\x00", "\xff", strings.Repeat("é", MaxCodeLength+1), strings.Repeat("💾", MaxCodeLength/2+1)} {
		if _, err := CleanCode(bad); !errors.Is(err, ErrBadCode) {
			t.Errorf("CleanCode(%q): %v", bad, err)
		}
	}
	if _, err := CleanCode(strings.Repeat("💾", MaxCodeLength/2)); err != nil {
		t.Error(err)
	}
	if _, err := CleanCode(strings.Repeat("é", MaxCodeLength)); err != nil {
		t.Error(err)
	}
	if Key(" köln 2") != "KÖLN 2" {
		t.Errorf("Key: %q", Key(" köln 2"))
	}
}

func TestDate(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "2026-2-1", "2026-02-30", "20260201", "2026-02-01T00:00:00Z", "0000-01-01", " 2026-02-01"} {
		if d, err := ParseDate(bad); err == nil {
			t.Errorf("ParseDate(%q) = %q", bad, d)
		}
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for date, hours := range map[Date]float64{"2026-03-28": 24, "2026-03-29": 23, "2026-10-25": 25} {
		from, to, err := date.Bounds(berlin)
		if err != nil || to.Sub(from).Hours() != hours {
			t.Errorf("%s has %v hours, %v", date, to.Sub(from).Hours(), err)
		}
		if DateOf(from, berlin) != date || DateOf(to.Add(-time.Nanosecond), berlin) != date || DateOf(to, berlin) == date {
			t.Errorf("%s does not hold its own bounds", date)
		}
	}
}

package events

import (
	"strings"
	"testing"
	"time"
)

// FuzzDate: what is taken for a date is one, written the one way there is, and
// has its bounds in any zone.
func FuzzDate(f *testing.F) {
	for _, seed := range []string{"", "2026-02-21", "2026-02-29", "2024-02-29", "0000-01-01", "9999-12-31", "2026-2-1", "2026-02-21T00:00:00Z", " 2026-02-21", "+026-01-01"} {
		f.Add(seed)
	}
	zone := time.FixedZone("east", 14*3600)
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseDate(text)
		if err != nil {
			return
		}
		start, end, err := d.Bounds(zone)
		if err != nil || !start.Before(end) || string(d) != text || DateOf(start, zone) != d {
			t.Errorf("%q: %s to %s, %v", text, start, end, err)
		}
	})
}

// FuzzSubject: any text is one token of a subject, without loss, and no text
// reaches into another's.
func FuzzSubject(f *testing.F) {
	for _, seed := range []string{"", "S1", "a.b", "*", ">", "Straße 1", "a b", "~", "~41", "\x00\xff", "ev.>", strings.Repeat("x", 300)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		token := Token(text)
		if token == "" || strings.ContainsAny(token, ".*> \t\r\n\x00") {
			t.Fatalf("%q is no token: %q", text, token)
		}
		if back, err := Untoken(token); err != nil || back != text {
			t.Fatalf("%q became %q, %v", text, back, err)
		}
		if back, err := Untoken(text); err == nil && Token(back) != text {
			t.Fatalf("%q is another spelling of the token %q", text, Token(back))
		}
		if Key(Key(text)) != Key(text) {
			t.Fatalf("the key of %q has another key", text)
		}
		if code, err := CleanCode(text); err == nil {
			if again, err := CleanCode(code); err != nil || again != code {
				t.Fatalf("%q is cleaned to %q, and that to %q, %v", text, code, again, err)
			}
		}
	})
}

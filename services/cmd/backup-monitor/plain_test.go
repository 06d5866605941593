package main

import "testing"

// TestPlain: what an outlet or a prober has written neither steers the terminal nor
// shows a name backwards, and stays what it is otherwise.
func TestPlain(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"a\x1b[2Jb":              "a\uFFFD[2Jb",
		"a\r\n\tb\x7f\u0085":     "a\uFFFD\uFFFD\uFFFDb\uFFFD\uFFFD",
		"line\u2028\u2029":       "line\uFFFD\uFFFD",
		"\u202ekab.exe\u202c":    "\uFFFDkab.exe\uFFFD",
		"\u2066x\u2069\u200e":    "\uFFFDx\uFFFD\uFFFD",
		"Müller 店 क्\u200dष.bak": "Müller 店 क्\u200dष.bak",
	} {
		if got := plain(s); got != want {
			t.Errorf("%q becomes %q", s, got)
		}
	}
}

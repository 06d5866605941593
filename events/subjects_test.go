package events

import (
	"slices"
	"strings"
	"testing"
)

// Every event is on the subjects of its type, also of its own outlet, and on those
// of no other type.
func TestSubjectsOf(t *testing.T) {
	t.Parallel()
	on := func(subject string, filters []string) bool {
		return slices.ContainsFunc(filters, func(f string) bool {
			prefix, all := strings.CutSuffix(f, ">")
			return f == subject || all && strings.HasPrefix(subject, prefix)
		})
	}
	for _, a := range samples() {
		if a.Type() == TypeProbeCommand {
			continue // not in the log
		}
		if !on(a.Subject(), SubjectsOf(a.Type(), "")) || len(SubjectsOf(a.Type(), a.About())) == 0 {
			t.Errorf("%s is on %s, which is not of %v", a.Type(), a.Subject(), SubjectsOf(a.Type(), ""))
		}
		switch a.(type) {
		case BackupObserved, OutletChanged, HistoryImported:
			if !on(a.Subject(), SubjectsOf(a.Type(), strings.ToLower(a.About()))) || on(a.Subject(), SubjectsOf(a.Type(), "another")) {
				t.Errorf("%s of %s is not on %v", a.Type(), a.About(), SubjectsOf(a.Type(), a.About()))
			}
		}
		for _, b := range samples() {
			if b.Type() != a.Type() && on(a.Subject(), SubjectsOf(b.Type(), "")) {
				t.Errorf("%s is on those of %s", a.Subject(), b.Type())
			}
		}
	}
	if s := SubjectsOf("unknown.v1", ""); s != nil {
		t.Errorf("%v", s)
	}
}

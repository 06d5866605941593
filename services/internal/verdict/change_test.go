package verdict_test

import (
	"reflect"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/verdict"
)

func TestChange(t *testing.T) {
	t.Parallel()
	was := events.Policy{MaxAgeSeconds: 100, MinSizeBytes: 10, Patterns: []string{"*.bak"}}
	for name, x := range map[string]struct {
		change verdict.Change
		own    *int64
		want   events.Policy
	}{
		"nothing":           {want: was},
		"the age":           {verdict.Change{MaxAge: new(time.Hour)}, nil, events.Policy{MaxAgeSeconds: 3600, MinSizeBytes: 10, Patterns: was.Patterns}},
		"no age rule":       {verdict.Change{MaxAge: new(time.Duration(0))}, nil, events.Policy{MinSizeBytes: 10, Patterns: was.Patterns}},
		"the outlet's own":  {verdict.Change{MaxAge: new(time.Hour)}, new(int64(7)), events.Policy{MaxAgeSeconds: 7, MinSizeBytes: 10, Patterns: was.Patterns}},
		"size and patterns": {verdict.Change{MinSize: new(int64(0)), Patterns: []string{"*.zip"}}, nil, events.Policy{MaxAgeSeconds: 100, Patterns: []string{"*.zip"}}},
	} {
		if got := x.change.On(was, x.own); !reflect.DeepEqual(got, x.want) {
			t.Errorf("%s: %+v, want %+v", name, got, x.want)
		}
	}
}

func TestSetPatterns(t *testing.T) {
	t.Parallel()
	var c verdict.Change
	if !c.Empty() {
		t.Error("nothing is something")
	}
	for _, bad := range [][]string{nil, {}, {" "}, {"*.bak", ""}} {
		if err := c.SetPatterns(bad); err == nil {
			t.Errorf("%q are patterns: %q", bad, c.Patterns)
		}
	}
	if err := c.SetPatterns([]string{" *.bak", "*.zip "}); err != nil || !reflect.DeepEqual(c.Patterns, []string{"*.bak", "*.zip"}) || c.Empty() {
		t.Errorf("%q, %v", c.Patterns, err)
	}
}

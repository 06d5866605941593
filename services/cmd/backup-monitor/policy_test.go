package main

import (
	"reflect"
	"testing"
	"time"

	"backupmonitor/services/internal/verdict"
)

func TestParsePolicy(t *testing.T) {
	t.Parallel()
	got, err := parsePolicy("max_age=24h, min_size=1.5 KiB,patterns=*.bak | *.zip")
	want := verdict.Change{MaxAge: new(24 * time.Hour), MinSize: new(int64(1536)), Patterns: []string{"*.bak", "*.zip"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	for _, bad := range []string{"", "max_age", "max_age=1", "max_age=-1h", "max_age=1ms", "min_size=x", "min_size=-1", "patterns=", "patterns=|", "patterns=*.bak|", "age=1h", "max_age=1h,"} {
		if _, err := parsePolicy(bad); err == nil {
			t.Errorf("%q is taken for a policy", bad)
		}
	}
}

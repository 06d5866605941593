package gateway_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/gateway/auth"
)

// A screen on a wall gets to know that outlets and settings were changed, and not
// what the API refuses to tell it of them; also of what it missed.
func TestWhatADisplayGetsToKnow(t *testing.T) {
	t.Parallel()
	e := start(t)
	display, read := e.apiToken(t, auth.ScopeDisplay), e.apiToken(t, auth.ScopeRead)
	open := func(token, query string) *eventStream {
		return e.listen(t, call{path: "/events" + query, token: token})
	}
	live := open(display, "?types="+events.TypeOutletChanged+","+events.TypeSettingsChanged)
	defer live.close()
	from := live.next().id
	e.register(t, "B1")
	e.settings(t)
	again := open(display, "?from="+from+"&types="+events.TypeOutletChanged+","+events.TypeSettingsChanged)
	defer again.close()
	whole := open(read, "?from="+from+"&types="+events.TypeOutletChanged+","+events.TypeSettingsChanged)
	defer whole.close()
	for _, want := range []struct{ typ, secret string }{{events.TypeOutletChanged, "10.0.0.1"}, {events.TypeSettingsChanged, "maxAgeSeconds"}} {
		for what, s := range map[string]*eventStream{"live": live, "again": again, "whole": whole} {
			m := s.next()
			if m.event != want.typ || !strings.Contains(m.data, `"type":"`+want.typ) || strings.Contains(m.data, want.secret) != (s == whole) {
				t.Errorf("%s: %+v", what, m)
			}
		}
	}
	get[failure](t, e, http.StatusBadRequest, e.as("GET", "/audit?since="+time.Now().Add(time.Hour).UTC().Format(time.RFC3339), ""))
	get[failure](t, e, http.StatusBadRequest, e.as("GET", "/audit?since=2400-01-01T00:00:00Z", ""))
	get[failure](t, e, http.StatusBadRequest, e.as("GET", "/backup-stats?offset=500001", ""))
}

package gateway_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"backupmonitor/events"
)

// A look for a day to come stands in the log and in the tables, and is seen by who
// asks for its day; nobody gets it in place of today.
func TestADayToComeIsNotTheLatest(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.project(t)
	now := time.Now()
	today := events.DateOf(now, time.UTC)
	never := []events.Date{"9999-12-31"}
	for days := range 40 { // more than a summary has
		never = append(never, events.DateOf(now.AddDate(0, 0, days+2), time.UTC))
	}
	for _, code := range []string{"S1", "S2"} {
		e.append(t, look(events.ScanRequested{ScanID: "real", ScanDate: today}, 1, code, events.DDrive, events.CauseOK))
	}
	for _, d := range never[:len(never)-1] {
		e.append(t, look(events.ScanRequested{ScanID: "forged " + string(d), ScanDate: d}, 1, "X1", events.DDrive, events.CauseOK))
	}
	moment := e.stored(t, look(events.ScanRequested{ScanID: "forged", ScanDate: never[len(never)-1]}, 1, "X1", events.DDrive, events.CauseOK))
	then := "as_of=" + url.QueryEscape(moment.Format(time.RFC3339Nano))

	for _, query := range []string{"", "?limit=10", "?" + then, "?date_from=2020-01-01", "?date_from=2020-01-01&" + then} {
		if got := get[statsJSON](t, e, http.StatusOK, call{path: "/backup-stats" + query, token: e.support}); codes(got.Data) != "S1 S2" {
			t.Errorf("%s: %q", query, codes(got.Data))
		}
	}
	for _, query := range []string{"", "&" + then} {
		_, _, body := e.do(t, call{path: "/backup-stats?format=csv" + query, token: e.support})
		if text := string(body); !strings.Contains(text, `"S1"`) || strings.Contains(text, `"X1"`) {
			t.Errorf("CSV %s: %s", query, text)
		}
	}
	for query, want := range map[string]int{"": 1, "?limit=1": 1, "?" + then: 1, "?date_from=2020-01-01": 1, "?limit=100&date_to=9999-12-31": 1 + len(never)} {
		got := get[struct {
			Data []struct{ ScanDate events.Date }
		}](t, e, http.StatusOK, call{path: "/backup-stats/daily-summary" + query, token: e.support}).Data
		if len(got) != want || got[len(got)-1].ScanDate != today {
			t.Errorf("summary %s: %+v", query, got)
		}
	}
	if got := get[statsJSON](t, e, http.StatusOK, call{path: "/backup-stats?date_to=9999-12-31&limit=1", token: e.support}); codes(got.Data) != "X1" {
		t.Errorf("who asks for the day itself gets %q", codes(got.Data))
	}
}

// Today is what it is in the configured zone, and at a moment what it was then.
func TestTheLatestDayFollowsTheZone(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 2, 21, 12, 0, 0, 0, time.UTC)
	for offset, want := range map[int]string{0: "S1", 13: "S2", -13: "S0"} {
		e := start(t, func(s *setup) {
			s.cfg.Zone = time.FixedZone("here", offset*60*60)
			s.cfg.Now = func() time.Time { return at }
		})
		e.fill(t, nil, good("S0", "2026-02-20", "2026-02-20T01:00:00Z"), good("S1", "2026-02-21", "2026-02-21T01:00:00Z"), good("S2", "2026-02-22", "2026-02-22T01:00:00Z"))
		got := get[statsJSON](t, e, http.StatusOK, call{path: "/backup-stats", token: e.support})
		if all := codes(append(got.Data, got.AdvancedDate...)); all != want {
			t.Errorf("at %+d hours: %q and not %q", offset, all, want)
		}
	}
}

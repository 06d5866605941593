package gateway_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/natstest"
	"backupmonitor/services/internal/registry"
)

// stored appends an event, waits until the tables show it, and gives a moment
// at which it was the last.
func (e *env) stored(t *testing.T, p events.Payload) time.Time {
	t.Helper()
	e.append(t, p)
	last := e.identity(t).LastSeq
	eventually(t, "the tables show it", func() bool {
		cp, err := e.store.Checkpoint(t.Context())
		return err == nil && cp.Seq >= last
	})
	at := time.Now()
	eventually(t, "time goes on", func() bool { return time.Since(at) > 2*time.Millisecond })
	return at.Add(time.Millisecond)
}

// sequence is that of an outlet's state now.
func (e *env) sequence(t *testing.T, code string) uint64 {
	t.Helper()
	o, err := registry.Current(t.Context(), e.nats.Log, code)
	if err != nil {
		t.Fatal(err)
	}
	return o.Seq
}

// TestAsOf: the answer is what was known then, whatever has happened since.
func TestAsOf(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.project(t)
	e.register(t, "S1")
	begin := e.stored(t, events.OutletChanged{Code: "S2", Address: "10.0.0.2", Name: "Two", Active: true, Source: events.SourceUser, ChangedAt: time.Now()})
	req := func(id string) events.ScanRequested {
		return events.ScanRequested{ScanID: id, ScanDate: events.DateOf(time.Now(), time.UTC)}
	}
	failed := e.stored(t, look(req("one"), 1, "S1", events.DDrive, events.CauseTimeout))
	good := e.stored(t, look(req("two"), 2, "S1", events.DDrive, events.CauseOK))
	e.stored(t, events.OutletChanged{Code: "S1", Address: "10.0.0.1", Name: "One", Source: events.SourceUser, Previous: e.sequence(t, "S1"), ChangedAt: time.Now()})
	e.stored(t, look(req("three"), 3, "S1", events.DDrive, events.CauseStale))
	e.stored(t, look(req("three"), 3, "S2", events.DDrive, events.CauseOK))

	at := func(path string, moment time.Time, query string) call {
		return call{path: path + "?as_of=" + url.QueryEscape(moment.Format(time.RFC3339Nano)) + query, token: e.support}
	}
	type stats struct {
		Count   int
		Outlets int // active
		AsOf    *time.Time
		Data    []struct{ OutletCode, Cause string }
	}
	for _, c := range []struct {
		name    string
		moment  time.Time
		want    string
		outlets int
	}{
		{"before there was anything", begin.AddDate(-1, 0, 0), "", 0},
		{"before anything was seen", begin, "", 2},
		{"when nobody could look", failed, "S1 timeout", 2},
		{"when all was well", good, "S1 ok", 2},
		{"now", time.Now(), "S1 stale, S2 ok", 1},
	} {
		s := get[stats](t, e, http.StatusOK, at("/backup-stats", c.moment, ""))
		var got []string
		for _, r := range s.Data {
			got = append(got, r.OutletCode+" "+r.Cause)
		}
		if text := strings.Join(got, ", "); text != c.want || s.AsOf == nil || !s.AsOf.Equal(c.moment) {
			t.Errorf("%s: %s as of %v, want %s", c.name, text, s.AsOf, c.want)
		}
		if s.Outlets != c.outlets {
			t.Errorf("%s: %d outlets, want %d", c.name, s.Outlets, c.outlets)
		}
		days := get[struct {
			Data []struct{ Total, Successful, NotObserved int }
		}](t, e, http.StatusOK, at("/backup-stats/daily-summary", c.moment, ""))
		if c.want == "" && len(days.Data) != 0 || c.want != "" && (len(days.Data) != 1 || days.Data[0].Total != len(got)) {
			t.Errorf("%s: days %+v", c.name, days.Data)
		}
	}
	if s := get[stats](t, e, http.StatusOK, at("/backup-stats", good, "&status=Failed")); s.Count != 0 {
		t.Errorf("a filter sees what came later: %+v", s)
	}
	if s := get[stats](t, e, http.StatusOK, call{path: "/backup-stats", token: e.support}); s.AsOf != nil {
		t.Errorf("nobody asked for %v", s.AsOf)
	}
	_, _, csv := e.do(t, at("/backup-stats", good, "&format=csv"))
	if !strings.Contains(string(csv), `"S1"`) || !strings.Contains(string(csv), `"ok"`) || strings.Contains(string(csv), "stale") {
		t.Errorf("the CSV of then: %s", csv)
	}
	for _, bad := range []string{"yesterday", "2026-02-21", "0000-01-01T00:00:00+14:00", "0000-06-01T00:00:00Z", time.Now().Add(time.Hour).Format(time.RFC3339)} {
		get[failure](t, e, http.StatusBadRequest, call{path: "/backup-stats?as_of=" + url.QueryEscape(bad), token: e.support})
	}
}

// TestAsOfWaitsForTheTables: half of what was known is never shown.
func TestAsOfWaitsForTheTables(t *testing.T) {
	t.Parallel()
	e := start(t, func(s *setup) { s.cfg.VisibleWait = 300 * time.Millisecond })
	p := e.project(t)
	e.register(t, "S1")
	r := events.ScanRequested{ScanID: "one", ScanDate: events.DateOf(time.Now(), time.UTC)}
	before := e.stored(t, look(r, 1, "S1", events.DDrive, events.CauseOK))
	p.hold.Lock()
	e.append(t, look(r, 1, "S1", events.IBStorage, events.CauseOK))
	now := "/ibstorage-stats?as_of=" + url.QueryEscape(time.Now().Format(time.RFC3339Nano))
	if f := get[failure](t, e, http.StatusServiceUnavailable, call{path: now, token: e.support}); !strings.Contains(f.Message, "Try again") {
		t.Errorf("%q", f.Message)
	}
	get[statsJSON](t, e, http.StatusOK, call{path: "/backup-stats?as_of=" + url.QueryEscape(before.Format(time.RFC3339Nano)), token: e.support})
	p.hold.Unlock()
	eventually(t, "the tables have caught up", func() bool {
		status, _, _ := e.do(t, call{path: now, token: e.support})
		return status == http.StatusOK
	})
}

// To find a moment in the log takes one of its events, however many follow.
func TestAMomentCostsOneEvent(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	const size = 4 << 10
	for i := range 200 {
		o := observed(i)
		o.Warnings = []string{strings.Repeat("w", size)}
		if _, _, err := n.Log.Append(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	nc, _, log := n.Client(t, "moments")
	before := nc.Stats().InBytes
	const asked = 10
	for range asked {
		if seq, err := log.SequenceAt(t.Context(), time.Now().Add(-time.Hour)); err != nil || seq != 0 {
			t.Fatal(seq, err)
		}
	}
	if got := (nc.Stats().InBytes - before) / asked; got > 4*size {
		t.Errorf("%d bytes came for each", got)
	}
}

package gateway_test

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"backupmonitor/events"
)

// clock is one that a test turns.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time        { return time.Now().Add(time.Duration(c.offset.Load())) }
func (c *clock) turn(by time.Duration) { c.offset.Add(int64(by)) }
func public(c *clock) func(*setup) {
	return func(s *setup) { s.cfg.ScanPublic, s.cfg.Now = true, c.now }
}

// A stranger follows a scan and learns its counts and the codes of outlets,
// and nothing else.
func TestPublicScan(t *testing.T) {
	t.Parallel()
	var c clock
	e := start(t, public(&c))
	e.register(t, "S1", "X1")
	e.project(t)
	e.schedule(t, "S1", "X1")
	s := e.listen(t, call{path: "/backup-status/scan"})
	defer s.close()
	var all []string
	var id string
	for {
		m, err := s.read()
		if err != nil {
			break
		}
		id = m.id
		typ, fields := decodeMessage(t, m)
		all = append(all, typ)
		for name := range fields {
			if !slices.Contains([]string{"type", "total", "completed", "success", "failed", "current"}, name) {
				t.Errorf("a stranger learns %s: %s", name, m.data)
			}
		}
		if strings.Contains(m.data, "10.0.0") || strings.Contains(m.data, "look") {
			t.Errorf("%s", m.data)
		}
	}
	// Whoever comes when the scan has ended already hears of no progress.
	if len(all) < 2 || all[0] != "start" || all[len(all)-1] != "complete" {
		t.Errorf("%v", all)
	}
	again := e.listen(t, call{path: "/backup-status/scan", header: map[string]string{"Last-Event-ID": id}})
	defer again.close()
	if typ, _ := decodeMessage(t, again.next()); typ != "complete" {
		t.Errorf("who comes back gets %s", typ)
	}
	// All the rest stays closed, whatever a stranger puts in the address.
	for _, path := range []string{"/backup-stats", "/outlets", "/events", "/scans", "/scans/" + id} {
		get[failure](t, e, http.StatusUnauthorized, call{path: path})
	}
	get[failure](t, e, http.StatusUnauthorized, call{path: "/backup-status/scan", token: "a.b.c"})
	get[failure](t, e, http.StatusUnauthorized, call{path: "/backup-status/scan?ticket=x"})
	get[failure](t, e, http.StatusNotFound, call{path: "/backup-status/scan", header: map[string]string{"Last-Event-ID": "no such scan"}})
	get[failure](t, e, http.StatusForbidden, call{path: "/backup-status/scan?scan_date=2020-01-01"})
	yesterday := events.DateOf(time.Now().AddDate(0, 0, -1), time.UTC) // also of each day there would be a scan, and a row of each outlet
	get[failure](t, e, http.StatusForbidden, call{path: "/backup-status/scan?scan_date=" + string(yesterday)})
	get[failure](t, e, http.StatusForbidden, call{path: "/backup-status/scan", token: e.support})
}

// A stranger cannot follow a scan of chosen outlets, or one of the other mode, by
// its id.
func TestAStrangerFollowsFullScansAlone(t *testing.T) {
	t.Parallel()
	var c clock
	e := start(t, public(&c))
	e.register(t, "S1", "S2")
	for body, want := range map[string]int{
		`{"modes":["d_drive"]}`:                     http.StatusOK,
		`{"modes":["ib_storage"]}`:                  http.StatusNotFound,
		`{"modes":["d_drive"],"outlets":["S1"]}`:    http.StatusNotFound,
		`{"modes":["ib_storage"],"outlets":["S1"]}`: http.StatusNotFound,
	} {
		id := get[asked](t, e, http.StatusAccepted, call{method: http.MethodPost, path: "/scans", token: e.admin, body: body}).ScanID
		follow := call{path: "/backup-status/scan", header: map[string]string{"Last-Event-ID": id}}
		if want == http.StatusOK {
			s := e.listen(t, follow)
			s.close()
			continue
		}
		get[failure](t, e, want, follow)
	}
}

// All addresses that one stranger may have, as those of a network of IPv6, have
// the streams of one.
func TestAStrangersStreamsAreBounded(t *testing.T) {
	t.Parallel()
	var c clock
	e := start(t, public(&c), func(s *setup) { s.cfg.TrustedProxies = []string{"127.0.0.1"} })
	from := func(address string) call {
		return call{path: "/backup-status/scan", header: map[string]string{"X-Forwarded-For": address}}
	}
	for i := range 32 {
		s := e.listen(t, from("2001:db8:0:1::"+strconv.FormatInt(int64(i+1), 16)))
		defer s.close()
	}
	get[failure](t, e, http.StatusTooManyRequests, from("2001:db8:0:1:ffff::1"))
	s := e.listen(t, from("2001:db8:0:2::1"))
	s.close()
}

// Strangers start one scan a minute, all together, on all gateways, in both
// modes; who comes while it runs follows it.
func TestPublicScansAreRare(t *testing.T) {
	t.Parallel()
	var c clock
	e := start(t, public(&c))
	e.register(t, "S1")
	var tries sync.WaitGroup
	var opened, refused atomic.Int32
	var streams sync.Map
	for i := range 10 {
		tries.Go(func() {
			path := "/backup-status/scan"
			if i%2 == 1 {
				path = "/ibstorage-status/scan"
			}
			res, err := e.client.Do(e.request(t.Context(), t, call{path: path})) //nolint:bodyclose // closed below, when all are open
			if err != nil {
				t.Error(err)
				return
			}
			streams.Store(i, res)
			switch res.StatusCode {
			case http.StatusOK:
				opened.Add(1)
			case http.StatusTooManyRequests:
				refused.Add(1)
			default:
				t.Errorf("status %d", res.StatusCode)
			}
		})
	}
	tries.Wait()
	streams.Range(func(_, v any) bool { closeBody(t, v.(*http.Response)); return true })
	requests := func() (n int) {
		feed, err := e.nats.Log.Feed(t.Context(), events.FeedOptions{Subjects: []string{events.AllRequested}})
		if err != nil {
			t.Fatal(err)
		}
		defer feed.Stop()
		return int(feed.Initial)
	}
	if requests() != 1 || opened.Load() == 0 || refused.Load() == 0 {
		t.Errorf("%d scans were started, %d streams opened, %d refused", requests(), opened.Load(), refused.Load())
	}
	first, _ := e.requested(t, 0)
	if first.Trigger != events.TriggerPublic || first.RequestedBy != "" {
		t.Errorf("%+v", first)
	}
	other := "/ibstorage-status/scan"
	if slices.Contains(first.Modes, events.IBStorage) {
		other = "/backup-status/scan"
	}
	c.turn(45 * time.Second) // perhaps the next minute on the clock
	_, h, _ := e.do(t, call{path: other})
	if wait := h.Get("Retry-After"); wait == "" {
		t.Error("nothing says when to come again")
	}
	if requests() != 1 {
		t.Errorf("%d scans within 45 s", requests())
	}
	c.turn(16 * time.Second)
	s := e.listen(t, call{path: other})
	s.close()
	if requests() != 2 {
		t.Errorf("%d scans after 61 s", requests())
	}
}

// A stranger does not hear who cancelled a scan.
func TestStrangersHearNoNames(t *testing.T) {
	t.Parallel()
	var c clock
	e := start(t, public(&c))
	e.register(t, "S1")
	s := e.listen(t, call{path: "/backup-status/scan"})
	defer s.close()
	req, position := e.requested(t, 0)
	e.append(t, started(req, position, "S1"))
	if typ, _ := decodeMessage(t, s.next()); typ != "start" {
		t.Error(typ)
	}
	e.project(t)
	get[scanAnswer](t, e, http.StatusOK, e.as("DELETE", "/scans/"+req.ScanID, ""))
	for {
		m, err := s.read()
		if err != nil {
			break
		}
		if strings.Contains(m.data, "admin") {
			t.Errorf("%s", m.data)
		}
	}
}

// Who names a scan, whose id anybody can guess where the schedule asked for it,
// learns nothing of another date than today's.
func TestPublicScanOfAnotherDate(t *testing.T) {
	t.Parallel()
	var c clock
	e := start(t, public(&c))
	named := func(id string, daysAgo int, trigger string) call {
		now := c.now().UTC()
		e.append(t, events.ScanRequested{
			ScanID: id, ScanDate: events.DateOf(now.AddDate(0, 0, -daysAgo), time.UTC), Modes: events.Modes(),
			Trigger: trigger, RequestedAt: now, Deadline: now.Add(time.Hour),
		})
		return call{path: "/backup-status/scan", header: map[string]string{"Last-Event-ID": id}}
	}
	get[failure](t, e, http.StatusNotFound, named("earlier", 1, events.TriggerAPI))
	for _, today := range []call{named("today", 0, events.TriggerCron), named("over midnight", 1, events.TriggerPublic)} {
		e.listen(t, today).close()
	}
}

package gateway_test

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

type asked struct {
	ScanID, ScanDate string
	Modes, Outlets   []string
}

type scanJSON struct {
	ScanID, State, AttachedTo, CancelledBy, RequestedBy string
	Total, Completed, Success, Failed, Unobserved       int
	Full                                                bool
}

type scanList struct {
	Count int
	Data  []scanJSON
}

type scanAnswer struct{ Scan scanJSON }

func TestStartListAndCancelScans(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.project(t)
	e.register(t, "Shop-1", "S2", "S3")
	today := string(events.DateOf(time.Now(), time.UTC))
	for body, want := range map[string]asked{
		"":                         {ScanDate: today, Modes: []string{"d_drive", "ib_storage"}},
		`{"modes":["both"]}`:       {ScanDate: today, Modes: []string{"d_drive", "ib_storage"}},
		`{"modes":["ib_storage"]}`: {ScanDate: today, Modes: []string{"ib_storage"}},
		`{"scanDate":"2026-02-20","outlets":["shop-1"," S2 ","SHOP-1"]}`: {ScanDate: "2026-02-20", Modes: []string{"d_drive", "ib_storage"}, Outlets: []string{"Shop-1", "S2"}},
	} {
		got := get[asked](t, e, http.StatusAccepted, call{method: http.MethodPost, path: "/scans", token: e.admin, body: body})
		if got.ScanDate != want.ScanDate || strings.Join(got.Modes, " ") != strings.Join(want.Modes, " ") || strings.Join(got.Outlets, " ") != strings.Join(want.Outlets, " ") {
			t.Errorf("%s: %+v and not %+v", body, got, want)
		}
	}
	list := func(query string) scanList {
		return get[scanList](t, e, http.StatusOK, call{path: "/scans" + query, token: e.support})
	}
	var running scanList
	eventually(t, "four scans are listed", func() bool { running = list("?state=running"); return running.Count == 4 })
	id := running.Data[0].ScanID
	if running.Data[0].State != "requested" {
		t.Errorf("a scan that no scheduler has begun is %+v", running.Data[0])
	}
	remove := call{method: http.MethodDelete, path: "/scans/" + id, token: e.admin}
	if got := get[scanAnswer](t, e, http.StatusOK, remove).Scan; got.State != "cancelled" || got.CancelledBy != "admin" {
		t.Errorf("%+v", got)
	}
	get[failure](t, e, http.StatusConflict, remove)
	if n := list("?state=running").Count; n != 3 {
		t.Errorf("%d scans run and not 3", n)
	}
	if done := list("?state=completed"); done.Count != 1 || done.Data[0].ScanID != id {
		t.Errorf("ended are %+v", done)
	}
	if n := list("").Count; n != 4 {
		t.Errorf("%d scans and not 4", n)
	}
	s := e.listen(t, call{path: "/scans/" + id, token: e.support})
	defer s.close()
	if typ, f := decodeMessage(t, s.next()); typ != "error" || !strings.Contains(f["message"].(string), "cancelled by admin") {
		t.Errorf("following a cancelled scan: %s %v", typ, f)
	}
	s.ended()
	get[failure](t, e, http.StatusNotFound, call{method: http.MethodDelete, path: "/scans/none", token: e.admin})
	get[failure](t, e, http.StatusNotFound, call{path: "/scans/none", token: e.admin})
}

// A cancel counts what was seen up to it.
func TestCancelKeepsTheCountsSoFar(t *testing.T) {
	t.Parallel()
	e := start(t)
	got := get[asked](t, e, http.StatusAccepted, call{method: http.MethodPost, path: "/scans", token: e.admin})
	req, position := e.requested(t, 0)
	e.append(t, started(req, position, "S1", "S2"))
	e.append(t, look(req, position, "S1", events.DDrive, events.CauseStale))
	e.append(t, look(req, position, "S1", events.IBStorage, events.CauseOK))
	at := call{path: "/scans/" + got.ScanID, token: e.admin, header: map[string]string{"Accept": "application/json"}}
	eventually(t, "both looks are counted", func() bool { return get[scanAnswer](t, e, http.StatusOK, at).Scan.Completed == 2 })
	at.method = http.MethodDelete
	want := scanJSON{ScanID: got.ScanID, State: "cancelled", CancelledBy: "admin", RequestedBy: "admin", Total: 4, Completed: 2, Success: 1, Failed: 1, Unobserved: 2, Full: true}
	if s := get[scanAnswer](t, e, http.StatusOK, at).Scan; s != want {
		t.Errorf("%+v and not %+v", s, want)
	}
}

func TestScanRequestsThatCannotBe(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.register(t, "S1")
	e.append(t, events.OutletChanged{Code: "CLOSED", Address: "10.0.0.9", Source: events.SourceUser, ChangedAt: time.Now()})
	before, err := e.nats.Log.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for body, named := range map[string]string{
		`{"modes":["c_drive"]}`:                            "modes",
		`{"modes":["d_drive","d_drive"]}`:                  "modes",
		`{"scanDate":"2026-02-30"}`:                        "scanDate",
		`{"scanDate":"2999-01-01"}`:                        "future",
		`{"outlets":[]}`:                                   "outlets",
		`{"outlets":["S1"," nope","Closed","NOPE"]}`:       `: "nope", "Closed". `,
		`{"outlets":["` + strings.Repeat("x", 200) + `"]}`: "xxx",
		`{"outlet":["S1"]}`:                                `"outlet"`,
		`{"modes":"d_drive"}`:                              "modes",
	} {
		f := get[failure](t, e, http.StatusBadRequest, call{method: http.MethodPost, path: "/scans", token: e.admin, body: body})
		if !strings.Contains(f.Message, named) {
			t.Errorf("%s: %q does not name %s", body, f.Message, named)
		}
	}
	if after, err := e.nats.Log.Identity(t.Context()); err != nil || after.LastSeq != before.LastSeq {
		t.Errorf("something was started: the log went from %d to %d, %v", before.LastSeq, after.LastSeq, err)
	}
}

// A scan date that no backup can have would be a row for ever. Every way to ask
// for a scan refuses it; to read an old day is harmless.
func TestScanDatesThatAreTooOld(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.register(t, "S1")
	before := e.identity(t).LastSeq
	for _, date := range []string{"0001-01-01", "0999-12-31", "1970-01-01", "1999-12-31"} {
		for _, c := range []call{
			{method: http.MethodPost, path: "/scans", body: `{"scanDate":"` + date + `"}`},
			{method: http.MethodPost, path: "/scans", body: `{"scanDate":"` + date + `","outlets":["S1"]}`},
			{method: http.MethodPost, path: "/backup-status/sync", body: `{"outlets":["S1"],"scan_date":"` + date + `"}`},
			{method: http.MethodPost, path: "/ibstorage-status/sync?scan_date=" + date, body: `{"outlets":["S1"]}`},
			{path: "/backup-status/scan?scan_date=" + date},
		} {
			c.token = e.admin
			if f := get[failure](t, e, http.StatusBadRequest, c); !strings.Contains(f.Message, date+" is before 2000-01-01") {
				t.Errorf("%s %s: %q", c.path, c.body, f.Message)
			}
		}
	}
	if after := e.identity(t).LastSeq; after != before {
		t.Errorf("something was started: the log went from %d to %d", before, after)
	}
	get[asked](t, e, http.StatusAccepted, call{method: http.MethodPost, path: "/scans", token: e.admin, body: `{"scanDate":"2000-01-01"}`})
	get[statsJSON](t, e, http.StatusOK, call{path: "/backup-stats?date_from=1999-12-31", token: e.support})
}

// One caller has twenty scans open at most, however they are asked for and over
// however many connections at once. Others are not counted, nor is what has ended.
func TestOpenScansOfOneCaller(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.register(t, "S1")
	const most = 20
	ways := []call{
		{method: http.MethodPost, path: "/scans", body: `{"outlets":["S1"],"modes":["d_drive"]}`},
		{method: http.MethodPost, path: "/scans"},
	}
	var accepted atomic.Int32
	ask := func(c call) int {
		c.token = e.admin
		status, _, _ := e.do(t, c)
		if status == http.StatusAccepted {
			accepted.Add(1)
		}
		return status
	}
	var crowd sync.WaitGroup
	for i := range 4 * most {
		crowd.Go(func() { ask(ways[i%len(ways)]) })
	}
	crowd.Wait()
	for accepted.Load() <= most && ask(ways[1]) == http.StatusAccepted { // whatever else refuses a crowd
	}
	if n := accepted.Load(); n != most {
		t.Errorf("%d scans were accepted", n)
	}
	for _, c := range append(ways,
		call{method: http.MethodPost, path: "/backup-status/sync", body: `{"outlets":["S1"]}`},
		call{path: "/ibstorage-status/scan"},
	) {
		c.token = e.admin
		status, header, body := e.do(t, c)
		if status != http.StatusTooManyRequests || header.Get("Retry-After") != "10" || !strings.Contains(string(body), "20 scans of yours are under way") {
			t.Errorf("%s: %d, %v, %s", c.path, status, header, body)
		}
	}
	addUser(t, e.store, store.User{ID: "other", Name: "Oda", Type: "A", Active: true})
	other := e.signIn(t, "other")
	get[asked](t, e, http.StatusAccepted, call{method: http.MethodPost, path: "/scans", token: other})

	var list scanList
	eventually(t, "all are listed", func() bool {
		list = get[scanList](t, e, http.StatusOK, call{path: "/scans?state=running", token: e.admin})
		return list.Count == most+1
	})
	for _, s := range list.Data {
		if s.RequestedBy == "admin" {
			get[scanAnswer](t, e, http.StatusOK, call{method: http.MethodDelete, path: "/scans/" + s.ScanID, token: e.admin})
			break
		}
	}
	again := ways[0]
	again.token = e.admin
	get[asked](t, e, http.StatusAccepted, again)
	get[failure](t, e, http.StatusTooManyRequests, again)
}

// What cannot be asked for does not count.
func TestRefusedScansAreNotOpen(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.register(t, "S1")
	for range 20 {
		get[failure](t, e, http.StatusBadRequest, call{method: http.MethodPost, path: "/scans", token: e.admin, body: `{"outlets":["none"]}`})
	}
	get[asked](t, e, http.StatusAccepted, call{method: http.MethodPost, path: "/scans", token: e.admin})
}

package gateway_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"backupmonitor/events"
)

type statsJSON struct {
	Status                        string
	Data, AdvancedDate            []map[string]any
	Count, AdvancedDateCount      int
	NotObserved, Outlets          int
	LastObservedAt                *time.Time
	Timestamp                     time.Time
	SyncedCount, SyncSuccessCount int
	SyncFailedCount               int
	ScanID                        string
}

func codes(rows []map[string]any) string {
	var all []string
	for _, r := range rows {
		all = append(all, r["outletCode"].(string))
	}
	return strings.Join(all, " ")
}

func TestSyncAnswersWithWhatTheTablesShow(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.register(t, "S1", "S2", "X3")
	e.project(t)
	e.schedule(t, "S1", "S2", "X3")
	got := get[statsJSON](t, e, http.StatusOK, call{method: http.MethodPost, path: "/backup-status/sync", token: e.admin, body: `{"outlets":["s1","X3"]}`})
	if got.SyncedCount != 2 || got.SyncSuccessCount != 1 || got.SyncFailedCount != 1 || codes(got.Data) != "S1 X3" || got.NotObserved != 1 || got.Outlets != 3 {
		t.Errorf("%+v", got)
	}
	for _, r := range got.Data {
		if r["scanId"] != got.ScanID {
			t.Errorf("outlet %s is of scan %s and not %s", r["outletCode"], r["scanId"], got.ScanID)
		}
	}
	// One outlet, a past day, in the query and in the body.
	for _, c := range []call{
		{path: "/ibstorage-status/sync?scan_date=2026-02-20", body: `{"outlets":["S2"]}`},
		{path: "/ibstorage-status/sync", body: `{"outlets":["S2"],"scan_date":"2026-02-20"}`},
	} {
		c.method, c.token = http.MethodPost, e.admin
		got := get[statsJSON](t, e, http.StatusOK, c)
		rows := slices.Concat(got.Data, got.AdvancedDate)
		if got.SyncedCount != 1 || len(rows) != 1 || rows[0]["scanDate"] != "2026-02-20" || rows[0]["outletCode"] != "S2" {
			t.Errorf("%+v", got)
		}
	}
}

func TestSyncRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.register(t, "S1")
	for body, named := range map[string]string{
		`{"outlets":["S1","NOPE"]}`: "NOPE",
		`{"outlets":[]}`:            "outlets",
		`{}`:                        "outlets",
		`{"outlets":["S1"],"scan_date":"20.02.2026"}`: "scan_date",
		`{"outlets":["S1"],"scan_date":"2026-02-21"}`: "in the query and",
		`{"outlets":"S1"}`:                            "outlets",
		`["S1"]`:                                      "array",
		`{"outlets":["S1"]} {}`:                       "after",
		`{"outlets":["S1"]`:                           "JSON",
	} {
		f := get[failure](t, e, http.StatusBadRequest, call{method: http.MethodPost, path: "/backup-status/sync?scan_date=2026-02-20", token: e.admin, body: body})
		if !strings.Contains(f.Message, named) {
			t.Errorf("%.60s: %q does not name %s", body, f.Message, named)
		}
	}
	f := get[failure](t, e, http.StatusBadRequest, call{
		method: http.MethodPost, path: "/backup-status/sync", token: e.admin, body: `{"outlets":["S1"]}`, header: map[string]string{"Content-Type": "text/plain"}})
	if !strings.Contains(f.Message, "application/json") {
		t.Errorf("%q", f.Message)
	}
	if id, err := e.nats.Log.Identity(t.Context()); err != nil {
		t.Error(err)
	} else if _, err := e.nats.Log.Last(t.Context(), events.AllRequested); err == nil {
		t.Errorf("a scan was requested, the log is at %d", id.LastSeq)
	}
}

// What takes too long is answered with what there is, and goes on.
func TestSyncThatTakesLong(t *testing.T) {
	t.Parallel()
	e := start(t, func(s *setup) { s.cfg.SyncWait = 300 * time.Millisecond })
	e.register(t, "S1", "S2")
	e.project(t)
	answered := make(chan statsJSON, 1)
	go func() {
		answered <- get[statsJSON](t, e, http.StatusAccepted, call{method: http.MethodPost, path: "/backup-status/sync", token: e.admin, body: `{"outlets":["S1","S2"]}`})
	}()
	req, position := e.requested(t, 0)
	e.append(t, started(req, position, "S1", "S2"))
	e.append(t, look(req, position, "S2", events.DDrive, events.CauseOK))
	if got := <-answered; got.ScanID != req.ScanID || got.SyncedCount > 1 {
		t.Errorf("%+v", got)
	}
	if status := e.probe(t, http.MethodGet, "/scans/"+req.ScanID, showing{token: e.admin}); status != http.StatusOK {
		t.Error("the scan cannot be followed")
	}
}

func TestSyncThatIsCancelled(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.register(t, "S1")
	answered := make(chan failure, 1)
	go func() {
		answered <- get[failure](t, e, http.StatusConflict, call{method: http.MethodPost, path: "/backup-status/sync", token: e.admin, body: `{"outlets":["S1"]}`})
	}()
	e.project(t)
	req, _ := e.requested(t, 0)
	get[scanAnswer](t, e, http.StatusOK, call{method: http.MethodDelete, path: "/scans/" + req.ScanID, token: e.admin})
	if f := <-answered; !strings.Contains(f.Message, "cancelled by admin") {
		t.Errorf("%+v", f)
	}
}

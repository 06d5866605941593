package gateway_test

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// fill applies looks to the tables, one sequence after the other.
func (e *env) fill(t testing.TB, outlets []store.Outlet, looks ...store.Look) {
	t.Helper()
	old, err := e.store.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range looks {
		looks[i].Seq = old.Seq + uint64(i) + 1
		looks[i].EventID = fmt.Sprintf("event %d", looks[i].Seq)
		looks[i].Stored = time.Date(2026, 2, 21, 10, 0, 0, 0, time.UTC)
	}
	b := store.Batch{Old: old, New: store.Checkpoint{Stream: "filled", Seq: old.Seq + uint64(len(looks)) + 1}, Looks: looks, Outlets: outlets}
	if err := e.store.Apply(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

func at(text string) *time.Time {
	tm, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return &tm
}

func good(outlet string, date events.Date, taken string) store.Look {
	size, skew := int64(2_630_667_469), -1250.0
	return store.Look{
		Mode: events.DDrive, Outlet: outlet, ScanDate: date, Status: events.Successful, Cause: events.CauseOK, Conclusive: true,
		Evidence: events.EvidenceFull, LastBackupTaken: at(taken), BackupFile: "full_" + outlet + ".bak", BackupFileSize: "2.45 GB",
		Duration: "1.25 s", Server: "10.0.0.1", SizeBytes: &size, ObservedAt: at("2026-02-21T09:00:00Z"), DurationMS: 1250, ClockSkewMS: &skew, ScanID: "scan-1",
	}
}

func unseen(outlet string, date events.Date) store.Look {
	return store.Look{
		Mode: events.DDrive, Outlet: outlet, ScanDate: date, Status: events.Failed, Cause: events.CauseUnreachable,
		ErrorDetails: "Could not look: no answer.", Server: "10.0.0.2", ObservedAt: at("2026-02-21T09:30:00Z"), ScanID: "scan-1",
	}
}

func TestStats(t *testing.T) {
	t.Parallel()
	e := start(t)
	if got := get[statsJSON](t, e, http.StatusOK, call{path: "/backup-stats", token: e.support}); got.Count != 0 || got.Data == nil || got.AdvancedDate == nil || got.LastObservedAt != nil {
		t.Errorf("of nothing: %+v", got)
	}
	stale := good("S2", "2026-02-21", "2026-02-18T01:00:00Z")
	stale.Status, stale.Cause, stale.ErrorDetails = events.Failed, events.CauseStale, "The newest backup is 3 days old."
	usb := good("S1", "2026-02-19", "2026-02-19T01:00:00Z")
	usb.Mode, usb.DriveLetter = events.IBStorage, "F"
	e.fill(t, []store.Outlet{{Code: "S1", Address: "10.1.1.1", Name: "Corner Shop", Active: true, Seq: 1}, {Code: "S9", Address: "10.1.1.9", Seq: 2}},
		good("S1", "2026-02-20", "2026-02-20T01:00:00Z"), good("S1", "2026-02-21", "2026-02-21T01:02:03Z"), stale,
		unseen("S3", "2026-02-21"), good("S4", "2026-02-21", "2026-02-22T00:00:00Z"), good("S5", "2026-02-21", "2026-02-21T23:59:59Z"), usb)

	got := get[statsJSON](t, e, http.StatusOK, call{path: "/backup-stats", token: e.support})
	if codes(got.Data) != "S1 S2 S3 S5" || codes(got.AdvancedDate) != "S4" || got.Count != 4 || got.AdvancedDateCount != 1 {
		t.Errorf("the latest day: %+v", got)
	}
	if got.Status != "success" || got.NotObserved != 1 || got.Outlets != 1 || !got.LastObservedAt.Equal(*at("2026-02-21T09:30:00Z")) || got.Timestamp.IsZero() {
		t.Errorf("what it rests on: %+v", got)
	}
	want := map[string]any{
		"outletCode": "S1", "server": "10.0.0.1", "status": "Successful", "lastModified": "2026-02-21T01:02:03Z", "file": "full_S1.bak", "backupsize": "2.45 GB",
		"scanDate": "2026-02-21", "errorDetails": nil, "outletName": "Corner Shop", "cause": "ok", "conclusive": true, "evidence": 3.0, "sizeBytes": 2630667469.0,
		"duration": "1.25 s", "durationMs": 1250.0, "observedAt": "2026-02-21T09:00:00Z", "clockSkewSeconds": -1.25, "freeBytes": nil, "totalBytes": nil, "scanId": "scan-1",
	}
	if fmt.Sprint(got.Data[0]) != fmt.Sprint(want) {
		t.Errorf("a record is\n%v and not\n%v", got.Data[0], want)
	}
	for query, codesOf := range map[string]string{
		"?outlet=s1": "S1",
		"?date_from=2026-02-20&date_to=2026-02-20": "S1",
		"?date_to=2026-02-20":                      "S1",
		"?date_from=2026-02-20&outlet=S1":          "S1 S1",
		"?status=Failed":                           "S2 S3",
		"?cause=stale":                             "S2",
		"?limit=2":                                 "S1 S2",
		"?limit=2&offset=1":                        "S2 S3",
		"?offset=4":                                "S5",
		"?date_from=2026-02-22":                    "",
	} {
		if got := get[statsJSON](t, e, http.StatusOK, call{path: "/backup-stats" + query, token: e.support}); codes(got.Data) != codesOf {
			t.Errorf("%s: %q and not %q", query, codes(got.Data), codesOf)
		}
	}
	ib := get[statsJSON](t, e, http.StatusOK, call{path: "/ibstorage-stats", token: e.support})
	if codes(ib.Data) != "S1" || ib.Data[0]["driveLetter"] != "F" || ib.Data[0]["scanDate"] != "2026-02-19" {
		t.Errorf("%+v", ib)
	}
}

// The end of a day is that of the configured zone.
func TestAdvancedDateFollowsTheZone(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("Asia/Kolkata") // UTC+05:30
	if err != nil {
		t.Fatal(err)
	}
	e := start(t, func(s *setup) { s.cfg.Zone = zone })
	imported := unseen("S3", "2026-02-21") // an older system's Failed says nothing of who looked
	imported.Evidence, imported.Cause = events.EvidenceImported, ""
	e.fill(t, nil, good("S1", "2026-02-21", "2026-02-21T18:29:59Z"), good("S2", "2026-02-21", "2026-02-21T18:30:00Z"), imported)
	got := get[statsJSON](t, e, http.StatusOK, call{path: "/backup-stats", token: e.support})
	if codes(got.Data) != "S1 S3" || codes(got.AdvancedDate) != "S2" || got.NotObserved != 0 || got.Data[1]["cause"] != nil {
		t.Errorf("%q and %q", codes(got.Data), codes(got.AdvancedDate))
	}
}

func TestParametersThatCannotBe(t *testing.T) {
	t.Parallel()
	e := start(t)
	for query, named := range map[string]string{
		"?date_from=21.02.2026":                    "date_from",
		"?date_to=2026-13-01":                      "date_to",
		"?date_from=2026-02-21&date_to=2026-02-20": "date_from",
		"?status=Error":                            "status",
		"?cause=rain":                              "cause",
		"?limit=0":                                 "limit",
		"?limit=-1":                                "limit",
		"?limit=ten":                               "limit",
		"?limit=99999999999999999999":              "limit",
		"?offset=-1":                               "offset",
		"?format=xml":                              "format",
		"?outlets=S1":                              "outlets",
		"?outlet=S1&outlet=S2":                     "outlet",
		"?outlet=%zz":                              "query",
	} {
		f := get[failure](t, e, http.StatusBadRequest, call{path: "/backup-stats" + query, token: e.support})
		if f.Status != "Error" || !strings.Contains(f.Message, named) {
			t.Errorf("%s: %+v does not name %s", query, f, named)
		}
	}
}

func TestCSV(t *testing.T) {
	t.Parallel()
	e := start(t)
	evil := good("S1", "2026-02-21", "2026-02-21T01:00:00Z")
	evil.BackupFile, evil.ErrorDetails = `=cmd|'/c calc'!A1`, `say "hi", `+"\n@you"
	for i, start := range []string{"+", "-", "@", "\t", "\r"} {
		l := good("T"+fmt.Sprint(i), "2026-02-21", "2026-02-21T01:00:00Z")
		l.BackupFile = start + "1+1"
		e.fill(t, nil, l)
	}
	e.fill(t, nil, evil, good("S4", "2026-02-21", "2026-02-22T01:00:00Z"))
	status, h, body := e.do(t, call{path: "/backup-stats?format=csv", token: e.support})
	if status != http.StatusOK || !strings.HasPrefix(h.Get("Content-Type"), "text/csv") || h.Get("Content-Disposition") != `attachment; filename="backups-d_drive-2026-02-21.csv"` {
		t.Errorf("%d %v", status, h)
	}
	text, ok := strings.CutPrefix(string(body), "\ufeff")
	if !ok {
		t.Error("there is no byte order mark")
	}
	lines, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) != 8 || lines[0][0] != "OutletCode" {
		t.Fatalf("%d lines: %q", len(lines), lines)
	}
	if l := lines[1]; l[0] != "S1" || l[6] != "2026-02-21T01:00:00Z" || l[7] != `'=cmd|'/c calc'!A1` || l[13] != "-1.250" || l[14] != `say "hi", `+"\n'@you" || l[15] != "N" {
		t.Errorf("%q", l)
	}
	if l := lines[2]; l[0] != "S4" || l[15] != "Y" {
		t.Errorf("%q", l)
	}
	for _, l := range lines[3:] {
		if !strings.HasPrefix(l[7], "'") {
			t.Errorf("a spreadsheet would run %q", l[7])
		}
	}
}

// An answer of many chunks is whole, and counts right.
func TestManyRows(t *testing.T) {
	t.Parallel()
	e := start(t)
	var looks []store.Look
	for day := range 3 {
		for i := range 200 {
			looks = append(looks, good(fmt.Sprintf("S%04d", i), events.Date(fmt.Sprintf("2026-02-2%d", day)), "2026-02-20T01:00:00Z"))
		}
	}
	e.fill(t, nil, looks...)
	got := get[statsJSON](t, e, http.StatusOK, call{path: "/backup-stats?date_from=2026-02-20", token: e.support})
	if got.Count != 600 || len(got.Data) != 600 || got.Data[0]["outletCode"] != "S0000" || got.Data[0]["scanDate"] != "2026-02-22" {
		t.Errorf("%d, %d", got.Count, len(got.Data))
	}
}

func TestDailySummaryAndOutlets(t *testing.T) {
	t.Parallel()
	e := start(t)
	var looks []store.Look
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 35 {
		d := events.DateOf(day.AddDate(0, 0, i), time.UTC)
		looks = append(looks, good("S1", d, "2026-01-01T00:00:00Z"), unseen("S2", d))
	}
	e.fill(t, []store.Outlet{{Code: "S2", Active: true, Seq: 1}, {Code: "S1", Active: true, Seq: 2}, {Code: "OLD", Seq: 3}}, looks...)
	type dayJSON struct {
		ScanDate                               string
		Total, Successful, Failed, NotObserved int
	}
	for query, want := range map[string]struct {
		n     int
		first dayJSON
	}{
		"":                    {30, dayJSON{"2026-02-04", 2, 1, 1, 1}},
		"?limit=3":            {3, dayJSON{"2026-02-04", 2, 1, 1, 1}},
		"?outlet=s2&limit=50": {35, dayJSON{"2026-02-04", 1, 0, 1, 1}},
		"?date_from=2026-01-05&date_to=2026-01-06": {2, dayJSON{"2026-01-06", 2, 1, 1, 1}},
	} {
		got := get[struct{ Data []dayJSON }](t, e, http.StatusOK, call{path: "/backup-stats/daily-summary" + query, token: e.support}).Data
		if len(got) != want.n || got[0] != want.first {
			t.Errorf("%s: %d days, first %+v", query, len(got), got[0])
		}
	}
	if got := get[struct{ Data []dayJSON }](t, e, http.StatusOK, call{path: "/ibstorage-stats/daily-summary", token: e.support}).Data; got == nil || len(got) != 0 {
		t.Errorf("%+v", got)
	}
	if got := get[struct{ Data []string }](t, e, http.StatusOK, call{path: "/outlets", token: e.support}).Data; strings.Join(got, " ") != "S1 S2" {
		t.Errorf("%v", got)
	}
}

package gateway_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/registry"
)

type outletJSON struct {
	OutletCode, IPAddress, OutletName, Group, Source, ChangedBy string
	Active                                                      bool
	Version                                                     uint64
	MaxAgeSeconds                                               *int64
	PausedUntil                                                 *time.Time
}

type outletAnswer struct{ Outlet outletJSON }

// Any code can be named in an address, percent-encoded, and needs the same right.
func TestOutletsOfAnyCode(t *testing.T) {
	t.Parallel()
	e := start(t)
	for _, code := range []string{
		"A/1", "/", "//", "a/../b", "..", ".", "50%", "%2F", "100%25", "A?b=c", "A#1", "A&B;C=D", "A B", "A+B", "Ünïcödé", "店舗/7", "🏪",
		"import/", `back\slash`, `"quoted"`, "x:y@z", strings.Repeat("/", 50),
	} {
		path := "/outlets/" + url.PathEscape(code)
		if code == "." || code == ".." {
			path = "/outlets/" + strings.ReplaceAll(code, ".", "%2E")
		}
		get[failure](t, e, http.StatusForbidden, call{method: "PUT", path: path, token: e.support, body: `{"ipAddress":"10.0.0.1"}`})
		get[failure](t, e, http.StatusUnauthorized, call{path: path})
		get[failure](t, e, http.StatusNotFound, e.as("GET", path, ""))
		made := get[outletAnswer](t, e, http.StatusCreated, e.as("PUT", path, `{"ipAddress":"10.0.0.1"}`)).Outlet
		found := get[outletAnswer](t, e, http.StatusOK, call{path: path, token: e.support}).Outlet
		retired := get[outletAnswer](t, e, http.StatusOK, e.as("DELETE", path, "")).Outlet
		if made.OutletCode != code || found.OutletCode != code || found.Version != made.Version || retired.OutletCode != code || retired.Active {
			t.Errorf("%q: made %+v, found %+v, retired %+v", code, made, found, retired)
		}
	}
	for _, path := range []string{"/outlets%2FA", "/outlets/A/1", "/outlets/", "/outlets/A%2F1/"} {
		get[failure](t, e, http.StatusNotFound, e.as("GET", path, ""))
	}
	if got := get[outletAnswer](t, e, http.StatusOK, e.as("GET", "/outlets/a%2f1", "")).Outlet; got.OutletCode != "A/1" {
		t.Errorf("in the other spelling: %+v", got)
	}
}

func TestManageOutlets(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.project(t)
	get[failure](t, e, http.StatusNotFound, e.as("GET", "/outlets/S1", ""))
	made := get[outletAnswer](t, e, http.StatusCreated, e.as("PUT", "/outlets/S1", `{"ipAddress":"10.0.0.1","outletName":" Corner Shop "}`)).Outlet
	if made.OutletCode != "S1" || made.OutletName != "Corner Shop" || !made.Active || made.Source != "user" || made.ChangedBy != "admin" || made.Version == 0 {
		t.Errorf("%+v", made)
	}
	body := fmt.Sprintf(`{"ipAddress":"shop1.example:4450","group":"north","maxAgeSeconds":3600,"pausedUntil":"2030-01-01T00:00:00Z","version":%d}`, made.Version)
	changed := get[outletAnswer](t, e, http.StatusOK, e.as("PUT", "/outlets/s1", body)).Outlet
	if changed.OutletCode != "S1" || changed.IPAddress != "shop1.example:4450" || changed.OutletName != "" || changed.Group != "north" || *changed.MaxAgeSeconds != 3600 || changed.PausedUntil == nil {
		t.Errorf("%+v", changed)
	}
	get[failure](t, e, http.StatusConflict, e.as("PUT", "/outlets/s1", body)) // of an older version
	if got := get[outletAnswer](t, e, http.StatusOK, call{path: "/outlets/S1", token: e.support}).Outlet; got.Version != changed.Version {
		t.Errorf("%+v", got)
	}
	eventually(t, "the outlet is listed", func() bool {
		return slices.Equal(get[struct{ Data []string }](t, e, http.StatusOK, call{path: "/outlets", token: e.support}).Data, []string{"S1"})
	})
	for range 2 {
		if got := get[outletAnswer](t, e, http.StatusOK, e.as("DELETE", "/outlets/S1", "")).Outlet; got.Active || got.IPAddress != changed.IPAddress {
			t.Errorf("%+v", got)
		}
	}
	eventually(t, "the outlet is retired", func() bool {
		return len(get[struct{ Data []string }](t, e, http.StatusOK, call{path: "/outlets", token: e.support}).Data) == 0
	})
	e.append(t, events.OutletChanged{Code: "F1", Address: "10.0.0.2", Active: true, Source: events.SourceFile})
	get[failure](t, e, http.StatusConflict, e.as("PUT", "/outlets/F1", `{"ipAddress":"10.0.0.3"}`))
	get[failure](t, e, http.StatusConflict, e.as("DELETE", "/outlets/f1", ""))
	for _, bad := range []string{`{}`, `{"ipAddress":"not an address"}`, `{"ipAddress":"0.0.0.0"}`, `{"ipAddress":"10.0.0.1","maxAgeSeconds":-1}`, `{"ipAddress":"10.0.0.1","maxAgeSeconds":9223372037}`, `{"ipAddress":"10.0.0.1","outletName":"a\nb"}`} {
		if f := get[failure](t, e, http.StatusBadRequest, e.as("PUT", "/outlets/S9", bad)); strings.Contains(f.Message, "\n") {
			t.Errorf("%q", f.Message)
		}
	}
	get[failure](t, e, http.StatusBadRequest, e.as("PUT", "/outlets/"+strings.Repeat("x", 51), `{"ipAddress":"10.0.0.1"}`))
	e.audited(t, events.OutletEdited, "admin S1 made", "admin S1 changed", "admin S1 retired")
}

// audited waits until the trail tells of all that was done in a kind.
func (e *env) audited(t testing.TB, kind events.AuditKind, want ...string) {
	t.Helper()
	var told []string
	eventually(t, fmt.Sprintf("%v are told of", want), func() bool {
		told = nil
		for _, a := range e.audits(t) {
			if a.Kind == kind {
				told = append(told, strings.TrimSpace(a.Actor+" "+a.Object+" "+a.Details["change"]))
				if a.Address != "127.0.0.1" || a.At.IsZero() || a.Details["outcome"] != "" {
					t.Errorf("%+v", a)
				}
			}
		}
		return len(told) >= len(want)
	})
	if !slices.Equal(told, want) {
		t.Errorf("%s: told of %q and not %q", kind, told, want)
	}
	if left := e.outbox(t); len(left) > 0 {
		eventually(t, "the outbox is empty", func() bool { return len(e.outbox(t)) == 0 })
	}
}

func TestImportOutlets(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.append(t, events.OutletChanged{Code: "F1", Address: "10.0.0.2", Active: true, Source: events.SourceFile})
	upload := func(query, body string) call {
		c := e.as("POST", "/outlets/import"+query, body)
		c.header = map[string]string{"Content-Type": "text/csv"}
		return c
	}
	type answer struct {
		DryRun                              bool
		Added, Changed, Unchanged, ReadOnly int
		Data                                []struct{ Change, OutletCode string }
	}
	file := "OutletCode,IPAddress,OutletName\nS1,10.0.0.1,=cmd()\nS2,10.0.0.2,Two\nF1,10.9.9.9,x\n"
	if got := get[answer](t, e, http.StatusOK, upload("?dry_run=true", file)); !got.DryRun || got.Added != 2 || got.ReadOnly != 1 {
		t.Errorf("%+v", got)
	}
	if all, err := registry.Load(t.Context(), e.nats.Log, 0); err != nil || len(all.All()) != 1 {
		t.Errorf("a dry run has written: %v, %v", all, err)
	}
	if got := get[answer](t, e, http.StatusOK, upload("", file)); got.Added != 2 || got.ReadOnly != 1 || len(got.Data) != 3 {
		t.Errorf("%+v", got)
	}
	if got := get[answer](t, e, http.StatusOK, upload("", file)); got.Added != 0 || got.Unchanged != 2 {
		t.Errorf("%+v", got)
	}
	for _, bad := range []string{"x", "OutletCode,IPAddress\nS1,nowhere at all\n", "OutletCode,IPAddress\n" + strings.Repeat("S1,nowhere at all\n", 1000)} {
		if f := get[failure](t, e, http.StatusBadRequest, upload("", bad)); len(f.Message) > 4000 || strings.Contains(f.Message, "\n") {
			t.Errorf("%d characters: %.200q", len(f.Message), f.Message)
		}
	}
	get[failure](t, e, http.StatusBadRequest, e.as("POST", "/outlets/import", `{}`))
	get[failure](t, e, http.StatusRequestEntityTooLarge, upload("", "OutletCode,IPAddress\n"+strings.Repeat("x", 4<<20)))
	e.audited(t, events.OutletsImported, "admin")
}

// An import that breaks off tells how many outlets are written, wherever it does.
func TestAnImportIntoALogThatGetsFull(t *testing.T) {
	t.Parallel()
	e := start(t)
	var file strings.Builder
	file.WriteString("OutletCode,IPAddress\n")
	for i := range 1000 {
		fmt.Fprintf(&file, "S%04d,10.0.0.1\n", i)
	}
	c := e.as("POST", "/outlets/import", file.String())
	c.header = map[string]string{"Content-Type": "text/csv"}
	for _, room := range []int{40_000, 0} {
		e.nats.Bound(t, room)
		before := e.identity(t).LastSeq
		f := get[failure](t, e, http.StatusInsufficientStorage, c)
		stored, err := registry.Load(t.Context(), e.nats.Log, 0)
		if err != nil {
			t.Fatal(err)
		}
		written := e.identity(t).LastSeq - before
		if (written > 0) != (room > 0) {
			t.Errorf("%d outlets are written with room for %d bytes", written, room)
		}
		left := 1000 - stored.Len() + int(written)
		if !strings.Contains(f.Message, fmt.Sprintf("Surely written: %d of the %d outlets", written, left)) {
			t.Errorf("%d of %d outlets are written: %s", written, left, f.Message)
		}
	}
}

// What no full scan could name is refused as a whole.
func TestTooManyOutlets(t *testing.T) {
	t.Parallel()
	e := start(t)
	var file strings.Builder
	file.WriteString("OutletCode,IPAddress\n")
	for i := range 18_000 {
		fmt.Fprintf(&file, "%s%05d,10.0.0.1\n", strings.Repeat("x", 45), i)
	}
	c := e.as("POST", "/outlets/import", file.String())
	c.header = map[string]string{"Content-Type": "text/csv"}
	before := e.identity(t).LastSeq
	if f := get[failure](t, e, http.StatusBadRequest, c); !strings.Contains(f.Message, "too many outlets: the codes of all that are active would take") {
		t.Error(f.Message)
	}
	if last := e.identity(t).LastSeq; last != before {
		t.Errorf("%d events are written", last-before)
	}
}

// Outlets become active one by one up to as many as a full scan can name, and no
// further; where one is retired another may.
func TestOutletsUpToTheBound(t *testing.T) {
	t.Parallel()
	e := start(t)
	code := func(i int) string { return strings.Repeat("<", 46) + fmt.Sprintf("%04d", i) } // long ones as JSON
	most := (registry.Outlets{}).Room() / registry.CodeBytes(code(0))
	const left = 3
	var rows []registry.OutletRow
	for i := range most - left {
		rows = append(rows, registry.OutletRow{Code: code(i), Address: "10.0.0.1"})
	}
	if _, err := registry.Apply(t.Context(), e.nats.Log, registry.Diff(registry.Outlets{}, rows, events.SourceUser), "test", time.Now()); err != nil {
		t.Fatal(err)
	}
	put := func(i int) call { return e.as("PUT", "/outlets/"+url.PathEscape(code(i)), `{"ipAddress":"10.0.0.1"}`) }
	for i := range left {
		get[outletAnswer](t, e, http.StatusCreated, put(most-left+i))
	}
	for range 2 {
		if f := get[failure](t, e, http.StatusBadRequest, put(most)); !strings.Contains(f.Message, "too many outlets") {
			t.Error(f.Message)
		}
	}
	get[outletAnswer](t, e, http.StatusOK, put(most-1)) // active already
	get[outletAnswer](t, e, http.StatusOK, e.as("DELETE", "/outlets/"+url.PathEscape(code(0)), ""))
	get[outletAnswer](t, e, http.StatusCreated, put(most))
	get[failure](t, e, http.StatusBadRequest, put(0))
}

func TestSchedulerConfig(t *testing.T) {
	t.Parallel()
	e := start(t)
	get[failure](t, e, http.StatusServiceUnavailable, e.as("GET", "/scheduler/config", ""))
	version := e.settings(t)
	type answer struct {
		Config struct {
			Schedule  events.Schedule
			Policy    events.Policy
			Version   uint64
			ChangedBy string
		}
	}
	c := get[answer](t, e, http.StatusOK, call{path: "/scheduler/config", token: e.support}).Config
	if c.Version != version || c.Schedule.IntervalSeconds != 3600 || c.Policy.MinSizeBytes != 1024 {
		t.Errorf("%+v", c)
	}
	body := fmt.Sprintf(`{"schedule":{"intervalSeconds":600,"from":"00:00","to":"24:00","days":[0,1,2,3,4,5,6]},"version":%d}`, version)
	c = get[answer](t, e, http.StatusOK, e.as("PUT", "/scheduler/config", body)).Config
	if c.Version <= version || c.Schedule.IntervalSeconds != 600 || c.Policy.MaxAgeSeconds != 26*3600 || c.ChangedBy != "admin" {
		t.Errorf("%+v", c)
	}
	get[failure](t, e, http.StatusConflict, e.as("PUT", "/scheduler/config", body))
	status := get[struct {
		Enabled  bool
		NextScan *time.Time
		TimeZone string
		Running  []string
		LastScan *struct{ ScanID string }
	}](t, e, http.StatusOK, call{path: "/scheduler/status", token: e.support})
	if !status.Enabled || status.NextScan == nil || time.Until(*status.NextScan) > 10*time.Minute || status.TimeZone != "UTC" || len(status.Running) != 0 || status.LastScan != nil {
		t.Errorf("%+v", status)
	}
	for _, bad := range []string{
		`{}`, `{"schedule":{"intervalSeconds":5,"from":"00:00","to":"24:00","days":[1]}}`, `{"schedule":{"intervalSeconds":600,"from":"x","to":"24:00","days":[1]}}`,
		`{"schedule":{"intervalSeconds":600,"from":"00:00","to":"24:00","days":[]}}`, `{"policy":{"maxAgeSeconds":-1,"minSizeBytes":0,"patterns":["*.bak"]}}`,
		`{"policy":{"maxAgeSeconds":9223372037,"minSizeBytes":0,"patterns":["*.bak"]}}`,
		`{"policy":{"maxAgeSeconds":0,"minSizeBytes":0,"patterns":[]}}`, `{"policy":{"maxAgeSeconds":0,"minSizeBytes":0,"patterns":["a\u0000"]}}`,
	} {
		get[failure](t, e, http.StatusBadRequest, e.as("PUT", "/scheduler/config", bad))
	}
	e.audited(t, events.SettingsReplaced, "admin settings schedule")
}

// Every kind of deed has its event, with who did it and from where; the list
// gives them back, page by page.
func TestTheTrailTellsOfScans(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.register(t, "S1")
	scan := get[asked](t, e, http.StatusAccepted, e.as("POST", "/scans", `{}`)).ScanID
	get[scanAnswer](t, e, http.StatusOK, e.as("DELETE", "/scans/"+scan, ""))
	get[failure](t, e, http.StatusConflict, e.as("DELETE", "/scans/"+scan, "")) // changes nothing
	get[failure](t, e, http.StatusBadRequest, e.as("POST", "/scans", `{"scanDate":"2999-01-01"}`))
	e.project(t)
	e.schedule(t)
	synced := get[statsJSON](t, e, http.StatusOK, e.as("POST", "/backup-status/sync", `{"outlets":["S1"]}`))
	e.audited(t, events.ScanAsked, "admin "+scan)
	e.audited(t, events.ScanCancelled, "admin "+scan)
	e.audited(t, events.SyncAsked, "admin "+synced.ScanID)

	type entry struct {
		Seq                 uint64
		Kind, Actor, Object string
		Details             map[string]string
	}
	list := func(query string) []entry {
		return get[struct{ Data []entry }](t, e, http.StatusOK, e.as("GET", "/audit"+query, "")).Data
	}
	all := list("")
	if len(all) != 5 || all[0].Kind != "sync_requested" || all[0].Details["outlets"] != "1" || all[4].Kind != "signed_in" {
		t.Errorf("%+v", all)
	}
	if page := list(fmt.Sprintf("?limit=2&before=%d", all[1].Seq)); len(page) != 2 || page[0].Seq != all[2].Seq {
		t.Errorf("%+v", page)
	}
	if some := list("?kind=signed_in&actor=SUPPORT"); len(some) != 1 || some[0].Actor != "support" {
		t.Errorf("%+v", some)
	}
	if some := list("?object=" + scan + "&since=2020-01-01T00:00:00Z"); len(some) != 2 {
		t.Errorf("%+v", some)
	}
	for _, bad := range []string{"?kind=x", "?limit=0", "?limit=1001", "?before=x", "?since=yesterday", "?user=x"} {
		get[failure](t, e, http.StatusBadRequest, e.as("GET", "/audit"+bad, ""))
	}
}

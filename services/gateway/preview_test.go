package gateway_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/logfile"
	"backupmonitor/services/internal/verdict"
)

// TestPreview: an Admin sees what a stricter policy would say, and nothing is
// written.
func TestPreview(t *testing.T) {
	t.Parallel()
	e := start(t)
	now := time.Now().UTC()
	l := events.BackupObserved{
		Outlet: "S1", Server: "10.0.0.1", Mode: events.DDrive, ScanID: "one", ScanDate: events.DateOf(now, time.UTC), StartedAt: now, Today: true, Cutoff: now,
		Drives: []events.Drive{{Letter: "D", Share: "d$", FileCount: 1, Files: []events.File{{Name: "a.bak", Bytes: 1 << 20, Modified: now.Add(-25 * time.Hour)}}}},
	}
	l.Verdict = verdict.Judge(l, events.Policy{MaxAgeSeconds: 26 * 3600, MinSizeBytes: 1024, Patterns: []string{"*.bak"}})
	e.append(t, l)
	before := e.identity(t).LastSeq
	post := func(token, body string) call {
		return call{method: http.MethodPost, path: "/policy/preview", token: token, body: body}
	}
	type preview struct {
		Looks, Rows, Changed int
		Changes              []struct {
			Outlet        string
			Before, After struct{ Status, Cause, Detail string }
		}
	}
	p := get[preview](t, e, http.StatusOK, post(e.admin, `{"maxAgeSeconds":86400}`))
	if p.Looks != 1 || p.Rows != 1 || p.Changed != 1 || p.Changes[0].After.Cause != "stale" || p.Changes[0].After.Detail == "" || p.Changes[0].Before.Cause != "ok" {
		t.Errorf("%+v", p)
	}
	if p := get[preview](t, e, http.StatusOK, post(e.admin, `{"minSizeBytes":1,"patterns":["*.bak"]}`)); p.Changed != 0 {
		t.Errorf("%+v", p)
	}
	for body, named := range map[string]string{
		`{}`:                                     "nothing",
		`{"maxAgeSeconds":-1}`:                   "maxAgeSeconds",
		`{"minSizeBytes":-1}`:                    "minSizeBytes",
		`{"patterns":[]}`:                        "patterns",
		`{"patterns":[" "]}`:                     "patterns",
		`{"minSizeBytes":1,"from":"2026-13-01"}`: "from",
		`{"minSizeBytes":1,"from":"2026-02-01","to":"2026-01-01"}`: "after",
		`{"minSizeBytes":1,"from":"2025-01-01","to":"2026-01-01"}`: "too many",
	} {
		if f := get[failure](t, e, http.StatusBadRequest, post(e.admin, body)); !strings.Contains(f.Message, named) {
			t.Errorf("%s: %q does not name %s", body, f.Message, named)
		}
	}
	get[failure](t, e, http.StatusForbidden, post(e.support, `{"maxAgeSeconds":86400}`))
	if after := e.identity(t).LastSeq; after != before {
		t.Errorf("something was written: the log went from %d to %d", before, after)
	}
}

// sixLooks are what a preview of today is to judge; it gives the sequence of the
// third.
func (e *env) sixLooks(t *testing.T) (third uint64) {
	t.Helper()
	now := time.Now().UTC()
	for i := range 6 {
		seq := e.append(t, events.BackupObserved{
			Outlet: fmt.Sprint("S", i), Mode: events.DDrive, ScanID: "one", ScanDate: events.DateOf(now, time.UTC), StartedAt: now,
			Verdict: events.Verdict{Status: events.Failed, Cause: events.CauseTimeout},
		})
		if i == 2 {
			third = seq
		}
	}
	return third
}

// TestPreviewOfTooMuch: what would not be done in time is not begun with, and
// the answer says what to do.
func TestPreviewOfTooMuch(t *testing.T) {
	t.Parallel()
	e := start(t, func(s *setup) { s.cfg.PreviewLooks = 5 })
	e.sixLooks(t)
	f := get[failure](t, e, http.StatusBadRequest, call{method: http.MethodPost, path: "/policy/preview", token: e.admin, body: `{"minSizeBytes":1}`})
	if !strings.Contains(f.Message, "6 events") || !strings.Contains(f.Message, "5 at most") || !strings.Contains(f.Message, "backup-monitor judge --policy … --from ") {
		t.Errorf("%q", f.Message)
	}
}

// TestPreviewOfArchived looks reads the archive, or says what to do.
func TestPreviewOfArchived(t *testing.T) {
	t.Parallel()
	archives := filepath.Join(t.TempDir(), "archive")
	e := start(t, func(s *setup) { s.cfg.Archives = archives })
	third := e.sixLooks(t)
	a := &logfile.Archiver{
		Log: e.nats.Log, Keeper: e.nats.JS, Dir: archives,
		Tables:   func(context.Context) (uint64, error) { return third, nil },
		Rehearse: func(context.Context, string, func(done, total uint64)) error { return nil },
		Now:      func() time.Time { return time.Now().Add(10 * logfile.MinArchiveAge) },
	}
	if _, err := a.Archive(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	c := call{method: http.MethodPost, path: "/policy/preview", token: e.admin, body: `{"minSizeBytes":1}`}
	if p := get[struct{ Looks, Rows int }](t, e, http.StatusOK, c); p.Looks != 6 || p.Rows != 6 {
		t.Errorf("%+v", p)
	}
	if err := os.Rename(archives, archives+"-elsewhere"); err != nil {
		t.Fatal(err)
	}
	f := get[failure](t, e, http.StatusConflict, c)
	if !strings.Contains(f.Message, "were archived") || !strings.Contains(f.Message, "where ARCHIVE_DIR is") {
		t.Errorf("%q", f.Message)
	}
}

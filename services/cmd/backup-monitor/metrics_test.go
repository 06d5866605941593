package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/capacity"
	"backupmonitor/services/internal/natstest"
	"backupmonitor/services/internal/store"
	"backupmonitor/services/internal/store/sqlitetest"
)

// TestMetricsOfWhatConcernsMany: offline probers, paused accounts and what the
// audit trail cannot read are counted, without a name.
func TestMetricsOfWhatConcernsMany(t *testing.T) {
	t.Parallel()
	log := natstest.Start(t).Log
	st := sqlitetest.Open(t)
	h := newExporter(log, st, capacity.NewMeter(log, nil, time.Now), time.UTC, slog.New(slog.DiscardHandler))
	figures := func(want ...string) {
		t.Helper()
		var text string
		missing := func() string {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
			text = w.Body.String()
			for _, line := range append(want, `outletbackup_source_up{source="system"} 1`) {
				if !strings.Contains(text, line+"\n") {
					return line
				}
			}
			return ""
		}
		for deadline := time.Now().Add(patience); missing() != ""; <-time.After(50 * time.Millisecond) { // figures are kept for a moment
			if time.Now().After(deadline) {
				t.Fatalf("%s is not in\n%s", missing(), text)
			}
		}
		if strings.Contains(text, "svc") || strings.Contains(text, "p1") {
			t.Errorf("somebody is named in\n%s", text)
		}
	}
	figures("outletbackup_probers_offline 0", "outletbackup_credentials_paused 0", "outletbackup_credentials_refused 0", "outletbackup_audit_parked_events 0")

	now := time.Now().UTC()
	soon := now.Add(time.Minute)
	for _, p := range []events.Payload{
		events.ProberChanged{Prober: "p1", Since: now, ValidUntil: &soon, ChangedAt: now},
		events.ProberChanged{Prober: "p2", Online: true, Since: now, ChangedAt: now},
		events.CredentialChanged{Account: `SHOPS\svc1`, State: events.CredentialTripped, Failures: 2, ChangedAt: now},
		events.CredentialChanged{Account: `SHOPS\svc2`, State: events.CredentialDoubted, Failures: 1, ChangedAt: now},
		events.CredentialChanged{Account: `SHOPS\svc3`, State: events.CredentialGood, ChangedAt: now},
	} {
		if _, _, err := log.Append(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	if err := st.PutNote(t.Context(), store.Note{Audited: events.Audited{ID: "n", At: now}, Due: store.Parked()}); err != nil {
		t.Fatal(err)
	}
	figures("outletbackup_probers_offline 1", "outletbackup_credentials_paused 1", "outletbackup_credentials_refused 1", "outletbackup_audit_parked_events 1")
}

// TestMetricsOfTheLatestDay: a look for a day to come does not stand in place of
// what was seen last.
func TestMetricsOfTheLatestDay(t *testing.T) {
	t.Parallel()
	log := natstest.Start(t).Log
	st := sqlitetest.Open(t)
	var looks []store.Look
	for i, d := range []events.Date{"2026-02-21", events.DateOf(time.Now().AddDate(0, 0, 2), time.UTC), "9999-12-31"} {
		looks = append(looks, store.Look{
			Seq: uint64(i + 1), EventID: string(d), Stored: time.Now().UTC(), Mode: events.DDrive, Outlet: "S1", ScanDate: d,
			Status: events.Failed, Cause: events.CauseStale, Conclusive: true, Evidence: events.EvidenceFull,
		})
	}
	looks[0].Status, looks[0].Cause = events.Successful, events.CauseOK
	if err := st.Apply(t.Context(), store.Batch{New: store.Checkpoint{Stream: "s", Seq: 3}, Looks: looks}); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	newExporter(log, st, capacity.NewMeter(log, nil, time.Now), time.UTC, slog.New(slog.DiscardHandler)).
		ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	for _, line := range []string{
		`outletbackup_outlets{mode="d_drive",outcome="successful"} 1`, `outletbackup_outlets{mode="d_drive",outcome="failed"} 0`,
		`outletbackup_latest_scan_date_timestamp_seconds{mode="d_drive"} 1.771632e+09`,
	} {
		if text := w.Body.String(); !strings.Contains(text, line+"\n") {
			t.Errorf("%s is not in\n%s", line, text)
		}
	}
}

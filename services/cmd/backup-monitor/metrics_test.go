package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/capacity"
	"backupmonitor/services/internal/natstest"
	"backupmonitor/services/internal/store"
	"backupmonitor/services/internal/store/sqlite"
)

// TestMetricsOfWhatConcernsMany: offline probers, paused accounts and what the
// audit trail cannot read are counted, without a name.
func TestMetricsOfWhatConcernsMany(t *testing.T) {
	t.Parallel()
	log := natstest.Start(t).Log
	st, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "monitor.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := st.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	h := newExporter(log, st, capacity.NewMeter(log, nil, time.Now), slog.New(slog.DiscardHandler))
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

package projector

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
	"backupmonitor/services/internal/verdict"
)

func start() time.Time { return time.Date(2025, 3, 1, 4, 0, 0, 250000000, time.UTC) }

// observed is a look that found a backup.
func observed(scan, outlet string, m events.Mode) events.BackupObserved {
	free, total := uint64(10), uint64(20)
	server := start().Add(-90 * time.Second)
	letter := map[events.Mode]string{events.DDrive: "D", events.IBStorage: "F"}[m]
	f := events.File{Name: "full.bak", Bytes: 2630667468, Modified: start().Add(-3 * time.Hour)}
	return events.BackupObserved{
		Outlet: outlet, Server: "192.0.2.1", Mode: m, ScanID: scan, ScanDate: "2025-03-01", RequestPosition: 1, Attempt: 1,
		StartedAt: start(), DurationMS: 1254, Today: true, ServerTime: &server, ClockSkewMS: -90000,
		Drives: []events.Drive{{Letter: "E", FreeBytes: new(uint64)}, {Letter: letter, FreeBytes: &free, TotalBytes: &total, Files: []events.File{f}}},
		Verdict: events.Verdict{
			Status: events.Successful, Cause: events.CauseOK, Conclusive: true, Evidence: events.EvidenceFull, DriveLetter: letter, File: &f,
		},
	}
}

func record(t *testing.T, seq uint64, p events.Payload) events.Record {
	t.Helper()
	m, err := events.Encode("/backup-monitor/test", start(), p)
	if err != nil {
		t.Fatal(err)
	}
	return events.Record{Seq: seq, Stored: start().Add(time.Second), Subject: m.Subject, Header: m.Header, Data: m.Data}
}

func TestProjectLook(t *testing.T) {
	t.Parallel()
	for _, m := range events.Modes() {
		got := Project(record(t, 7, observed("scan-1", " Out 1 ", m)))
		want := store.Look{
			EventID: events.LookID("scan-1", "Out 1", m), Seq: 7, Stored: start().Add(time.Second), Mode: m, Outlet: "Out 1",
			ScanDate: "2025-03-01", Status: events.Successful, Cause: events.CauseOK, Conclusive: true, Evidence: events.EvidenceFull,
			LastBackupTaken: new(start().Add(-3 * time.Hour)), BackupFile: "full.bak", BackupFileSize: "2.45 GB", Duration: "1.25 s",
			Server: "192.0.2.1", SizeBytes: new(int64(2630667468)), ObservedAt: new(start()), DurationMS: 1254,
			ClockSkewMS: new(-90000.0), FreeBytes: new(int64(10)), TotalBytes: new(int64(20)), ScanID: "scan-1",
		}
		if m == events.IBStorage {
			want.DriveLetter = "F"
		}
		same(t, got, Projection{Look: &want})
	}
}

func TestProjectFailures(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		change func(*events.BackupObserved)
		check  func(l *store.Look) bool
	}{
		"nobody could look": {
			func(e *events.BackupObserved) {
				c := events.ProbeCommand{Outlet: e.Outlet, Server: e.Server, ScanID: e.ScanID, ScanDate: e.ScanDate, Deadline: start()}
				*e = verdict.Unseen(c, e.Mode, start(), time.UTC, verdict.Expired(c))
			},
			func(l *store.Look) bool {
				return strings.HasPrefix(l.ErrorDetails, "could not look: no prober got to it") && l.Evidence == events.EvidenceNone && !l.Conclusive &&
					l.ClockSkewMS == nil && l.LastBackupTaken == nil && l.SizeBytes == nil && l.FreeBytes == nil && l.BackupFileSize == ""
			},
		},
		"stale, with the file that explains it": {
			func(e *events.BackupObserved) {
				e.Verdict.Status, e.Verdict.Cause, e.Verdict.Detail = events.Failed, events.CauseStale, "30 h old"
			},
			func(l *store.Look) bool {
				return l.ErrorDetails == "30 h old" && l.BackupFile == "full.bak" && l.LastBackupTaken.Equal(start().Add(-3*time.Hour))
			},
		},
		"only a file after the limit: its raw time": {
			func(e *events.BackupObserved) {
				e.Verdict.Status, e.Verdict.Cause, e.Verdict.Detail = events.Failed, events.CauseNoBackup, "full.bak is later"
				e.Verdict.File.Modified = start().AddDate(1, 0, 0)
			},
			func(l *store.Look) bool { return l.LastBackupTaken.Equal(start().AddDate(1, 0, 0)) },
		},
		"a time that no DATETIME holds": {
			func(e *events.BackupObserved) { e.Verdict.File.Modified = time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC) },
			func(l *store.Look) bool { return l.LastBackupTaken == nil && l.BackupFile == "full.bak" },
		},
		"more bytes than an integer holds": {
			func(e *events.BackupObserved) { e.Drives[1].FreeBytes = new(^uint64(0)) },
			func(l *store.Look) bool { return *l.FreeBytes == 1<<63-1 },
		},
		"no drive decided": {
			func(e *events.BackupObserved) { e.Verdict.DriveLetter = "" },
			func(l *store.Look) bool { return l.FreeBytes == nil && l.DriveLetter == "" },
		},
		"the only drive": {
			func(e *events.BackupObserved) { e.Verdict.DriveLetter, e.Drives = "", e.Drives[1:] },
			func(l *store.Look) bool { return *l.FreeBytes == 10 },
		},
		"the evidence is the event's, whatever its cause": {
			func(e *events.BackupObserved) { e.Verdict.Evidence = events.EvidenceBackNone },
			func(l *store.Look) bool { return l.Evidence == events.EvidenceBackNone && l.Conclusive },
		},
	} {
		e := observed("scan-1", "OUT001", events.IBStorage)
		x.change(&e)
		if p := Project(record(t, 1, e)); p.Look == nil || !x.check(p.Look) {
			t.Errorf("%s: %s", name, text(p))
		}
	}
}

func TestProjectHistoryAndOutlet(t *testing.T) {
	t.Parallel()
	taken := start().Add(-time.Hour)
	got := Project(record(t, 9, events.HistoryImported{
		Outlet: "OUT001", Mode: events.IBStorage, ScanDate: "2025-02-01", Status: "Error", LastBackupTaken: &taken,
		BackupFile: "N/A", BackupFileSize: "n/a", Duration: "2.00 s", ErrorDetails: "timed out", DriveLetter: "E",
	}))
	same(t, got, Projection{Look: &store.Look{
		EventID: "history:ib_storage:OUT001:2025-02-01", Seq: 9, Stored: start().Add(time.Second), Mode: events.IBStorage,
		Outlet: "OUT001", ScanDate: "2025-02-01", Status: events.Failed, Evidence: events.EvidenceImported, LastBackupTaken: &taken,
		Duration: "2.00 s", ErrorDetails: "timed out", DriveLetter: "E",
	}})
	good := Project(record(t, 9, events.HistoryImported{Outlet: "OUT001", Mode: events.DDrive, ScanDate: "2025-02-01", Status: "successful"}))
	if good.Look.Status != events.Successful || !good.Look.Conclusive {
		t.Errorf("a good day became %s", text(good))
	}
	got = Project(record(t, 10, events.OutletChanged{
		Code: " Out1 ", Address: "192.0.2.1:1445", Name: "North", Group: "G", Active: true, PausedUntil: &taken,
		MaxAgeSeconds: new(int64(60)), Source: events.SourceFile,
	}))
	same(t, got, Projection{Outlet: &store.Outlet{
		Code: "Out1", Address: "192.0.2.1:1445", Name: "North", Group: "G", Active: true, PausedUntil: &taken,
		MaxAgeSeconds: new(int64(60)), Source: events.SourceFile, Seq: 10,
	}})
}

// TestProjectTimesOutOfRange: the log may hold times that no column can, and
// they keep nothing from being projected. A pause without end stays one.
func TestProjectTimesOutOfRange(t *testing.T) {
	t.Parallel()
	late := time.Date(9999, 12, 31, 23, 59, 59, 0, time.FixedZone("", -5*60*60))
	early := time.Date(1, 1, 1, 0, 0, 0, 0, time.FixedZone("", 60*60))
	for given, want := range map[*time.Time]*time.Time{
		&late: new(time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC)), &early: nil, new(start()): new(start()), nil: nil,
	} {
		got := Project(record(t, 10, events.OutletChanged{Code: "Out1", Address: "192.0.2.1", Active: true, PausedUntil: given}))
		same(t, got, Projection{Outlet: &store.Outlet{Code: "Out1", Address: "192.0.2.1", Active: true, PausedUntil: want, Seq: 10}})
	}
	for _, at := range []time.Time{late, early} {
		e := observed("scan-1", "OUT001", events.DDrive)
		e.StartedAt = at
		if got := Project(record(t, 11, e)); got.Look == nil || got.Look.ObservedAt != nil {
			t.Errorf("a look of %s became %s", at, text(got))
		}
	}
}

func TestProjectOthers(t *testing.T) {
	t.Parallel()
	for _, p := range []events.Payload{
		events.ScanRequested{ScanID: "s"}, events.ScanStarted{ScanID: "s"}, events.ScanCompleted{ScanID: "s"},
		events.SettingsChanged{}, events.Audited{ID: "1", Kind: events.SignedIn},
	} {
		same(t, Project(record(t, 1, p)), Projection{})
	}
}

func TestProjectQuarantine(t *testing.T) {
	t.Parallel()
	bad := func(change func(*events.BackupObserved)) events.Record {
		e := observed("scan-1", "OUT001", events.DDrive)
		change(&e)
		return record(t, 3, e)
	}
	broken := record(t, 3, observed("scan-1", "OUT001", events.DDrive))
	broken.Data = []byte(`{"outlet":`)
	unknown := record(t, 3, observed("scan-1", "OUT001", events.DDrive))
	unknown.Header["ce-type"] = []string{"backup.observed.v99"}
	foreign := record(t, 3, events.OutletChanged{Code: "B1"})
	foreign.Subject = events.ProberSubject("p") // who may write there may retire no outlet
	for name, x := range map[string]struct {
		r      events.Record
		reason string
	}{
		"not JSON":        {broken, "malformed event"},
		"unknown type":    {unknown, "unknown event type"},
		"not an event":    {events.Record{Seq: 3, Subject: "ev.x", Header: nats.Header{"a": {"b"}}, Data: []byte("x")}, "malformed event"},
		"no header":       {events.Record{Seq: 3, Subject: "ev.x"}, "malformed event"},
		"a prober's":      {foreign, "malformed event"},
		"no outlet":       {bad(func(e *events.BackupObserved) { e.Outlet = " " }), "bad outlet code"},
		"long code":       {bad(func(e *events.BackupObserved) { e.Outlet = strings.Repeat("x", 51) }), "bad outlet code"},
		"no mode":         {bad(func(e *events.BackupObserved) { e.Mode = "floppy" }), "not a mode"},
		"no date":         {bad(func(e *events.BackupObserved) { e.ScanDate = "2025-02-30" }), "not a date"},
		"no status":       {bad(func(e *events.BackupObserved) { e.Verdict.Status = "Maybe" }), "not a status"},
		"no evidence":     {bad(func(e *events.BackupObserved) { e.Verdict.Evidence = 4 }), "evidence 4"},
		"oversized":       {bad(func(e *events.BackupObserved) { e.Verdict.Detail = strings.Repeat("x", maxRowBytes) }), "oversized"},
		"nameless outlet": {record(t, 3, events.OutletChanged{Source: events.SourceUser}), "bad outlet code"},
	} {
		p := Project(x.r)
		q := p.Quarantined
		if q == nil || p.Look != nil || p.Outlet != nil {
			t.Errorf("%s: %s", name, text(p))
			continue
		}
		if q.Seq != 3 || q.Subject != x.r.Subject || string(q.Data) != string(x.r.Data) || !strings.Contains(q.Reason, x.reason) {
			t.Errorf("%s: %s, want reason %q", name, text(q), x.reason)
		}
		var h nats.Header
		if err := json.Unmarshal(q.Header, &h); err != nil || len(h) != len(x.r.Header) {
			t.Errorf("%s: header %s, %v", name, q.Header, err)
		}
	}
}

func TestDurationText(t *testing.T) {
	t.Parallel()
	for ms, want := range map[float64]string{0: "0.00 s", 1254: "1.25 s", 65432.1: "65.43 s"} {
		if got := DurationText(ms); got != want {
			t.Errorf("%v ms are %q, want %q", ms, got, want)
		}
	}
}

func text(v any) string {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func same(t *testing.T, got, want any) {
	t.Helper()
	if g, w := text(got), text(want); g != w {
		t.Fatalf("got %s\nwant %s", g, w)
	}
}

// TestSetAsideIsShort: whatever type and reason somebody made up, what lists show of
// them is short, and text; the whole is in the header.
func TestSetAsideIsShort(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ü", 40_000)
	q := SetAside(events.Record{Seq: 1, Header: nats.Header{"ce-type": {long}}}, long)
	for _, text := range []string{q.Type, q.Reason} {
		if len(text) > mostText+len("…") || !utf8.ValidString(text) || !strings.HasPrefix(text, "üü") {
			t.Errorf("%d bytes: %.40q", len(text), text)
		}
	}
	if len(q.Header) < len(long) {
		t.Errorf("the header has %d bytes", len(q.Header))
	}
}

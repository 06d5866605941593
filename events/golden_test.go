package events

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// goldenMessage is how a message is kept in testdata.
type goldenMessage struct {
	Subject string            `json:"subject"`
	Header  map[string]string `json:"header"`
	Data    json.RawMessage   `json:"data"`
}

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t
}

// samples has one event of each type, by its name, and beside it those with the
// fields that came later, since no golden file is ever rewritten: between them every
// field is set.
func samples() map[string]Payload {
	free, total, age := uint64(120<<30), uint64(500<<30), int64(172800)
	clock, until := at("2026-03-14T02:00:04Z"), at("2026-03-20T00:00:00Z")
	file := File{Name: "DB_B0001_20260313.bak", Bytes: 2631231488, Modified: at("2026-03-13T21:14:09Z"), Created: at("2026-03-13T21:02:55Z")}
	policy := Policy{MaxAgeSeconds: 93600, MinSizeBytes: 1024, Patterns: []string{"*.bak"}}
	both := []Mode{DDrive, IBStorage}
	return map[string]Payload{
		"scan.requested.v1": ScanRequested{
			ScanID: "20260314T020000Z-abc234", ScanDate: "2026-03-14", Modes: both, Outlets: []string{"B0001", "Köln 2"},
			Trigger: TriggerSync, RequestedBy: "32787", RequestedAt: at("2026-03-14T02:00:00Z"), Deadline: at("2026-03-14T04:00:00Z"),
		},
		"scan.started.v1": ScanStarted{
			ScanID: "20260314T020000Z-abc234", ScanDate: "2026-03-14", Modes: both, RequestPosition: 17, Outlets: []string{"B0001", "Köln 2"},
			AttachedTo: "cron-20260314T0130Z", HostPosition: 12, Policy: policy,
			StartedAt: at("2026-03-14T02:00:01Z"), Deadline: at("2026-03-14T04:00:00Z"),
		},
		"scan.completed.v1": ScanCompleted{
			ScanID: "20260314T020000Z-abc234", ScanDate: "2026-03-14", Modes: both,
			Counts: map[Mode]ModeCount{
				DDrive:    {Total: 2, Successful: 1, Failed: 1, NotObserved: 1},
				IBStorage: {Total: 2, Successful: 2},
			},
			Unobserved: 1, Cancelled: true, CancelledBy: "32787", CompletedAt: at("2026-03-14T02:01:40Z"),
		},
		"probe.command.v1": ProbeCommand{
			ScanID: "20260314T020000Z-abc234", ScanDate: "2026-03-14", Outlet: "Köln 2", Server: "10.20.30.40:4450", Modes: both,
			RequestPosition: 17, Policy: policy, Deadline: at("2026-03-14T04:00:00Z"),
		},
		"backup.observed.v1": BackupObserved{
			Outlet: "Köln 2", Server: "10.20.30.40", Mode: IBStorage, ScanID: "20260314T020000Z-abc234", ScanDate: "2026-03-14",
			RequestPosition: 17, Attempt: 1, StartedAt: at("2026-03-14T02:00:02Z"), DurationMS: 184.5, Today: true,
			ServerTime: &clock, ClockSkewMS: 1875, Cutoff: clock,
			Drives: []Drive{
				{Letter: "E", Share: "e$", Folder: "BackupFull", Error: &LookError{
					Code: CauseShareMissing, Step: "share", NTStatus: "0xC00000CC", Detail: "signed in, but there is no share e$",
				}},
				{
					Letter: "F", Share: "f$", Folder: "BackupFull", FreeBytes: &free, TotalBytes: &total, FileCount: 2, Files: []File{file},
					FilesAfter: []File{{Name: "odd.bak", Bytes: 2048, Modified: at("2027-03-13T21:14:09Z")}},
				},
			},
			Error: &LookError{Code: CauseTimeout, Step: "sign_in", Detail: "kept here to have every field"},
			Steps: []Step{{Name: "connect", DurationMS: 12.5}},
			Verdict: Verdict{
				Status: Successful, Cause: CauseOK, Conclusive: true, Evidence: EvidenceFull, DriveLetter: "F", File: &file,
				Detail: "kept here to have every field", Policy: policy,
			},
			Warnings: []string{"the server's clock is 2 s ahead"},
		},
		"backup.observed.v1.refused": BackupObserved{
			Outlet: "Köln 3", Server: "10.20.30.40", Mode: IBStorage, ScanID: "20260314T020000Z-abc234", ScanDate: "2026-03-14",
			RequestPosition: 17, Attempt: 1, StartedAt: at("2026-03-14T02:00:02Z"), DurationMS: 184.5, Today: true, Cutoff: clock,
			Drives: []Drive{{Letter: "F", Share: "f$", Folder: "BackupFull", FilesAfter: []File{file}}},
			Error:  &LookError{Code: CauseAuthFailed, Step: "sign_in", NTStatus: "0xC000006D", Detail: "wrong user name or password"},
			Verdict: Verdict{
				Status: Failed, Cause: CauseAuthFailed, Detail: "wrong user name or password", Policy: policy,
			},
		},
		"outlet.changed.v1": OutletChanged{
			Code: "Köln 2", Address: "10.20.30.40:4450", Name: "Köln Süd", Group: "West", Active: true, PausedUntil: &until, MaxAgeSeconds: &age,
			Source: SourceFile, Previous: 9, ChangedBy: "32787", ChangedAt: at("2026-03-14T01:00:00Z"),
		},
		"settings.changed.v1": SettingsChanged{
			Schedule: Schedule{IntervalSeconds: 3600, From: "06:00", To: "23:00", Days: []int{1, 2, 3, 4, 5, 6}},
			Policy:   policy, Previous: 3, ChangedBy: "32787", ChangedAt: at("2026-03-14T01:00:00Z"),
		},
		"history.imported.v1": HistoryImported{
			Outlet: "Köln 2", Mode: IBStorage, ScanDate: "2025-11-30", Status: Successful, LastBackupTaken: &file.Modified,
			BackupFile: file.Name, BackupFileSize: "2.45 GB", Duration: "1.25 s", ErrorDetails: "N/A", DriveLetter: "F",
			ImportedAt: at("2026-03-14T01:00:00Z"),
		},
		"credential.changed.v1": CredentialChanged{
			Account: `SHOPS\svc-backup`, State: CredentialTripped, Server: "10.20.30.40", Failures: 2, RefusedBy: "10.20.30.40",
			NTStatus: "0xC000006D", Detail: "wrong user name or password", FailingSince: &clock, AcceptedBy: []string{"10.20.30.7"}, RetryAt: &until, RestartTries: 1, Prober: "monitor-1", Previous: 21,
			ChangedBy: "32787", ChangedAt: at("2026-03-14T01:00:00Z"),
		},
		"credential.changed.v1.contradicted": CredentialChanged{
			Account: `SHOPS\svc-backup`, State: CredentialTripped, Server: "10.20.30.40", Failures: 2, RefusedBy: "10.20.30.40",
			Refusers: []string{"10.20.30.40", "10.20.30.41"}, FailingSince: &clock, AcceptedBy: []string{"10.20.30.7"},
			Contradicted: []string{"10.20.30.42"}, ContradictedUntil: &until, Previous: 21, ChangedAt: at("2026-03-14T01:00:00Z"),
		},
		"prober.changed.v1": ProberChanged{
			Prober: "monitor-1", Online: false, Since: at("2026-03-14T00:58:00Z"), ValidUntil: &until, Tried: 42,
			Detail: "none of 42 outlets could be reached", ChangedAt: at("2026-03-14T01:00:00Z"),
		},
		"prober.changed.v1.online": ProberChanged{
			Prober: "monitor-1", Online: true, Since: at("2026-03-14T01:10:00Z"), ChangedAt: at("2026-03-14T01:10:00Z"),
		},
		"log.archived.v1": LogArchived{
			Archives: []Archive{{
				Name: "archive-1-5000", Digest: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
				First: 1, Last: 5000, Records: 5000, Purged: 4800, Done: true, ArchivedAt: at("2026-03-14T01:00:00Z"),
			}},
			Previous: 21, ChangedBy: "command line", ChangedAt: at("2026-03-14T01:00:00Z"),
		},
		"log.dismissed.v1": LogDismissed{
			Events:   []Dismissed{{Seq: 17, Reason: "a test of the network", DismissedBy: "command line", DismissedAt: at("2026-03-14T01:00:00Z")}},
			Previous: 21, ChangedBy: "command line", ChangedAt: at("2026-03-14T01:00:00Z"),
		},
		"log.dismissed.v1.runs": LogDismissed{
			Events: []Dismissed{{
				Seq: 17, Runs: Runs{{First: 17, Last: 40}, {First: 42, Last: 42}}, Reason: "a test of the network",
				DismissedBy: "command line", DismissedAt: at("2026-03-14T01:00:00Z"),
			}},
			Previous: 21, ChangedBy: "command line", ChangedAt: at("2026-03-14T01:00:00Z"),
		},
		"log.restored.v1": LogRestored{
			Incarnations: []Incarnation{{Log: "18a2b3c4d5e6f708", Last: 6000, RestoredAt: at("2026-03-14T01:00:00Z")}},
			Backup:       "backup-20260313T010000Z-6000", Digest: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
			ChangedBy: "command line", ChangedAt: at("2026-03-14T01:00:00Z"),
		},
		"audit.signed_in.v1": Audited{
			ID: "a1b2", Kind: SignedIn, Actor: "32787", Address: "10.1.1.9", Object: "session", Details: map[string]string{"via": "page"},
			At: at("2026-03-14T01:00:00Z"),
		},
	}
}

var update = flag.Bool("update", false, "write the golden files of types that have none yet, and the schemas")

// TestGolden: every version ever written decodes for ever, and what is written
// today is still the same. An existing golden file is never rewritten.
func TestGolden(t *testing.T) {
	t.Parallel()
	for name, p := range samples() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join("testdata", name+".json")
			m, err := Encode("/backup-monitor/test", at("2026-03-14T02:00:05Z"), p)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(path); *update && errors.Is(err, os.ErrNotExist) {
				writeGolden(t, path, m)
			}
			g := readGolden(t, path)
			if got := toGolden(m); got.Subject != g.Subject || !reflect.DeepEqual(got.Header, g.Header) || !sameJSON(t, got.Data, g.Data) {
				t.Errorf("written today:\n%+v\ngolden:\n%+v", got, g)
			}
			e, err := decodeGolden(g)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(e.Data, p) {
				t.Errorf("decoded %+v, want %+v", e.Data, p)
			}
			if e.ID != ID(m.Header) || !e.Time.Equal(at("2026-03-14T02:00:05Z")) || e.Source != "/backup-monitor/test" {
				t.Errorf("envelope: %+v", e)
			}
		})
	}
}

// TestGoldenFilesAllKnown: a golden file of a type that is no longer written
// still decodes.
func TestGoldenFilesAllKnown(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) < len(samples()) {
		t.Fatalf("%d golden files, %v", len(files), err)
	}
	for _, f := range files {
		if _, err := decodeGolden(readGolden(t, f)); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
}

// TestSamplesSetEveryField: a field that no sample sets is one whose loss no test
// would see.
func TestSamplesSetEveryField(t *testing.T) {
	t.Parallel()
	set, all := map[string]bool{}, map[string]bool{}
	for _, p := range samples() {
		v := reflect.ValueOf(p)
		fieldsOf(v.Type(), p.Type(), all)
		setIn(v, p.Type(), set)
	}
	for f := range all {
		if !set[f] {
			t.Errorf("no sample sets %s", f)
		}
	}
}

// fieldsOf notes the paths of all fields of a type that are not structs of ours.
func fieldsOf(t reflect.Type, path string, all map[string]bool) {
	switch {
	case t.Kind() == reflect.Pointer, t.Kind() == reflect.Slice, t.Kind() == reflect.Map:
		fieldsOf(t.Elem(), path, all)
	case t.Kind() == reflect.Struct && t != reflect.TypeFor[time.Time]():
		for f := range t.Fields() {
			fieldsOf(f.Type, path+"."+f.Name, all)
		}
	default:
		all[path] = true
	}
}

// setIn notes those of them that are not zero somewhere in a value.
func setIn(v reflect.Value, path string, set map[string]bool) {
	switch {
	case v.IsZero():
	case v.Kind() == reflect.Pointer:
		setIn(v.Elem(), path, set)
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			setIn(v.Index(i), path, set)
		}
	case v.Kind() == reflect.Map:
		for _, k := range v.MapKeys() {
			setIn(v.MapIndex(k), path, set)
		}
	case v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[time.Time]():
		for f, inner := range v.Fields() {
			setIn(inner, path+"."+f.Name, set)
		}
	default:
		set[path] = true
	}
}

// TestUnknownFieldsAndMissingOnes: events may be added to.
func TestUnknownFieldsAndMissingOnes(t *testing.T) {
	t.Parallel()
	for name := range samples() {
		g := readGolden(t, filepath.Join("testdata", name+".json"))
		g.Data = json.RawMessage(`{"somethingNew":{"a":1}}`)
		if _, err := decodeGolden(g); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	good := func() nats.Header {
		m, err := Encode("/backup-monitor/test", at("2026-03-14T02:00:05Z"), SettingsChanged{})
		if err != nil {
			t.Fatal(err)
		}
		return m.Header
	}
	for name, c := range map[string]struct {
		change func(nats.Header)
		data   string
		want   error
	}{
		"no header":       {func(h nats.Header) { clear(h) }, "{}", ErrMalformed},
		"other version":   {func(h nats.Header) { h["ce-specversion"] = []string{"2.0"} }, "{}", ErrMalformed},
		"no id":           {func(h nats.Header) { delete(h, "ce-id") }, "{}", ErrMalformed},
		"bad time":        {func(h nats.Header) { h["ce-time"] = []string{"yesterday"} }, "{}", ErrMalformed},
		"unknown type":    {func(h nats.Header) { h["ce-type"] = []string{"settings.changed.v2"} }, "{}", ErrUnknownType},
		"no JSON":         {func(nats.Header) {}, "{", ErrMalformed},
		"wrong JSON type": {func(nats.Header) {}, `{"previous":"x"}`, ErrMalformed},
	} {
		h := good()
		c.change(h)
		if _, err := Decode(h, []byte(c.data)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// TestIDs: what must be the same at every repetition is the same, and what
// must differ differs.
func TestIDs(t *testing.T) {
	t.Parallel()
	idOf := func(p Payload) string {
		m, err := Encode("s", at("2026-03-14T02:00:05Z"), p)
		if err != nil {
			t.Fatal(err)
		}
		return ID(m.Header)
	}
	first := BackupObserved{ScanID: "s1", Outlet: "b 1", Mode: DDrive, Attempt: 1}
	again := BackupObserved{ScanID: "s1", Outlet: "B 1 ", Mode: DDrive, Attempt: 2, DurationMS: 5}
	if a, b := idOf(first), idOf(again); a != b || a != "s1:B~201:d_drive" {
		t.Errorf("ids of one look: %q, %q", a, b)
	}
	mine, theirs := OutletChanged{Code: "b1", Previous: 4, Name: "x"}, OutletChanged{Code: "b1", Previous: 4, Name: "y"}
	if idOf(mine) == idOf(theirs) {
		t.Error("two changes of one outlet at once have the same id: the second would pass as a repetition of the first")
	}
	if h := mustEncode(t, ProbeCommand{ScanID: "s1", Outlet: "b1"}).Header; h[nats.MsgIdHdr] != nil {
		t.Error("a command carries a Nats-Msg-Id")
	}
}

func mustEncode(t *testing.T, p Payload) *nats.Msg {
	t.Helper()
	m, err := Encode("s", at("2026-03-14T02:00:05Z"), p)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func toGolden(m *nats.Msg) goldenMessage {
	g := goldenMessage{Subject: m.Subject, Header: map[string]string{}, Data: m.Data}
	for k, v := range m.Header {
		g.Header[k] = strings.Join(v, ",")
	}
	return g
}

func decodeGolden(g goldenMessage) (Event, error) {
	h := nats.Header{}
	for k, v := range g.Header {
		h[k] = []string{v}
	}
	return Decode(h, g.Data)
}

func readGolden(t *testing.T, path string) goldenMessage {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var g goldenMessage
	if err := json.Unmarshal(b, &g); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return g
}

func writeGolden(t *testing.T, path string, m *nats.Msg) {
	t.Helper()
	b, err := json.MarshalIndent(toGolden(m), "", "  ")
	if err == nil {
		err = os.WriteFile(path, append(b, '\n'), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if err := errors.Join(json.Unmarshal(a, &x), json.Unmarshal(b, &y)); err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(x, y)
}

package gateway_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"backupmonitor/events"
	"backupmonitor/services/gateway"
	"backupmonitor/services/gateway/auth"
)

// told says, for each field of an event that a screen on a wall gets, which field
// of the lists it may read tells the same.
func told() map[string]map[string]string {
	scan := map[string]string{"scanId": "scanId", "scanDate": "scanDate", "modes": "modes"}
	with := func(more map[string]string) map[string]string {
		all := maps.Clone(scan)
		maps.Copy(all, more)
		return all
	}
	same := func(names ...string) map[string]string {
		all := map[string]string{}
		for _, n := range names {
			all[n] = "credentials" // the list gives the events' data
		}
		return all
	}
	return map[string]map[string]string{
		events.TypeScanRequested: with(map[string]string{"trigger": "trigger", "requestedBy": "requestedBy", "requestedAt": "requestedAt", "deadline": "deadline"}),
		events.TypeScanStarted:   with(map[string]string{"attachedTo": "attachedTo", "startedAt": "startedAt", "deadline": "deadline"}),
		events.TypeScanCompleted: with(map[string]string{
			"counts.d_drive.total": "counts", "counts.d_drive.successful": "counts", "counts.d_drive.failed": "counts", "counts.d_drive.notObserved": "counts",
			"counts.ib_storage.total": "counts", "counts.ib_storage.successful": "counts", "counts.ib_storage.failed": "counts",
			"counts.ib_storage.notObserved": "counts", "unobserved": "unobserved", "cancelled": "state", "cancelledBy": "cancelledBy", "completedAt": "completedAt",
		}),
		events.TypeBackupObserved: {
			"outlet": "outletCode", "server": "server", "mode": "modes", "scanId": "scanId", "scanDate": "scanDate", "startedAt": "observedAt",
			"durationMs": "durationMs", "clockSkewMs": "clockSkewSeconds", "verdict.status": "status", "verdict.cause": "cause",
			"verdict.conclusive": "conclusive", "verdict.evidence": "evidence", "verdict.driveLetter": "driveLetter", "verdict.detail": "errorDetails",
			"verdict.file.name": "file", "verdict.file.bytes": "sizeBytes", "verdict.file.modified": "lastModified",
		},
		events.TypeHistoryImported: {
			"outlet": "outletCode", "mode": "modes", "scanDate": "scanDate", "status": "status", "lastBackupTaken": "lastModified", "backupFile": "file",
			"backupFileSize": "backupsize", "duration": "duration", "errorDetails": "errorDetails", "driveLetter": "driveLetter",
		},
		events.TypeCredentialChanged: same("account", "state", "server", "failures", "refusedBy", "ntStatus", "detail", "failingSince", "acceptedBy",
			"refusers", "contradicted", "contradictedUntil",
			"retryAt", "restartTries", "prober", "previous", "changedBy", "changedAt"),
		events.TypeProberChanged: same("prober", "online", "since", "validUntil", "tried", "detail", "changedAt"),
	}
}

// The live feed gives a screen on a wall no field that its lists do not give, of
// whatever event there is.
func TestADisplaysFeedTellsWhatItsListsTell(t *testing.T) {
	t.Parallel()
	e := start(t)
	lists := e.fieldsOfDisplays(t)
	s := e.listen(t, call{path: "/events", token: e.apiToken(t, auth.ScopeDisplay)})
	defer s.close()
	s.next() // ready
	files, err := filepath.Glob("../../events/testdata/*.json")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	given := map[string][]string{} // fields, by type
	for _, file := range files {
		var golden struct {
			Subject string
			Header  map[string]string
			Data    json.RawMessage
		}
		b, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(b, &golden)
		}
		if err != nil {
			t.Fatal(err)
		}
		ceType := golden.Header["ce-type"]
		if ceType == events.TypeProbeCommand || strings.HasPrefix(ceType, "audit.") {
			continue // not in the log; for Admins
		}
		e.publish(t, golden.Subject, golden.Header, golden.Data)
		m := s.next()
		var got struct{ Data any }
		if err := json.Unmarshal([]byte(m.data), &got); err != nil || m.event != ceType {
			t.Fatalf("instead of %s came %+v, %v", ceType, m, err)
		}
		fields := leaves("", got.Data)
		for _, f := range fields {
			list, ok := told()[ceType][f]
			if !ok || !lists[list] {
				t.Errorf("%s tells of %s, and no list of a display does (%q)", ceType, f, list)
			}
		}
		given[ceType] = append(given[ceType], fields...)
	}
	for ceType, fields := range told() {
		for f := range fields {
			if !slices.Contains(given[ceType], f) {
				t.Errorf("%s does not tell of %s", ceType, f)
			}
		}
	}
}

// fieldsOfDisplays are all fields that the description names in what a display may
// read.
func (e *env) fieldsOfDisplays(t *testing.T) map[string]bool {
	t.Helper()
	fields := map[string]bool{}
	var walk func(*openapi3.SchemaRef)
	walk = func(s *openapi3.SchemaRef) {
		if s == nil || s.Value == nil {
			return
		}
		for name, p := range s.Value.Properties {
			fields[name] = true
			walk(p)
		}
		walk(s.Value.Items)
	}
	for _, rt := range gateway.Routes(e.gateway) {
		if rt.Method != http.MethodGet || rt.Scope != string(auth.ScopeDisplay) || rt.Path == "/events" {
			continue
		}
		op := e.doc.Paths.Find(rt.Path).Get
		for _, res := range op.Responses.Map() {
			if c := res.Value.Content.Get("application/json"); c != nil {
				walk(c.Schema)
			}
		}
	}
	return fields
}

// leaves are the paths of a value that is no object.
func leaves(path string, v any) (all []string) {
	object, ok := v.(map[string]any)
	if !ok {
		return []string{path}
	}
	for name, inner := range object {
		all = append(all, leaves(strings.TrimPrefix(path+"."+name, "."), inner)...)
	}
	return all
}

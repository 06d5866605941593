package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/natstest"
	"backupmonitor/services/internal/store"
	"backupmonitor/services/internal/store/sqlite"
)

// quarantinedSeqs are what `quarantine list` names, newest first.
func quarantinedSeqs(t *testing.T, s settings) (seqs []string) {
	t.Helper()
	for line := range strings.Lines(says(t, s, 0, "quarantine list", "EVENT", "DISMISSED")) {
		if seq, _, _ := strings.Cut(line, " "); seq != "EVENT" {
			seqs = append(seqs, seq)
		}
	}
	return seqs
}

// TestDismiss: readiness is red only for what nobody has dismissed, also after a
// restart and a rebuild; who dismissed what and why is told wherever it is listed.
func TestDismiss(t *testing.T) {
	t.Parallel()
	const green, red = `{"name":"quarantine","ok":true,"detail":"`, `"name":"quarantine","ok":false,"detail":"events of the log could not be read`
	s := newSettings(t, nil)
	in, stop := startUp(t, s)
	poison(t, s, "prober.changed.v1", "{")
	in.awaitReadiness(http.StatusServiceUnavailable, red)
	seq := quarantinedSeqs(t, s)[0]
	says(t, s, 1, "quarantine dismiss "+seq, "--reason")
	says(t, s, 1, "quarantine dismiss --reason= "+seq, "--reason")
	says(t, s, 1, "quarantine dismiss --reason=x", "at least 1 arg")
	says(t, s, 1, "quarantine dismiss --reason=x 99999 "+seq, "event 99999 is not in quarantine")
	says(t, s, 1, "quarantine dismiss --reason="+strings.Repeat("ü", events.LongestReason+1)+" "+seq, "at most 140")
	says(t, s, 1, "quarantine dismiss --reason=a\u202eb "+seq, "one line")
	says(t, s, 1, "quarantine dismiss --undo --reason=x "+seq, "reason undo")
	in.awaitReadiness(http.StatusServiceUnavailable, red)
	says(t, s, 0, "quarantine dismiss --reason=nothing "+seq+" "+seq, "Event "+seq+" is dismissed.\n")
	says(t, s, 0, "quarantine dismiss --reason=nothing "+seq, "Event "+seq+" was dismissed before")
	in.awaitReadiness(http.StatusOK, green+"1 event of the log that cannot be read or stored is dismissed")
	in.told("dismissed nothing " + seq)
	if code := stop(); code != 0 {
		t.Fatal(code)
	}
	in, stop = startUp(t, s)
	says(t, s, 0, "rebuild", "Nothing is missing or different.\n1 event that cannot be read or stored is dismissed")
	says(t, s, 0, "fsck", "1 event that cannot be read or stored is dismissed", "Everything is as it must be.")
	in.awaitReadiness(http.StatusOK, green)
	says(t, s, 0, "quarantine list", ", by command line: nothing")
	says(t, s, 0, "quarantine show "+seq, "Dismissed  ", ", by command line: nothing")

	poison(t, s, "prober.changed.v1", "[")
	in.awaitReadiness(http.StatusServiceUnavailable, red)
	newer := quarantinedSeqs(t, s)[0]
	says(t, s, 0, "quarantine dismiss --reason=too "+newer)
	in.awaitReadiness(http.StatusOK, green+"2 events of the log that cannot be read or stored are dismissed")
	if code := stop(); code != 0 {
		t.Fatal(code)
	}
	// Without a running instance, the command does it by itself.
	says(t, s, 0, "quarantine dismiss --undo "+seq, "Event "+seq+" is no longer dismissed.")
	says(t, s, 0, "quarantine dismiss --undo "+seq, "Event "+seq+" was not dismissed.")
	says(t, s, 1, "fsck", "1 events in the log cannot be read by this version", "1 event that cannot be read or stored is dismissed")
	in, _ = startUp(t, s)
	in.awaitReadiness(http.StatusServiceUnavailable, red)
	in.told("dismissal taken back  "+seq, "dismissed too "+newer, "dismissed nothing "+seq)
}

// told compares what the audit trail tells of dismissals, newest first.
func (in *instanceUnderTest) told(want ...string) {
	in.t.Helper()
	var trail struct {
		Data []struct {
			Actor, Object string
			Details       map[string]string
		}
	}
	in.call(http.MethodGet, "/api/v1/audit?kind=event_dismissed", nil, http.StatusOK, &trail)
	var got []string
	for _, e := range trail.Data {
		got = append(got, e.Details["change"]+" "+e.Details["reason"]+" "+e.Object)
		if e.Actor != events.ActorCommandLine {
			in.t.Errorf("%+v", e)
		}
	}
	if !slices.Equal(got, want) {
		in.t.Errorf("the audit trail tells %q, want %q", got, want)
	}
}

// dismissing is a log, and tables with n events in quarantine, without services.
func dismissing(t *testing.T, n int) (*mending, *natstest.Server) {
	t.Helper()
	server := natstest.Start(t)
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	b := store.Batch{New: store.Checkpoint{Stream: "x", Seq: uint64(n)}}
	for seq := range uint64(n) {
		b.Quarantined = append(b.Quarantined, store.Quarantined{Seq: seq + 1, Stored: time.Now(), Header: []byte("{}")})
	}
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.Apply(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	return &mending{app: &app{stdout: io.Discard, stderr: io.Discard}, store: db, log: server.Log}, server
}

// TestDismissAtOnce: of many who dismiss at once none is lost, and each is told of once.
func TestDismissAtOnce(t *testing.T) {
	t.Parallel()
	const n = 8
	m, server := dismissing(t, n)
	var wg sync.WaitGroup
	for seq := range uint64(n) {
		wg.Go(func() {
			if _, err := m.dismiss(t.Context(), dismissRequest{Seqs: []uint64{seq + 1}, Reason: fmt.Sprint(seq)}, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	state, _, err := m.log.Dismissed(t.Context())
	if err != nil || len(state.Events) != n || state.BySeq()[3].Reason != "2" {
		t.Errorf("%+v, %v", state, err)
	}
	if id, err := server.Log.Identity(t.Context()); err != nil || id.LastSeq != 2*n {
		t.Errorf("%+v, %v; want %d states and as many audit events", id, err, n)
	}
}

// TestDismissOverGarbage: garbage on the subject of the dismissals takes none away, and
// does not keep anybody from dismissing it.
func TestDismissOverGarbage(t *testing.T) {
	t.Parallel()
	m, server := dismissing(t, 4)
	dismiss := func(seq uint64) {
		t.Helper()
		if done, err := m.dismiss(t.Context(), dismissRequest{Seqs: []uint64{seq}, Reason: "x"}, nil); err != nil || !done[0].Changed {
			t.Fatalf("%+v, %v", done, err)
		}
	}
	dismiss(1)
	if _, err := server.JS.Publish(t.Context(), events.SubjectDismissed, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	dismiss(3)
	if state, _, err := m.log.Dismissed(t.Context()); err != nil || len(state.Events) != 2 {
		t.Errorf("%+v, %v", state, err)
	}
}

// TestMostDismissed: as many as can be dismissed fit into a message with the longest of
// reasons, one more is refused and changes nothing, and readiness looks at all of them.
func TestMostDismissed(t *testing.T) {
	t.Parallel()
	m, _ := dismissing(t, events.MostDismissed+1)
	var state events.LogDismissed
	for seq := range uint64(events.MostDismissed) {
		state.Events = append(state.Events, events.Dismissed{
			Seq: 1<<63 - seq, Reason: strings.Repeat("<", events.LongestReason), DismissedBy: events.ActorCommandLine,
			DismissedAt: time.Date(2026, 3, 14, 1, 0, 0, 123456789, time.UTC),
		})
	}
	if _, err := m.log.Write(t.Context(), state, 0); err != nil {
		t.Fatalf("the largest state: %v", err)
	}
	_, err := m.dismiss(t.Context(), dismissRequest{Seqs: []uint64{1}, Reason: "x"}, nil)
	if err == nil || !strings.Contains(err.Error(), "at most 1000") {
		t.Fatalf("one more: %v", err)
	}
	var all []uint64
	for seq := range uint64(events.MostDismissed) {
		all = append(all, seq+2)
	}
	state.Events = nil
	if _, err := m.log.Write(t.Context(), state, 1); err != nil {
		t.Fatal(err)
	}
	ready := func() error {
		t.Helper()
		detail, err := quarantineCheck(m.store, m.log).Run(t.Context())
		if err != nil && detail != undismissed {
			t.Errorf("%q, %v", detail, err)
		}
		return err
	}
	if _, err := m.noteDismissed(t.Context(), dismissRequest{Seqs: all, Reason: "x"}); err != nil {
		t.Fatal(err)
	}
	if err := ready(); err == nil || !strings.Contains(err.Error(), "event 1 ") {
		t.Errorf("%v; want that the oldest is not dismissed", err)
	}
	list, err := m.listQuarantine(t.Context(), struct{}{}, nil)
	if err != nil || len(list) != len(all)+1 || list[0].Dismissed == nil || list[len(all)].Seq != 1 || list[len(all)].Dismissed != nil {
		t.Errorf("a list of %d, %v; want also the oldest, which is not dismissed", len(list), err)
	}
}

// TestDismissedBeyondBounds: what more are dismissed than can be, by whomever, excuses
// none that readiness does not look at.
func TestDismissedBeyondBounds(t *testing.T) {
	t.Parallel()
	m, _ := dismissing(t, events.MostDismissed+2)
	var state events.LogDismissed
	for seq := range uint64(events.MostDismissed + 1) {
		state.Events = append(state.Events, events.Dismissed{Seq: seq + 2})
	}
	if _, err := m.log.Write(t.Context(), state, 0); err != nil {
		t.Fatal(err)
	}
	if detail, err := quarantineCheck(m.store, m.log).Run(t.Context()); err == nil || detail != undismissed {
		t.Errorf("%q, %v", detail, err)
	}
}

// TestReason: what is kept reads as it was written, in a line of a list.
func TestReason(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		" a <b> ü\t": "a <b> ü", strings.Repeat("ü", events.LongestReason): strings.Repeat("ü", events.LongestReason),
		"": "", " \n": "", "a\nb": "", "a\u2028b": "", "a\u202eb": "", "a\x1b[2J": "", "a\xff": "", strings.Repeat("ü", events.LongestReason+1): "",
	} {
		if got, err := parseReason(text); got != want || (err == nil) != (want != "") {
			t.Errorf("%q is kept as %q, %v; want %q", text, got, err, want)
		}
	}
}

// TestShowNone: who asks for no event at all is told so.
func TestShowNone(t *testing.T) {
	t.Parallel()
	m, _ := dismissing(t, 1)
	if _, err := m.operations()[opQuarantineShow](t.Context(), json.RawMessage("{}"), nil); err == nil || !strings.Contains(err.Error(), "is not in quarantine") {
		t.Errorf("error %v", err)
	}
}

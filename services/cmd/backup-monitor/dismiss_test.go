package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
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
	for line := range strings.Lines(says(t, s, 0, "quarantine list", "EVENT", "REASON")) {
		if seq, _, _ := strings.Cut(line, " "); seq != "EVENT" && !strings.HasPrefix(seq, "(") {
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
	says(t, s, 0, "quarantine list", "All that is in quarantine is dismissed.", "(dismissed: 1 event; see --dismissed)")
	says(t, s, 0, "quarantine list --dismissed", "REASON", seq+" ", " command line  nothing\n")
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
			if _, err := m.dismiss(t.Context(), dismissRequest{Runs: events.RunsOfSeqs(seq + 1), Reason: fmt.Sprint(seq)}, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	state, _, err := m.log.Dismissed(t.Context())
	if d, ok := state.Find(3); err != nil || len(state.Events) != n || !ok || d.Reason != "2" {
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
		if done, err := m.dismiss(t.Context(), dismissRequest{Runs: events.RunsOfSeqs(seq), Reason: "x"}, nil); err != nil || done[0].Changed != 1 {
			t.Fatalf("%+v, %v", done, err)
		}
	}
	dismiss(1)
	if _, err := server.JS.Publish(t.Context(), events.SubjectDismissed, []byte("{}")); err != nil {
		t.Fatal(err)
	}
	dismiss(3)
	if state, _, err := m.log.Dismissed(t.Context()); err != nil || state.Sequences().Count() != 2 {
		t.Errorf("%+v, %v", state, err)
	}
}

// ready is what readiness says of the quarantine.
func (m *mending) ready(t *testing.T) string {
	t.Helper()
	detail, err := quarantineCheck(m.store, m.log).Run(t.Context())
	if err != nil {
		return "red: " + err.Error()
	}
	return detail
}

// TestDismissFlood: any number of events is dismissed as a run, but none that was not
// in quarantine, or is later, and readiness and the list still find the one that waits
// among them.
func TestDismissFlood(t *testing.T) {
	t.Parallel()
	const n = 5000
	m, _ := dismissing(t, n)
	release(t, m, 7, 2000) // these were read
	done, err := m.dismiss(t.Context(), dismissRequest{Runs: []events.Run{{First: 3, Last: math.MaxInt64}}, Reason: "flood"}, nil)
	if err != nil || len(done) != 1 || done[0].Count != n-4 || done[0].Changed != n-4 {
		t.Fatalf("%+v, %v", done, err)
	}
	if got := done[0].sentence(false); !strings.Contains(got, "4996 are in quarantine, and dismissed: 4996 of them by now, 0 before") {
		t.Error(got)
	}
	state, _, err := m.log.Dismissed(t.Context())
	if want := (events.Runs{{First: 3, Last: 6}, {First: 8, Last: 1999}, {First: 2001, Last: n}}); err != nil || len(state.Events) != 1 || !slices.Equal(state.Sequences(), want) {
		t.Fatalf("%+v, %v", state, err)
	}
	if got := m.ready(t); !strings.Contains(got, "red: event 2 ") {
		t.Error(got)
	}
	list, err := m.listQuarantine(t.Context(), struct{}{}, nil)
	if err != nil || list.More || len(list.Events) != 2 || list.Events[0].Seq != 2 || list.Events[1].Seq != 1 || len(list.Dismissed) != 1 || list.Dismissed[0].Count != n-4 {
		t.Errorf("%+v, %v", list, err)
	}
	if _, err := m.dismiss(t.Context(), dismissRequest{Runs: []events.Run{{First: 1, Last: 10}}, Reason: "the first"}, nil); err != nil {
		t.Fatal(err)
	}
	if got := m.ready(t); got != fmt.Sprintf("%d events of the log that cannot be read or stored are dismissed", n-2) {
		t.Error(got)
	}
	// What was read at first, and cannot be stored in other tables, waits to be looked at.
	aside(t, m, 2000)
	if got := m.ready(t); !strings.Contains(got, "red: event 2000 ") {
		t.Error(got)
	}
	back, err := m.dismiss(t.Context(), dismissRequest{Runs: []events.Run{{First: 9, Last: 4000}}, Undo: true}, nil)
	if err != nil || back[0].Count != 4000-9 || back[0].Changed != 4000-9 {
		t.Fatalf("%+v, %v", back, err)
	}
	list, err = m.listQuarantine(t.Context(), struct{}{}, nil)
	if err != nil || !list.More || len(list.Events) != quarantineListed || list.Events[0].Seq != 4000 || len(list.Dismissed) != 2 {
		t.Errorf("%d events, dismissed %+v, %v", len(list.Events), list.Dismissed, err)
	}
}

// release takes events out of the quarantine, and aside puts one in.
func release(t *testing.T, m *mending, seqs ...uint64) {
	t.Helper()
	at, err := m.store.Checkpoint(t.Context())
	if err == nil {
		err = m.store.Apply(t.Context(), store.Batch{Old: at, New: at, Released: seqs})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func aside(t *testing.T, m *mending, seq uint64) {
	t.Helper()
	at, err := m.store.Checkpoint(t.Context())
	if err == nil {
		err = m.store.Apply(t.Context(), store.Batch{Old: at, New: at, Quarantined: []store.Quarantined{{Seq: seq, Stored: time.Now(), Header: []byte("{}")}}})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestMostDismissed: as much as may be dismissed fits into a message, what is more is
// refused and changes nothing, and readiness looks at all of it.
func TestMostDismissed(t *testing.T) {
	t.Parallel()
	const n = 100_000
	m, _ := dismissing(t, n)
	var runs []events.Run // apart, so that each needs its room
	for seq := uint64(1); seq <= n; seq += 2 {
		runs = append(runs, events.Run{First: seq, Last: seq})
	}
	dismiss := func(runs []events.Run) error {
		_, err := m.noteDismissed(t.Context(), dismissRequest{Runs: make([]events.Run, 1), Reason: strings.Repeat("<", events.LongestReason)}, []events.Runs{runs})
		return err
	}
	most := 0
	for step := len(runs); step > 0; step /= 2 { // the most that is taken
		for most+step <= len(runs) && size(t, runs[:most+step]) <= events.LargestDismissed-100 { // times are not of one length
			most += step
		}
	}
	if most < 20_000 {
		t.Errorf("only %d runs fit", most)
	}
	if err := dismiss(runs[:most]); err != nil {
		t.Fatalf("%d runs: %v", most, err)
	}
	before, seq, err := m.log.Dismissed(t.Context())
	if err != nil || !slices.Equal(before.Sequences(), runs[:most]) {
		t.Fatalf("%d runs are dismissed, %v", len(before.Sequences()), err)
	}
	if err := dismiss(runs); !errors.Is(err, errTooManyDismissed) {
		t.Fatalf("more: %v", err)
	}
	if _, now, err := m.log.Dismissed(t.Context()); err != nil || now != seq {
		t.Errorf("it changed something: %v", err)
	}
	if got := m.ready(t); !strings.Contains(got, fmt.Sprintf("red: event %d ", n)) {
		t.Error(got)
	}
}

// size is how many bytes it takes to dismiss runs.
func size(t *testing.T, runs events.Runs) int {
	t.Helper()
	now := time.Now()
	text, err := json.Marshal(events.LogDismissed{ChangedBy: events.ActorCommandLine, ChangedAt: now, Events: []events.Dismissed{
		events.Dismissed{Reason: strings.Repeat("<", events.LongestReason), DismissedBy: events.ActorCommandLine, DismissedAt: now}.Of(runs),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return len(text)
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

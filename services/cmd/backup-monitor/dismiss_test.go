package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/natstest"
	"backupmonitor/services/internal/store"
	"backupmonitor/services/internal/store/sqlitetest"
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
	in.awaitReadiness(http.StatusOK, green+"events of the log that cannot be read or stored are dismissed")
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
	in.awaitReadiness(http.StatusOK, green+"events of the log that cannot be read or stored are dismissed")
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
	db := sqlitetest.Open(t)
	b := store.Batch{New: store.Checkpoint{Stream: "x", Seq: uint64(n)}}
	for seq := range uint64(n) {
		b.Quarantined = append(b.Quarantined, store.Quarantined{Seq: seq + 1, Stored: time.Now(), Header: []byte("{}")})
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
	change(t, m, store.Batch{Released: []uint64{7, 2000}}) // these were read
	if got := dismissRuns(t, m, dismissRequest{Runs: []events.Run{{First: 3, Last: math.MaxInt64}}, Reason: "flood"}); !strings.Contains(got, ", 4996 are dismissed now, and 0 were before (4996 without a type).") {
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
	dismissRuns(t, m, dismissRequest{Runs: []events.Run{{First: 1, Last: 10}}, Reason: "the first"})
	if got := m.ready(t); got != "events of the log that cannot be read or stored are dismissed" {
		t.Error(got)
	}
	// What was read at first, and cannot be stored in other tables, waits to be looked at.
	change(t, m, store.Batch{Quarantined: []store.Quarantined{{Seq: 2000, Stored: time.Now(), Header: []byte("{}")}}})
	if got := m.ready(t); !strings.Contains(got, "red: event 2000 ") {
		t.Error(got)
	}
	if got := dismissRuns(t, m, dismissRequest{Runs: []events.Run{{First: 9, Last: 4000}}, Undo: true}); !strings.Contains(got, "3991 are no longer dismissed") {
		t.Error(got)
	}
	list, err = m.listQuarantine(t.Context(), struct{}{}, nil)
	if err != nil || !list.More || len(list.Events) != quarantineListed || list.Events[0].Seq != 4000 || len(list.Dismissed) != 2 {
		t.Errorf("%d events, dismissed %+v, %v", len(list.Events), list.Dismissed, err)
	}
}

// dismissRuns says what it told people.
func dismissRuns(t *testing.T, m *mending, r dismissRequest) string {
	t.Helper()
	done, err := m.dismiss(t.Context(), r, nil)
	if err != nil {
		t.Fatal(err)
	}
	var text []string
	for _, d := range done {
		text = append(text, d.sentence(r.Undo))
	}
	return strings.Join(text, "\n")
}

// change changes the tables.
func change(t *testing.T, m *mending, b store.Batch) {
	t.Helper()
	at, err := m.store.Checkpoint(t.Context())
	if err == nil {
		b.Old, b.New = at, at
		err = m.store.Apply(t.Context(), b)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestDismissRange: a range leaves what can be read and no column took, however much
// garbage is around it, and what others have dismissed; to be named ends both.
func TestDismissRange(t *testing.T) {
	t.Parallel()
	m, _ := dismissing(t, 10)
	column := store.UnstorableReason(&store.Trouble{Reason: "OutletServer is too narrow", Unstorable: true, Err: errors.New("8152")})
	set := func(seq uint64, kind, reason string) {
		change(t, m, store.Batch{Released: []uint64{seq}})
		change(t, m, store.Batch{Quarantined: []store.Quarantined{{Seq: seq, Type: kind, Stored: time.Now(), Header: []byte("{}"), Reason: reason}}})
	}
	set(5, "outlet.changed.v1", column)
	set(6, "outlet.changed.v1", column)
	set(8, "evil\x1b[2J"+strings.Repeat("x", 1000), "garbage")
	reason := func(seq uint64) string {
		t.Helper()
		state, _, err := m.log.Dismissed(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		d, _ := state.Find(seq)
		return d.Reason
	}
	dismissRuns(t, m, dismissRequest{Runs: events.RunsOfSeqs(3), Reason: "by itself"})
	got := dismissRuns(t, m, dismissRequest{Runs: []events.Run{{First: 1, Last: 8}, {First: 2, Last: 9}}, Reason: "all"})
	for _, want := range []string{"Of the events 1-8, 5 are dismissed now, and 1 was before (5 without a type, 1 evil", "…)", "a column did not take: 2 events, as event 5;", "Of the events 2-9, 1 is dismissed now, and 5 were before"} {
		if !strings.Contains(got, want) || strings.Contains(got, "\x1b") {
			t.Errorf("%q does not say %q", got, want)
		}
	}
	if reason(3) != "by itself" || reason(4) != "all" || reason(5) != "" || reason(10) != "" {
		t.Errorf("%q %q %q %q", reason(3), reason(4), reason(5), reason(10))
	}
	if got := m.ready(t); !strings.Contains(got, "red: event 10 ") {
		t.Error(got)
	}
	if _, err := m.dismiss(t.Context(), dismissRequest{Runs: []events.Run{{First: 5, Last: 6}}, Reason: "all"}, nil); err == nil || !strings.Contains(err.Error(), "quarantine retry") {
		t.Errorf("of columns alone: %v", err)
	}
	dismissRuns(t, m, dismissRequest{Runs: events.RunsOfSeqs(10), Reason: "x"})
	if _, err := m.dismiss(t.Context(), dismissRequest{Runs: []events.Run{{First: 11, Last: 99}}, Reason: "all"}, nil); err == nil || !strings.Contains(err.Error(), "none is in quarantine") {
		t.Errorf("of nothing: %v", err)
	}
	dismissRuns(t, m, dismissRequest{Runs: []events.Run{{First: 5, Last: 5}, {First: 6, Last: 6}, {First: 3, Last: 3}}, Reason: "named"})
	if reason(3) != "named" || reason(5) != "named" || strings.HasPrefix(m.ready(t), "red") {
		t.Errorf("%q %q %s", reason(3), reason(5), m.ready(t))
	}
}

// TestDismissWhatIsReadMeanwhile: what leaves the quarantine while it is dismissed is not
// dismissed after that.
func TestDismissWhatIsReadMeanwhile(t *testing.T) {
	t.Parallel()
	m, _ := dismissing(t, 10)
	run := events.Run{First: 2, Last: 9}
	meant, err := m.allQuarantined(t.Context(), []events.Run{run})
	if err != nil {
		t.Fatal(err)
	}
	change(t, m, store.Batch{Released: []uint64{4, 5}})
	if _, err := m.noteDismissed(t.Context(), dismissRequest{Reason: "x"}, meant); err != nil {
		t.Fatal(err)
	}
	if err := m.undismissGone(t.Context(), meant); err != nil {
		t.Fatal(err)
	}
	state, _, err := m.log.Dismissed(t.Context())
	if want := (events.Runs{{First: 2, Last: 3}, {First: 6, Last: 9}}); err != nil || !slices.Equal(state.Sequences(), want) {
		t.Errorf("%v, %v; want %v", state.Sequences(), err, want)
	}
}

// TestAsideTypes: whoever floods the log names the types, and the answer is short.
func TestAsideTypes(t *testing.T) {
	t.Parallel()
	a := aside{byType: map[string]uint64{}}
	for i := range 3 * typesCounted {
		a.count(fmt.Sprint("t", i))
		a.count("t1")
	}
	if got := a.types(); len(a.byType) != typesCounted || len(got) != typesNamed+1 || got[0] != fmt.Sprint(3*typesCounted+1, " t1") || !strings.HasSuffix(got[typesNamed], "of other types") {
		t.Errorf("%q of %d", got, len(a.byType))
	}
}

// TestMostDismissed: as much as may be dismissed fits into a message, what is more is
// refused and changes nothing, and readiness looks at all of it.
func TestMostDismissed(t *testing.T) {
	t.Parallel()
	m, _ := dismissing(t, 3)
	const most = events.LargestDismissed / len("2,0,")
	var runs events.Runs // apart, so that each needs its room
	for i := range uint64(most) {
		runs = append(runs, events.Run{First: 2*i + 1, Last: 2*i + 1})
	}
	dismiss := func(runs events.Runs) error {
		_, err := m.noteDismissed(t.Context(), dismissRequest{Reason: strings.Repeat("<", events.LongestReason)}, []aside{{seqs: runs}})
		return err
	}
	fit := runs[1 : most-1000]
	if err := dismiss(fit); err != nil {
		t.Fatalf("%d runs: %v", len(fit), err)
	}
	before, seq, err := m.log.Dismissed(t.Context())
	if err != nil || !slices.Equal(before.Sequences(), fit) {
		t.Fatalf("%d runs are dismissed, %v", len(before.Sequences()), err)
	}
	if err := dismiss(runs); !errors.Is(err, errTooManyDismissed) {
		t.Fatalf("more: %v", err)
	}
	if _, now, err := m.log.Dismissed(t.Context()); err != nil || now != seq {
		t.Errorf("it changed something: %v", err)
	}
	if got := m.ready(t); !strings.HasPrefix(got, "red: event 2 ") {
		t.Error(got)
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

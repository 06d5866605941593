package gateway_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"backupmonitor/events"
)

func (e *env) identity(t testing.TB) events.Identity {
	t.Helper()
	id, err := e.nats.Log.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func audited(i int) events.Audited {
	return events.Audited{ID: "a" + strconv.Itoa(i), Kind: events.UserChanged, Actor: "admin", At: time.Now()}
}

func observed(i int) events.BackupObserved {
	r := events.ScanRequested{ScanID: "scan" + strconv.Itoa(i), ScanDate: "2026-02-21"}
	return look(r, 1, "S"+strconv.Itoa(i%7), events.DDrive, events.CauseOK)
}

// A client that is cut off at random, and comes back with the last id that it
// has, sees exactly the events it may see: none missing, none twice, in order.
func TestLiveFeedResumesWithoutGapOrDuplicate(t *testing.T) {
	t.Parallel()
	e := start(t)
	const total = 400
	wanted := map[string][]uint64{}
	begin := e.identity(t)
	position := fmt.Sprintf("%s-%d", begin.ID(), begin.LastSeq)
	written := make(chan struct{})
	go func() {
		defer close(written)
		for i := range total {
			var p events.Payload = observed(i)
			if i%5 == 0 {
				p = audited(i)
			}
			seq := e.append(t, p)
			wanted["admin"] = append(wanted["admin"], seq)
			if i%5 != 0 {
				wanted["support"] = append(wanted["support"], seq)
			}
		}
		// Both must see this one, and end there.
		seq := e.append(t, events.ScanRequested{ScanID: "last", ScanDate: "2026-02-21"})
		wanted["admin"], wanted["support"] = append(wanted["admin"], seq), append(wanted["support"], seq)
	}()
	got := map[string][]uint64{}
	var mu sync.Mutex
	var clients sync.WaitGroup
	for user, token := range map[string]string{"admin": e.admin, "support": e.support} {
		clients.Go(func() {
			seqs := e.follow(t, token, position)
			mu.Lock()
			defer mu.Unlock()
			got[user] = seqs
		})
	}
	clients.Wait()
	<-written
	for user := range wanted {
		if !slices.Equal(got[user], wanted[user]) {
			t.Errorf("%s saw %d events and not the %d there are:\n%v\n%v", user, len(got[user]), len(wanted[user]), got[user], wanted[user])
		}
	}
}

// follow reads the feed up to the scan named last, leaving it after a random
// number of events.
func (e *env) follow(t *testing.T, token, position string) (seqs []uint64) {
	for {
		s := e.listen(t, call{path: "/events", token: token, header: map[string]string{"Last-Event-ID": position}})
		for range 1 + rand.IntN(60) {
			m := s.next()
			_, number, _ := strings.Cut(m.id, "-")
			seq, err := strconv.ParseUint(number, 10, 64)
			if err != nil || m.event == "reset" {
				t.Errorf("%+v", m)
			}
			position = m.id
			seqs = append(seqs, seq)
			if m.event == events.TypeScanRequested {
				s.close()
				return seqs
			}
		}
		s.close()
	}
}

func TestLiveFeedBeginsNow(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.append(t, observed(1))
	eventually(t, "the sign-ins are audited", func() bool { return e.identity(t).LastSeq == 3 })
	id := e.identity(t)
	want := fmt.Sprintf("%s-%d", id.ID(), id.LastSeq)
	var s *eventStream
	eventually(t, "the gateway has all of that", func() bool {
		s = e.listen(t, call{path: "/events", token: e.support})
		ready := s.next()
		if ready.event != "ready" || ready.data != `{"position":"`+ready.id+`"}` {
			t.Fatalf("%+v", ready)
		}
		if ready.id != want {
			s.close()
		}
		return ready.id == want
	})
	defer s.close()
	o := observed(2)
	seq := e.append(t, o)
	m := s.next()
	if m.event != events.TypeBackupObserved || m.id != fmt.Sprintf("%s-%d", id.ID(), seq) {
		t.Errorf("%+v", m)
	}
	var body struct {
		ID, Type, Subject string
		Time              time.Time
		Data              events.BackupObserved
	}
	if err := json.Unmarshal([]byte(m.data), &body); err != nil {
		t.Fatal(err)
	}
	if body.ID != "scan2:S2:d_drive" || body.Type != m.event || body.Subject != "S2" || body.Time.IsZero() || body.Data.ScanID != o.ScanID {
		t.Errorf("%+v", body)
	}
	var any any
	if err := json.Unmarshal([]byte(m.data), &any); err != nil {
		t.Fatal(err)
	}
	if err := e.doc.Components.Schemas["LiveEvent"].Value.VisitJSON(any); err != nil {
		t.Error(err)
	}
}

func TestLiveFeedResets(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.append(t, observed(1))
	id := e.identity(t)
	for name, position := range map[string]string{
		"of another log":     "1234-1",
		"from the future":    fmt.Sprintf("%s-%d", id.ID(), id.LastSeq+100),
		"a scan's id":        "20260221T000000Z-ABCDEF",
		"no position at all": "x",
	} {
		s := e.listen(t, call{path: "/events", token: e.admin, header: map[string]string{"Last-Event-ID": position}})
		m := s.next()
		if m.event != "reset" || !strings.HasPrefix(m.id, id.ID()+"-") || !strings.Contains(m.data, `"reason":`) {
			t.Errorf("%s: %+v", name, m)
		}
		s.close()
	}
	for query, named := range map[string]string{"from=x": "from", "types=backup.observed.v2": "types", "since=1": "since"} {
		if f := get[failure](t, e, http.StatusBadRequest, call{path: "/events?" + query, token: e.admin}); !strings.Contains(f.Message, named) {
			t.Errorf("%s: %q", query, f.Message)
		}
	}
}

func TestLiveFeedFilters(t *testing.T) {
	t.Parallel()
	e := start(t)
	begin := e.identity(t)
	from := fmt.Sprintf("from=%s-%d", begin.ID(), begin.LastSeq)
	for i := range 14 {
		e.append(t, observed(i))
	}
	e.register(t, "s3")
	e.append(t, audited(1))
	e.append(t, events.ScanRequested{ScanID: "S3", ScanDate: "2026-02-21"})
	e.append(t, observed(17)) // S3 again
	for query, want := range map[string]int{
		"outlet=s3":                                  4,
		"outlet=s3&types=outlet.changed.v1":          1,
		"types=scan.requested.v1":                    1,
		"types=scan.requested.v1,backup.observed.v1": 16,
	} {
		s := e.listen(t, call{path: "/events?" + from + "&" + query, token: e.support})
		n := 0
		for range want {
			if m := s.next(); m.event != "" {
				n++
			}
		}
		if query == "outlet=s3" {
			e.append(t, observed(100)) // S2
			next := e.append(t, observed(24))
			if m := s.next(); m.id != fmt.Sprintf("%s-%d", begin.ID(), next) {
				t.Errorf("after the replay of %s came %+v and not %d", query, m, next)
			}
		}
		if n != want {
			t.Errorf("%s: %d and not %d", query, n, want)
		}
		s.close()
	}
}

func TestLiveFeedEndsWithTheToken(t *testing.T) {
	t.Parallel()
	e := start(t, func(s *setup) { s.cfg.TokenLifetime = 2 * time.Second })
	s := e.listen(t, call{path: "/events", token: e.signIn(t, "admin")})
	defer s.close()
	s.next()
	for {
		m, err := s.read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil { // it would have gone on
			t.Fatalf("the stream outlives its token: %+v, %v", m, err)
		}
	}
}

func TestStreamsPerUserAreBounded(t *testing.T) {
	t.Parallel()
	e := start(t)
	for range 32 {
		s := e.listen(t, call{path: "/events", token: e.support})
		defer s.close()
	}
	get[failure](t, e, http.StatusTooManyRequests, call{path: "/events", token: e.support})
	s := e.listen(t, call{path: "/events", token: e.admin})
	s.close()
}

// A gateway that stops ends its streams, and leaves nothing running.
func TestStopEndsStreams(t *testing.T) {
	t.Parallel()
	e := start(t)
	s := e.listen(t, call{path: "/events", token: e.admin})
	defer s.close()
	s.next()
	e.stop()
	if strings.Contains(e.logs.String(), "Requests were cut off") {
		t.Error("the stream did not end by itself")
	}
	for {
		if _, err := s.read(); err != nil {
			break
		}
	}
}

// Two streams of a caller catch up at a time; a third waits, and then is told so.
func TestStreamsOfOneCallerCatchUpInTurn(t *testing.T) {
	t.Parallel()
	e := start(t)
	begin := e.identity(t)
	path := fmt.Sprintf("/events?from=%s-%d", begin.ID(), begin.LastSeq)
	for i := range 400 { // more than connections hold for who does not read
		o := observed(i)
		o.Warnings = []string{strings.Repeat("w", 40<<10)}
		e.append(t, o)
	}
	var held []*eventStream
	for range 2 {
		s := e.listen(t, call{path: path, token: e.support})
		defer s.close()
		s.next()
		held = append(held, s)
	}
	if status, h, body := e.do(t, call{path: path, token: e.support}); status != http.StatusTooManyRequests || h.Get("Retry-After") == "" {
		t.Errorf("%d %s", status, body)
	}
	for token, query := range map[string]string{e.admin: "", e.support: "&types=" + events.TypeScanRequested} {
		if token == e.support {
			held[0].close()
			eventually(t, "there is room for one", func() bool { return e.gateway.InFlight() == 1 })
		}
		s := e.listen(t, call{path: path + query, token: token})
		if token == e.admin {
			s.next()
		}
		s.close()
	}
}

// What is caught up with comes by subjects as it would by a look at each event.
func TestCatchingUpBySubjects(t *testing.T) {
	t.Parallel()
	e := start(t)
	begin := e.identity(t)
	e.register(t, "S1", "A/1", "Ünï")
	e.settings(t)
	e.append(t, audited(1))
	e.append(t, events.HistoryImported{Outlet: "A/1", Mode: events.IBStorage, ScanDate: "2026-02-21"})
	for i := range 20 {
		r := events.ScanRequested{ScanID: "scan" + strconv.Itoa(i), ScanDate: "2026-02-21", Modes: events.Modes()}
		e.append(t, r)
		e.append(t, look(r, 1, []string{"S1", "a/1", "ÜNÏ"}[i%3], events.Modes()[i%2], events.CauseOK))
		e.append(t, started(r, 1, "S1"))
		e.append(t, events.ScanCompleted{ScanID: r.ScanID})
	}
	e.append(t, events.ScanRequested{ScanID: "last"})
	e.append(t, events.OutletChanged{Code: "last", Address: "10.0.0.1"})
	whole := []string{}
	read := func(token, query string, last string) (ids []string) {
		s := e.listen(t, call{path: fmt.Sprintf("/events?from=%s-%d%s", begin.ID(), begin.LastSeq, query), token: token})
		defer s.close()
		for {
			m := s.next()
			if m.event == "reset" || m.event == "ready" {
				t.Fatalf("%s: %+v", query, m)
			}
			ids = append(ids, m.event+" "+m.id+" "+m.data)
			if strings.Contains(m.data, last) {
				return ids
			}
		}
	}
	whole = append(whole, read(e.admin, "", `"subject":"LAST"`)...)
	of := func(ok func(event, data string) bool) (ids []string) {
		for _, id := range whole {
			event, data, _ := strings.Cut(id, " ")
			if ok(event, data) {
				ids = append(ids, id)
			}
		}
		return ids
	}
	for query, x := range map[string]struct {
		last string
		ok   func(event, data string) bool
	}{
		"&types=scan.requested.v1,scan.requested.v1": {`"subject":"last"`, func(event, _ string) bool { return event == "scan.requested.v1" }},
		"&types=scan.started.v1,outlet.changed.v1": {`"subject":"LAST"`, func(event, _ string) bool {
			return event == "scan.started.v1" || event == "outlet.changed.v1"
		}},
		"&types=audit.user_changed.v1,outlet.changed.v1": {`"subject":"LAST"`, func(event, _ string) bool {
			return event == "audit.user_changed.v1" || event == "outlet.changed.v1"
		}},
		"&outlet=a%2F1": {`"scanId":"scan19"`, func(_, data string) bool { return strings.Contains(data, `"subject":"A/1"`) }},
		"&outlet=%C3%BCn%C3%AF&types=backup.observed.v1": {`"scanId":"scan17"`, func(event, data string) bool {
			return event == "backup.observed.v1" && strings.Contains(data, `"subject":"ÜNÏ"`)
		}},
	} {
		if got, want := read(e.admin, query, x.last), of(x.ok); !slices.Equal(got, want) || len(want) == 0 {
			t.Errorf("%s: %d events and not %d:\n%q\n%q", query, len(got), len(want), got, want)
		}
	}
	// Nothing of what is selected there is, and what comes later comes.
	s := e.listen(t, call{path: fmt.Sprintf("/events?from=%s-%d&types=credential.changed.v1", begin.ID(), begin.LastSeq), token: e.support})
	defer s.close()
	e.append(t, events.CredentialChanged{Account: `D\u`, State: events.CredentialGood, ChangedAt: time.Now()})
	if m := s.next(); m.event != events.TypeCredentialChanged {
		t.Errorf("%+v", m)
	}
}

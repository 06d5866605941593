package gateway_test

import (
	"encoding/json"
	"fmt"
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
	s := e.listen(t, call{path: "/events", token: e.support})
	defer s.close()
	ready := s.next()
	if want := fmt.Sprintf("%s-%d", id.ID(), id.LastSeq); ready.event != "ready" || ready.id != want || ready.data != `{"position":"`+want+`"}` {
		t.Errorf("%+v and not at %s", ready, want)
	}
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
	began := time.Now()
	for {
		if _, err := s.read(); err != nil {
			break
		}
	}
	if took := time.Since(began); took > 10*time.Second { // before the first heartbeat
		t.Errorf("the stream outlived its token by %s", took-2*time.Second)
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
	began := time.Now()
	e.stop()
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("stopping took %s", took)
	}
	for {
		if _, err := s.read(); err != nil {
			break
		}
	}
}

package gateway_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"backupmonitor/events"
)

// requested waits for the request that a stream has made.
func (e *env) requested(t *testing.T, after uint64) (events.ScanRequested, uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	feed, err := e.nats.Log.Feed(ctx, events.FeedOptions{From: after + 1, Subjects: []string{events.AllRequested}})
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Stop()
	r, err := feed.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	ev, err := r.Decode()
	if err != nil {
		t.Fatal(err)
	}
	return ev.Data.(events.ScanRequested), r.Seq
}

// The messages of a scan stream are those of the original system to the letter.
func TestScanStreamSaysWhatTheOriginalSystemSays(t *testing.T) {
	t.Parallel()
	e := start(t)
	tables := e.project(t)
	s := e.listen(t, call{path: "/backup-status/scan?scan_date=2026-02-20", token: e.admin})
	defer s.close()
	req, position := e.requested(t, 0)
	if !req.Full() || len(req.Modes) != 1 || req.Modes[0] != events.DDrive || req.ScanDate != "2026-02-20" || req.RequestedBy != "admin" || req.Trigger != "api" {
		t.Errorf("asked for %+v", req)
	}
	e.append(t, started(req, position, "S1", "S2"))
	m := s.next()
	m.is(t, `{"type":"start","total":2}`)
	if m.id != req.ScanID || m.event != "" {
		t.Errorf("the message has id %q and event %q", m.id, m.event)
	}
	e.append(t, look(req, position, "S1", events.DDrive, events.CauseOK))
	s.next().is(t, `{"type":"progress","completed":1,"total":2,"success":1,"failed":0,"current":"S1"}`)
	e.append(t, look(req, position, "S2", events.DDrive, events.CauseTimeout))
	s.next().is(t, `{"type":"progress","completed":2,"total":2,"success":1,"failed":1,"current":"S2"}`)

	tables.hold.Lock()
	all := wholeScan(req, position, []string{"S1", "X2"})
	end := e.append(t, all[len(all)-1])
	told := make(chan message, 1)
	go func() { m, _ := s.read(); told <- m }()
	eventually(t, "the scan has ended", func() bool {
		_, err := e.nats.Log.Last(t.Context(), events.CompletedSubject(req.ScanID))
		return err == nil
	})
	select {
	case m := <-told:
		tables.hold.Unlock()
		t.Fatalf("told %s before the tables show it", m.data)
	case <-time.After(100 * time.Millisecond):
	}
	tables.hold.Unlock()
	(<-told).is(t, `{"type":"complete","total":2,"success":1,"failed":1}`)
	if cp, err := e.store.Checkpoint(t.Context()); err != nil || cp.Seq < end {
		t.Errorf("complete came when the tables were at %d of %d, %v", cp.Seq, end, err)
	}
	s.ended()

	// Who comes back hears the end, and starts nothing.
	again := e.listen(t, call{path: "/backup-status/scan?scan_date=2026-02-20", token: e.admin, header: map[string]string{"Last-Event-ID": req.ScanID}})
	defer again.close()
	again.next().is(t, `{"type":"complete","total":2,"success":1,"failed":1}`)
	again.ended()
	if id, err := e.nats.Log.Identity(t.Context()); err != nil || id.LastSeq != end {
		t.Errorf("coming back wrote something: the log is at %d and not %d, %v", id.LastSeq, end, err)
	}
}

// A fleet without outlets has a scan that ends, and says that it looked at none.
func TestScanStreamOfNoOutlets(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.project(t)
	e.schedule(t)
	for _, path := range []string{"/backup-status/scan", "/ibstorage-status/scan"} {
		s := e.listen(t, call{path: path, token: e.admin})
		defer s.close()
		s.next().is(t, `{"type":"start","total":0}`)
		s.next().is(t, `{"type":"complete","total":0,"success":0,"failed":0}`)
		s.ended()
	}
}

func TestScanStreamIsLeftAndFoundAgain(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.project(t)
	s := e.listen(t, call{path: "/ibstorage-status/scan", token: e.admin})
	req, position := e.requested(t, 0)
	if req.ScanDate != events.DateOf(time.Now(), time.UTC) || req.Modes[0] != events.IBStorage {
		t.Errorf("asked for %+v", req)
	}
	e.append(t, started(req, position, "S1", "S2"))
	s.next()
	s.close()
	e.append(t, look(req, position, "S1", events.IBStorage, events.CauseOK))

	back := e.listen(t, call{path: "/ibstorage-status/scan", token: e.admin, header: map[string]string{"Last-Event-ID": req.ScanID}})
	defer back.close()
	back.next().is(t, `{"type":"start","total":2}`)
	back.next().is(t, `{"type":"progress","completed":1,"total":2,"success":1,"failed":0,"current":"S1"}`)

	for _, c := range []call{
		{path: "/backup-status/scan", header: map[string]string{"Last-Event-ID": req.ScanID}}, // the other mode's
		{path: "/backup-status/scan", header: map[string]string{"Last-Event-ID": "20260101T000000Z-NOSCAN"}},
	} {
		c.token = e.admin
		get[failure](t, e, http.StatusNotFound, c)
	}
	if f := get[failure](t, e, http.StatusBadRequest, call{path: "/backup-status/scan?scan_date=2999-01-01", token: e.admin}); f.Status != "Error" {
		t.Errorf("%+v", f)
	}
	if scans := get[scanList](t, e, http.StatusOK, call{path: "/scans", token: e.support}); scans.Count != 1 {
		t.Errorf("there are %d scans and not 1: %+v", scans.Count, scans)
	}
}

// A scan that attached to another one counts that one's looks, also those from
// before it started.
func TestFollowAnAttachedScan(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.project(t)
	post := call{method: http.MethodPost, path: "/scans", token: e.admin, body: `{"modes":["d_drive"]}`}
	host := get[asked](t, e, http.StatusAccepted, post)
	hostReq, hostPos := e.requested(t, 0)
	e.append(t, started(hostReq, hostPos, "S1", "S2"))
	e.append(t, look(hostReq, hostPos, "S1", events.DDrive, events.CauseOK))
	guest := get[asked](t, e, http.StatusAccepted, post)
	guestReq, guestPos := e.requested(t, hostPos)
	if hostReq.ScanID != host.ScanID || guestReq.ScanID != guest.ScanID {
		t.Fatalf("the log has %s and %s, the answers %s and %s", hostReq.ScanID, guestReq.ScanID, host.ScanID, guest.ScanID)
	}
	s := e.listen(t, call{path: "/scans/" + guest.ScanID, token: e.support})
	defer s.close()
	st := started(guestReq, guestPos, "S1", "S2")
	st.AttachedTo, st.HostPosition = host.ScanID, hostPos
	e.append(t, st)
	s.next().is(t, `{"type":"start","total":2}`)
	s.next().is(t, `{"type":"progress","completed":1,"total":2,"success":1,"failed":0,"current":"S1","notObserved":0,"counts":{"d_drive":{"total":2,"successful":1,"failed":0,"notObserved":0}}}`)
	e.append(t, look(hostReq, hostPos, "S2", events.DDrive, events.CauseUnreachable))
	s.next().is(t, `{"type":"progress","completed":2,"total":2,"success":1,"failed":1,"current":"S2","notObserved":1,"counts":{"d_drive":{"total":2,"successful":1,"failed":1,"notObserved":1}}}`)
	got := get[scanAnswer](t, e, http.StatusOK, call{path: "/scans/" + guest.ScanID, token: e.support, header: map[string]string{"Accept": "application/json"}}).Scan
	if got.AttachedTo != host.ScanID || got.Completed != 2 || got.State != "running" {
		t.Errorf("%+v", got)
	}
}

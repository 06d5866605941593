package scheduler_test

import (
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/verdict"
)

func TestFullScanOfBothModes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	codes := f.register(40)
	f.change(codes[0], func(o *events.OutletChanged) { o.Active = false })
	later, before := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	f.change(codes[1], func(o *events.OutletChanged) { o.PausedUntil = &later })
	f.change(codes[2], func(o *events.OutletChanged) { o.PausedUntil = &before })
	day := int64(24 * 3600)
	f.change(codes[3], func(o *events.OutletChanged) { o.MaxAgeSeconds = &day })
	p := f.probe(4, func(p *prober) {
		p.judge = func(outlet string, m events.Mode) events.Cause {
			switch {
			case outlet == codes[4] && m == events.DDrive:
				return events.CauseStale
			case outlet == codes[5]:
				return events.CauseUnreachable
			}
			return events.CauseOK
		}
	})
	f.schedule()
	seq := f.request(request("full", events.Modes()...))

	c := f.completed("full")
	want := map[events.Mode]events.ModeCount{
		events.DDrive:    {Total: 38, Successful: 36, Failed: 2, NotObserved: 1},
		events.IBStorage: {Total: 38, Successful: 37, Failed: 1, NotObserved: 1},
	}
	if !maps.Equal(c.Counts, want) || c.Cancelled || c.Unobserved != 0 {
		t.Errorf("completed as %+v, want counts %+v", c, want)
	}
	started := f.started("full")
	if want := codes[2:]; !slices.Equal(started.Outlets, want) || started.RequestPosition != seq {
		t.Errorf("started as %+v, want outlets %v", started, want)
	}
	f.queueEmpties()
	f.nothingUnacknowledged()
	for _, c := range p.seen() {
		age := policy().MaxAgeSeconds
		if c.Outlet == codes[3] {
			age = day
		}
		if c.Policy.MaxAgeSeconds != age || c.RequestPosition != seq || !slices.Equal(c.Modes, events.Modes()) || c.Server == "" {
			t.Errorf("command is %+v", c)
		}
	}
	if n := len(p.seen()); n != 38 {
		t.Errorf("%d commands, want one for each of 38 outlets", n)
	}
}

func TestChosenOutlets(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	codes := f.register(5)
	f.change(codes[4], func(o *events.OutletChanged) { o.Active = false })
	f.probe(2)
	f.schedule()
	r := request("some", events.IBStorage)
	r.Outlets = []string{"r0002", " R0002 ", "unknown", codes[4]}
	r.ScanDate = "2026-02-21"
	f.request(r)
	c := f.completed("some")
	if got := f.started("some").Outlets; !slices.Equal(got, []string{"R0002", "R0005"}) {
		t.Errorf("outlets are %v, want those asked for, as registered", got)
	}
	if want := (events.ModeCount{Total: 2, Successful: 2}); c.Counts[events.IBStorage] != want || len(c.Counts) != 1 {
		t.Errorf("counts are %+v, want %+v", c.Counts, want)
	}
	for _, o := range f.looks() {
		if o.ScanDate != "2026-02-21" || o.Mode != events.IBStorage {
			t.Errorf("a look is of %s in %s", o.ScanDate, o.Mode)
		}
	}
}

func TestNothingToLookAt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.schedule()
	f.request(request("empty", events.Modes()...))
	c := f.completed("empty")
	want := map[events.Mode]events.ModeCount{events.DDrive: {}, events.IBStorage: {}}
	if !maps.Equal(c.Counts, want) || c.Unobserved != 0 {
		t.Errorf("completed as %+v", c)
	}
	f.nothingUnacknowledged()
}

// TestOutletsAsOfTheRequest: what changes after the request is of no concern,
// even if it changes before any scheduler runs.
func TestOutletsAsOfTheRequest(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	codes := f.register(50)
	f.request(request("early", events.DDrive))
	for _, code := range codes {
		f.change(code, func(o *events.OutletChanged) { o.Address, o.Active = "192.0.2.1", false })
	}
	p := f.probe(4)
	f.schedule()
	c := f.completed("early")
	if want := (events.ModeCount{Total: 50, Successful: 50}); c.Counts[events.DDrive] != want {
		t.Errorf("counts are %+v, want %+v", c.Counts, want)
	}
	for _, c := range p.seen() {
		if c.Server == "192.0.2.1" {
			t.Fatalf("outlet %s is looked at where it was moved to later", c.Outlet)
		}
	}
}

func TestDeadlineWithoutProbers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	codes := f.register(3)
	f.change(codes[0], func(o *events.OutletChanged) { o.MaxAgeSeconds = new(int64(50 * 3600)) })
	f.schedule()
	r := request("alone", events.Modes()...)
	r.Deadline = r.RequestedAt.Add(300 * time.Millisecond)
	seq := f.request(r)
	c := f.completed("alone")
	want := events.ModeCount{Total: 3, Failed: 3, NotObserved: 3}
	if c.Counts[events.DDrive] != want || c.Counts[events.IBStorage] != want || c.Unobserved != 6 || c.Cancelled {
		t.Errorf("completed as %+v, want %+v in both modes", c, want)
	}
	if c.CompletedAt.Before(r.Deadline.Add(200 * time.Millisecond)) {
		t.Errorf("completed at %v, before the deadline %v and the time of a look", c.CompletedAt, r.Deadline)
	}
	for _, o := range f.looks() {
		v := o.Verdict
		if v.Cause != events.CauseExpired || v.Status != events.Failed || v.Conclusive || v.Evidence != events.EvidenceNone ||
			v.Detail == "" || o.RequestPosition != seq || o.Server == "" || !o.Today || o.Attempt != 1 || o.Cutoff.IsZero() {
			t.Errorf("an expired look is %+v", o)
		}
		age := policy().MaxAgeSeconds
		if o.Outlet == codes[0] {
			age = 50 * 3600
		}
		if again := verdict.Judge(o, v.Policy); !reflect.DeepEqual(again, v) || v.Policy.MaxAgeSeconds != age {
			t.Errorf("judged again an expired look is %+v instead of %+v", again, v)
		}
	}

	// The commands are still there. A prober that comes late ends each with the
	// look that is there already.
	f.probe(2)
	f.queueEmpties()
	if n := len(f.looks()); n != 6 {
		t.Errorf("%d looks, want one for each of %v and mode", n, codes)
	}
}

func TestExpiredOfAnotherScanDoesNotCount(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	codes := f.register(2)
	f.schedule()
	patient := request("patient", events.DDrive)
	f.request(patient)
	f.started("patient")
	hasty := request("hasty", events.DDrive)
	hasty.Outlets, hasty.Deadline = codes, hasty.RequestedAt.Add(100*time.Millisecond)
	f.request(hasty)
	if c := f.completed("hasty"); c.Unobserved != 2 {
		t.Errorf("hasty completed as %+v", c)
	}
	f.probe(2)
	if c := f.completed("patient"); c.Counts[events.DDrive] != (events.ModeCount{Total: 2, Successful: 2}) {
		t.Errorf("patient completed as %+v", c)
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.register(20)
	s := f.schedule()
	r := request("unwanted", events.DDrive)
	f.request(r)
	f.until("every outlet has its command", func() bool { return f.queued() == 20 })
	s.detail("1 scan running, 0 of 20 looks")
	cancelled := events.ScanCompleted{ScanID: r.ScanID, ScanDate: r.ScanDate, Modes: r.Modes, Cancelled: true, CancelledBy: "admin"}
	if _, err := f.Log.Write(f.ctx, cancelled, 0); err != nil {
		t.Fatal(err)
	}
	f.nothingUnacknowledged()
	s.detail("no scan running")
	// What was accepted is still looked at, and nothing more.
	p := f.probe(4)
	f.queueEmpties()
	if len(p.seen()) != 20 || len(f.looks()) != 20 {
		t.Errorf("%d commands and %d looks, want 20", len(p.seen()), len(f.looks()))
	}
	if c := f.completed("unwanted"); !c.Cancelled {
		t.Errorf("completed as %+v", c)
	}
}

func TestUnreadableRequestIsDropped(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.schedule()
	if _, err := f.JS.Publish(f.ctx, events.RequestedSubject("bad"), []byte("{")); err != nil {
		t.Fatal(err)
	}
	f.request(request("good", events.DDrive))
	f.completed("good")
	f.nothingUnacknowledged()
}

func TestManyOutlets(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const n = 1000
	f.register(n)
	f.schedule()
	began := time.Now()
	f.request(request("many", events.Modes()...))
	f.until("every outlet has its command", func() bool { return f.queued() == n })
	offered := time.Since(began)
	began = time.Now()
	p := f.probe(64)
	c := f.completed("many")
	t.Logf("%d outlets offered in %v, looked at in both modes in %v", n, offered, time.Since(began))
	if want := (events.ModeCount{Total: n, Successful: n}); c.Counts[events.DDrive] != want || c.Counts[events.IBStorage] != want {
		t.Errorf("completed as %+v", c)
	}
	f.queueEmpties()
	if len(p.seen()) != n {
		t.Errorf("%d commands for %d outlets", len(p.seen()), n)
	}
}

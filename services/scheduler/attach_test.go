package scheduler_test

import (
	"testing"
	"time"

	"backupmonitor/events"
)

// TestAttaching asks for a host, lets something happen, asks for a guest, and
// only then lets schedulers decide, from the log alone.
func TestAttaching(t *testing.T) {
	t.Parallel()
	both := events.Modes()
	for _, c := range []struct {
		name    string
		host    []events.Mode
		between func(f *fixture, host events.ScanRequested)
		guest   []events.Mode
		edit    func(guest *events.ScanRequested)
		want    bool
	}{
		{name: "same modes", host: both, guest: both, want: true},
		{name: "the host covers more modes", host: both, guest: []events.Mode{events.IBStorage}, want: true},
		{name: "the host covers fewer modes", host: []events.Mode{events.DDrive}, guest: both},
		{name: "another mode", host: []events.Mode{events.DDrive}, guest: []events.Mode{events.IBStorage}},
		{name: "another date", host: both, guest: both,
			edit: func(g *events.ScanRequested) { g.ScanDate = "2026-02-21" }},
		{name: "chosen outlets never attach", host: both, guest: both,
			edit: func(g *events.ScanRequested) { g.Outlets = []string{"R0001", "R0002", "R0003"} }},
		{name: "an outlet changed in between", host: both, guest: both,
			between: func(f *fixture, _ events.ScanRequested) {
				f.change("R0002", func(o *events.OutletChanged) { o.Address = "192.0.2.7" })
			}},
		{name: "settings changed in between", host: both, guest: both, want: true,
			between: func(f *fixture, _ events.ScanRequested) {
				if _, err := f.Log.Write(f.ctx, events.SettingsChanged{Policy: policy()}, 0); err != nil {
					f.t.Fatal(err)
				}
			}},
		{name: "the host is completed", host: both, guest: both,
			between: func(f *fixture, h events.ScanRequested) {
				done := events.ScanCompleted{ScanID: h.ScanID, ScanDate: h.ScanDate, Modes: h.Modes, Cancelled: true}
				if _, err := f.Log.Write(f.ctx, done, 0); err != nil {
					f.t.Fatal(err)
				}
			}},
		{name: "the host's deadline has passed", host: both, guest: both,
			edit: func(g *events.ScanRequested) {
				g.RequestedAt, g.Deadline = g.RequestedAt.Add(2*time.Hour), g.Deadline.Add(2*time.Hour)
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.register(3)
			host, guest := request("host", c.host...), request("guest", c.guest...)
			hostSeq := f.request(host)
			if c.between != nil {
				c.between(f, host)
			}
			if c.edit != nil {
				c.edit(&guest)
			}
			f.request(guest)
			f.probe(2)
			f.schedule()
			done, started := f.completed("guest"), f.started("guest")
			if attached := started.AttachedTo == "host"; attached != c.want {
				t.Errorf("guest started as %+v, want attached %v", started, c.want)
			}
			if c.want && (started.HostPosition != hostSeq || started.Position() != hostSeq) {
				t.Errorf("guest counts from %d, want the host's %d", started.Position(), hostSeq)
			}
			for _, m := range guest.Modes {
				if done.Counts[m] != (events.ModeCount{Total: 3, Successful: 3}) {
					t.Errorf("guest completed as %+v", done)
				}
			}
			f.completed("host")
			f.nothingUnacknowledged()
		})
	}
}

// TestAttachedScansAreNoHosts: of three alike the second and the third are
// both attached to the first, and all cost one look.
func TestAttachedScansAreNoHosts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.register(40)
	ids := []string{"first", "second", "third"}
	for _, id := range ids {
		f.request(request(id, events.DDrive))
	}
	f.schedule()
	f.schedule()
	p := f.probe(4)
	for _, id := range ids {
		if c := f.completed(id); c.Counts[events.DDrive] != (events.ModeCount{Total: 40, Successful: 40}) {
			t.Errorf("%s completed as %+v", id, c)
		}
	}
	if a, b, c := f.started("first"), f.started("second"), f.started("third"); a.AttachedTo != "" ||
		b.AttachedTo != "first" || c.AttachedTo != "first" {
		t.Errorf("attached to %q, %q, %q", a.AttachedTo, b.AttachedTo, c.AttachedTo)
	}
	f.queueEmpties()
	if n := len(p.seen()); n != 40 {
		t.Errorf("%d commands for 40 outlets", n)
	}
}

// TestStoredStartHolds: a host that was stored as attached by somebody else is
// no host, whatever the log read alone would say.
func TestStoredStartHolds(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.register(3)
	host := request("odd", events.DDrive)
	seq := f.request(host)
	f.request(request("guest", events.DDrive))
	odd := events.ScanStarted{
		ScanID: "odd", ScanDate: host.ScanDate, Modes: host.Modes, RequestPosition: seq,
		Outlets: []string{"R0001"}, AttachedTo: "elsewhere", HostPosition: seq, Deadline: host.Deadline,
	}
	if _, err := f.Log.Write(f.ctx, odd, 0); err != nil {
		t.Fatal(err)
	}
	f.probe(2)
	f.schedule()
	c := f.completed("guest")
	if got := f.started("guest"); got.AttachedTo != "" || c.Counts[events.DDrive].Total != 3 {
		t.Errorf("guest started as %+v", got)
	}
	// What is stored as started is what is run, too.
	if c := f.completed("odd"); c.Counts[events.DDrive] != (events.ModeCount{Total: 1, Successful: 1}) {
		t.Errorf("odd completed as %+v", c)
	}
}

// TestAttachedEndsWithItsHost: when the host is cancelled, the guest ends as
// cancelled too, with what has been counted.
func TestAttachedEndsWithItsHost(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.register(3)
	host := request("host", events.DDrive)
	f.request(host)
	f.schedule()
	f.request(request("guest", events.DDrive))
	f.started("guest")
	p, release := f.probeHolding(3, func(c events.ProbeCommand) bool { return c.Outlet != "R0001" })
	f.until("one look is there", func() bool { return p.done() == 1 })
	cancelled := events.ScanCompleted{ScanID: "host", ScanDate: host.ScanDate, Modes: host.Modes, Cancelled: true, CancelledBy: "admin"}
	if _, err := f.Log.Write(f.ctx, cancelled, 0); err != nil {
		t.Fatal(err)
	}
	c := f.completed("guest")
	release()
	if c.Counts[events.DDrive] != (events.ModeCount{Total: 3, Successful: 1}) || !c.Cancelled || c.CancelledBy != "admin" || c.Unobserved != 2 {
		t.Errorf("guest completed as %+v", c)
	}
	f.queueEmpties()
}

// TestAttachedExpiresWithItsHost: the host's expired looks are the guest's.
func TestAttachedExpiresWithItsHost(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.register(3)
	f.schedule()
	host := request("host", events.DDrive)
	host.Deadline = host.RequestedAt.Add(2 * time.Second)
	f.request(host)
	f.request(request("guest", events.DDrive))
	c := f.completed("guest")
	if f.started("guest").AttachedTo != "host" {
		t.Fatal("the guest is not attached")
	}
	if want := (events.ModeCount{Total: 3, Failed: 3, NotObserved: 3}); c.Counts[events.DDrive] != want || c.Unobserved != 3 || c.Cancelled {
		t.Errorf("guest completed as %+v", c)
	}
	if n := len(f.looks()); n != 3 {
		t.Errorf("%d expired looks, want the host's 3", n)
	}
	f.probe(1)
	f.queueEmpties()
}

// TestHostsLooksFromBeforeTheGuest: what the host has seen already counts for
// the guest.
func TestHostsLooksFromBeforeTheGuest(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.register(3)
	p, release := f.probeHolding(3, func(c events.ProbeCommand) bool { return c.Outlet == "R0003" })
	f.schedule()
	f.request(request("host", events.DDrive))
	f.until("two looks are there", func() bool { return p.done() == 2 })
	f.request(request("guest", events.DDrive))
	if s := f.started("guest"); s.AttachedTo != "host" {
		t.Errorf("guest started as %+v", s)
	}
	release()
	if c := f.completed("guest"); c.Counts[events.DDrive] != (events.ModeCount{Total: 3, Successful: 3}) || c.Unobserved != 0 {
		t.Errorf("guest completed as %+v", c)
	}
	if n := len(f.looks()); n != 3 {
		t.Errorf("%d looks at 3 outlets", n)
	}
}

// TestNoHostButAnAttachedOne: the host is completed, the scan attached to it
// not yet. A third attaches to neither.
func TestNoHostButAnAttachedOne(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.register(3)
	host := request("host", events.DDrive)
	f.request(host)
	f.request(request("second", events.DDrive))
	first := f.schedule()
	f.started("second")
	first.stop()
	done := events.ScanCompleted{ScanID: "host", ScanDate: host.ScanDate, Modes: host.Modes, Cancelled: true}
	if _, err := f.Log.Write(f.ctx, done, 0); err != nil {
		t.Fatal(err)
	}
	f.request(request("third", events.DDrive))
	f.probe(2)
	f.schedule()
	if c := f.completed("third"); c.Cancelled || c.Counts[events.DDrive] != (events.ModeCount{Total: 3, Successful: 3}) {
		t.Errorf("third completed as %+v", c)
	}
	if c := f.completed("second"); !c.Cancelled {
		t.Errorf("second completed as %+v", c)
	}
	if a, b := f.started("second").AttachedTo, f.started("third").AttachedTo; a != "host" || b != "" {
		t.Errorf("attached to %q and %q", a, b)
	}
}

package scheduler_test

import (
	"fmt"
	"testing"

	"backupmonitor/events"
)

// crowd is how many scans one caller asks for: more than any scheduler runs.
const crowd = 210

// flood asks for a crowd's scans of one outlet in somebody's name.
func (f *fixture) flood(by string) (ids []string) {
	f.t.Helper()
	for i := range crowd {
		r := request(fmt.Sprintf("%s-%d", by, i), events.DDrive)
		r.Outlets, r.RequestedBy = []string{"R0001"}, by
		f.request(r)
		ids = append(ids, r.ScanID)
	}
	return ids
}

// TestOneCallersScansHoldUpNobody: while nobody looks, so that no scan ends, the
// scans of others and of the schedule start behind hundreds of one caller's.
func TestOneCallersScansHoldUpNobody(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.register(2)
	ids := f.flood("ada")
	s := f.schedule()
	s.detail("20 scans running")
	cron, other, cli, public := request("cron", events.Modes()...), request("other", events.DDrive),
		request("cli", events.DDrive), request("public", events.DDrive)
	cron.Trigger = events.TriggerCron
	other.RequestedBy, other.Outlets = "bob", []string{"R0001"}
	cli.Trigger, cli.RequestedBy = events.TriggerCLI, events.ActorCommandLine
	public.Trigger = events.TriggerPublic
	for _, r := range []events.ScanRequested{cron, other, cli, public} {
		f.request(r)
		f.started(r.ScanID)
	}
	s.detail("24 scans running")
	// Every one of the crowd has its turn.
	f.probe(2)
	for _, id := range append(ids, "cron", "other", "cli", "public") {
		if c := f.completed(id); c.Cancelled || c.Unobserved != 0 {
			t.Fatalf("%s completed as %+v", id, c)
		}
	}
	f.queueEmpties()
	f.nothingUnacknowledged()
}

// TestNobodyAttachesToWhatWaits: a full scan that has no place yet is nobody's
// host: not of the schedule's scan, which would wait for its caller's queue, and
// not of those who have the places that it waits for.
func TestNobodyAttachesToWhatWaits(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.register(2)
	var ids []string
	for i := range 20 {
		r := request(fmt.Sprint("resync-", i), events.DDrive)
		r.Outlets, r.RequestedBy = []string{"R0001"}, "ada"
		f.request(r)
		ids = append(ids, r.ScanID)
	}
	s := f.schedule()
	s.detail("20 scans running")
	for i := range 40 {
		r := request(fmt.Sprint("full-", i), events.Modes()...)
		r.RequestedBy = "ada"
		f.request(r)
		ids = append(ids, r.ScanID)
	}
	cron := request("cron", events.Modes()...)
	cron.Trigger = events.TriggerCron
	f.request(cron)
	if got := f.started("cron").AttachedTo; got != "" {
		t.Errorf("the schedule's scan is attached to %s, which waits", got)
	}
	f.until("the schedule's scan has what it can", func() bool { return f.queued() == 2 })
	f.probe(2)
	for _, id := range append(ids, "cron") {
		if c := f.completed(id); c.Cancelled || c.Unobserved != 0 {
			t.Fatalf("%s completed as %+v", id, c)
		}
	}
}

// TestAttachedScansLeaveTheirHostAPlace: after a restart requests come in any order,
// also those of many attached scans before that of their host. All end.
func TestAttachedScansLeaveTheirHostAPlace(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	codes := f.register(2)
	host := request("host", events.DDrive)
	host.RequestedBy = "ada"
	started := events.ScanStarted{
		ScanID: "host", ScanDate: host.ScanDate, Modes: host.Modes, RequestPosition: f.request(host),
		Outlets: codes, Policy: policy(), Deadline: host.Deadline,
	}
	f.starts(started)
	c, err := f.JS.Consumer(f.ctx, events.StreamEvents, events.ConsumerSchedulers)
	if err != nil {
		t.Fatal(err)
	}
	late, err := c.Next()
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{"host"}
	started.AttachedTo, started.HostPosition = "host", started.RequestPosition
	for i := range 50 {
		r := request(fmt.Sprint("guest-", i), events.DDrive)
		r.RequestedBy = "ada"
		started.ScanID, started.RequestPosition = r.ScanID, f.request(r)
		f.starts(started)
		ids = append(ids, r.ScanID)
	}
	s := f.schedule()
	s.detail("19 scans running, 0 of 38 looks")
	if err := late.Nak(); err != nil {
		t.Fatal(err)
	}
	f.probe(2)
	for _, id := range ids {
		if c := f.completed(id); c.Cancelled || c.Counts[events.DDrive] != (events.ModeCount{Total: 2, Successful: 2}) {
			t.Fatalf("%s completed as %+v", id, c)
		}
	}
	f.nothingUnacknowledged()
}

// starts stores what a scheduler that is gone had decided of a scan.
func (f *fixture) starts(s events.ScanStarted) {
	f.t.Helper()
	if _, err := f.Log.Write(f.ctx, s, 0); err != nil {
		f.t.Fatal(err)
	}
}

// TestManyCallersLeaveRoomForTheSchedule: the requests of many who each ask for
// little, as somebody writes them who may write to the log.
func TestManyCallersLeaveRoomForTheSchedule(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.register(1)
	for i := range 200 {
		r := request(fmt.Sprint("r", i), events.DDrive)
		r.Outlets, r.RequestedBy = []string{"R0001"}, fmt.Sprint("somebody", i)
		f.request(r)
	}
	s := f.schedule()
	s.detail("180 scans running")
	cron := request("cron", events.Modes()...)
	cron.Trigger = events.TriggerCron
	f.request(cron)
	f.started("cron")
}

// TestRequestsAreTakenWithoutPauses: requests that come faster than a scheduler
// can take them are all taken at once.
func TestRequestsAreTakenWithoutPauses(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.schedule() // of no outlets at all, so that each scan ends at once
	last := ""
	for i := range 400 {
		r := request(fmt.Sprint("r", i), events.DDrive)
		r.RequestedBy = fmt.Sprint("somebody", i)
		r.Outlets = []string{"R0001"}
		f.request(r)
		last = r.ScanID
	}
	f.completed(last)
	f.nothingUnacknowledged()
}

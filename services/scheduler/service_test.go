package scheduler_test

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/registry"
	"backupmonitor/services/internal/scan"
	"backupmonitor/services/scheduler"
)

func hourly() events.Schedule {
	return events.Schedule{IntervalSeconds: 3600, From: "00:00", To: "24:00", Days: []int{0, 1, 2, 3, 4, 5, 6}}
}

func outletsFile(t *testing.T, lines ...string) func(*scheduler.Config) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "outlets.csv")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(c *scheduler.Config) { c.OutletsFile = path }
}

func TestStartImportsTheFileAndStoresSettings(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.register(1)
	f.schedule(outletsFile(t, "OutletCode,IPAddress,OutletName", "R0001,10.0.0.1,First", "R0002,10.0.0.2,Second"))
	f.until("settings are stored", func() bool {
		s, _, err := registry.Settings(f.ctx, f.Log, 0)
		return err == nil && s.Policy.MaxAgeSeconds == policy().MaxAgeSeconds && !s.ChangedAt.IsZero()
	})
	o, err := registry.Load(f.ctx, f.Log, 0)
	if err != nil {
		t.Fatal(err)
	}
	if e, _ := o.Get("r0002"); o.Len() != 2 || e.Name != "Second" || e.Source != events.SourceFile {
		t.Errorf("outlets are %+v", o.All())
	}
}

func TestSettingsInTheLogStay(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	seq, err := f.Log.Write(f.ctx, events.SettingsChanged{Policy: events.Policy{MaxAgeSeconds: 1}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.schedule()
	f.request(request("empty", events.DDrive))
	f.completed("empty")
	if _, now, err := registry.Settings(f.ctx, f.Log, 0); err != nil || now != seq {
		t.Errorf("settings are at %d (%v), want %d", now, err, seq)
	}
	if age := f.started("empty").Policy.MaxAgeSeconds; age != 1 {
		t.Errorf("the scan's policy has a maximum age of %d", age)
	}
}

func TestBadConfigurationStopsTheStart(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for name, c := range map[string]struct {
		edit func(*scheduler.Config)
		want error
	}{
		"a fault in the file": {outletsFile(t, "OutletCode,IPAddress", "A1,10.0.0.1", "A1,10.0.0.1"), registry.ErrFile},
		"no such file":        {func(c *scheduler.Config) { c.OutletsFile = "absent.csv" }, fs.ErrNotExist},
		"a bad schedule":      {func(c *scheduler.Config) { c.Settings.Schedule = events.Schedule{IntervalSeconds: 1} }, nil},
	} {
		cfg := f.config()
		c.edit(&cfg)
		err := scheduler.New(cfg, f.Log, slog.New(slog.DiscardHandler)).Run(f.ctx)
		if err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: ended with %v", name, err)
		}
	}
	if o, err := registry.Load(f.ctx, f.Log, 0); err != nil || o.Len() != 0 {
		t.Errorf("%d outlets were imported (%v)", o.Len(), err)
	}
}

// TestSchedule: two schedulers make up for the current slot once, and follow
// the settings.
func TestSchedule(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.register(3)
	f.probe(2)
	// A clock at a fixed distance, so that no slot comes while the test runs.
	slot := time.Now().UTC().Truncate(time.Hour)
	skew := time.Until(slot.Add(10 * time.Minute))
	on := func(c *scheduler.Config) {
		c.Now = func() time.Time { return time.Now().Add(skew) }
		c.Settings.Schedule = hourly()
	}
	schedulers := []*running{f.schedule(on), f.schedule(on)}
	f.until("the slot's scan is requested", func() bool {
		_, _, err := scan.Requested(f.ctx, f.Log, scan.CronID(slot))
		return err == nil
	})
	c := f.completed(scan.CronID(slot))
	want := events.ModeCount{Total: 3, Successful: 3}
	if c.Counts[events.DDrive] != want || c.Counts[events.IBStorage] != want || c.ScanDate != events.DateOf(slot, time.UTC) {
		t.Errorf("completed as %+v", c)
	}
	r, _, err := scan.Requested(f.ctx, f.Log, scan.CronID(slot))
	if err != nil || r.Trigger != events.TriggerCron || !r.Full() || r.Deadline.Sub(r.RequestedAt) != time.Hour {
		t.Errorf("requested as %+v (%v)", r, err)
	}
	for _, s := range schedulers {
		s.detail("next one scheduled for " + slot.Add(time.Hour).Format(time.RFC3339))
	}
	f.changeSchedule(events.Schedule{})
	for _, s := range schedulers {
		s.detail("nothing scheduled")
	}
}

func (f *fixture) changeSchedule(s events.Schedule) {
	f.t.Helper()
	now, seq, err := registry.Settings(f.ctx, f.Log, 0)
	if err != nil {
		f.t.Fatal(err)
	}
	now.Schedule, now.Previous = s, seq
	if _, err := f.Log.Write(f.ctx, now, seq); err != nil {
		f.t.Fatal(err)
	}
}

// TestNoScheduledScanInANearlyFullLog: in a nearly full log the slot passes without a
// scan, and the scheduler goes on.
func TestNoScheduledScanInANearlyFullLog(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.register(1)
	if _, err := f.Log.Write(f.ctx, events.SettingsChanged{Policy: policy(), Schedule: hourly()}, 0); err != nil {
		t.Fatal(err)
	}
	id, err := f.Log.Identity(f.ctx)
	if err != nil {
		t.Fatal(err)
	}
	limits := events.Limits{EventsMaxBytes: int64(float64(id.Bytes) / scan.MaxFill), Replicas: 1}
	if err := events.Provision(f.ctx, f.JS, limits); err != nil {
		t.Fatal(err)
	}
	s := f.schedule()
	s.detail("next one scheduled for ")
	if now, err := f.Log.Identity(f.ctx); err != nil || now.LastSeq != id.LastSeq {
		t.Errorf("%d events were stored (%v)", now.LastSeq-id.LastSeq, err)
	}
}

// TestFaultShowsWhileTheConsumerIsGone: whoever takes the consumer away is seen,
// and the scheduler works again when it is back.
func TestFaultShowsWhileTheConsumerIsGone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := f.schedule()
	f.request(request("before", events.DDrive))
	f.completed("before")
	if detail, err := s.Check(f.ctx); err != nil {
		t.Fatal(detail, err)
	}
	if err := f.JS.DeleteConsumer(f.ctx, events.StreamEvents, events.ConsumerSchedulers); err != nil {
		t.Fatal(err)
	}
	f.until("the fault shows", func() bool { _, err := s.Check(f.ctx); return err != nil })
	if err := events.Provision(f.ctx, f.JS, events.Limits{EventsMaxBytes: 256 << 20, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	f.until("the fault is gone", func() bool { _, err := s.Check(f.ctx); return err == nil })
	f.request(request("after", events.DDrive))
	f.completed("after")
}

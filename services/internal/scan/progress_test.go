package scan_test

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"backupmonitor/events"
	"backupmonitor/services/internal/scan"
)

const date = events.Date("2026-02-21")

func started(outlets ...string) events.ScanStarted {
	return events.ScanStarted{
		ScanID: "mine", ScanDate: date, Modes: events.Modes(), RequestPosition: 100, Outlets: outlets,
	}
}

func look(outlet string, m events.Mode, position uint64, cause events.Cause) events.BackupObserved {
	o := events.BackupObserved{
		Outlet: outlet, Mode: m, ScanID: "other", ScanDate: date, RequestPosition: position,
		Verdict: events.Verdict{Status: events.Failed, Cause: cause, Conclusive: cause.Conclusive()},
	}
	if cause == events.CauseOK {
		o.Verdict.Status = events.Successful
	}
	return o
}

func TestWhichLooksCount(t *testing.T) {
	t.Parallel()
	attached := started("A1")
	attached.AttachedTo, attached.HostPosition = "host", 50
	of := func(o events.BackupObserved, scanID string) events.BackupObserved { o.ScanID = scanID; return o }
	dated := look("A1", events.DDrive, 100, events.CauseOK)
	dated.ScanDate = "2026-02-20"
	for _, c := range []struct {
		name    string
		started events.ScanStarted
		look    events.BackupObserved
		want    bool
	}{
		{"asked for at the position", started("A1"), look("A1", events.DDrive, 100, events.CauseOK), true},
		{"asked for later", started("A1"), look("a1 ", events.DDrive, 101, events.CauseStale), true},
		{"asked for before", started("A1"), look("A1", events.DDrive, 99, events.CauseOK), false},
		{"of another date", started("A1"), dated, false},
		{"of another outlet", started("A1"), look("A2", events.DDrive, 100, events.CauseOK), false},
		{"of an unknown mode", started("A1"), look("A1", "tape", 100, events.CauseOK), false},
		{"expired elsewhere", started("A1"), look("A1", events.DDrive, 101, events.CauseExpired), false},
		{"expired here", started("A1"), of(look("A1", events.DDrive, 100, events.CauseExpired), "mine"), true},
		{"timed out elsewhere", started("A1"), look("A1", events.DDrive, 101, events.CauseTimeout), true},
		{"attached: asked for by the host", attached, of(look("A1", events.DDrive, 50, events.CauseOK), "host"), true},
		{"attached: asked for before the host", attached, look("A1", events.DDrive, 49, events.CauseOK), false},
		{"attached: expired for the host", attached, of(look("A1", events.DDrive, 50, events.CauseExpired), "host"), true},
		{"attached: expired here", attached, of(look("A1", events.DDrive, 100, events.CauseExpired), "mine"), true},
		{"attached: expired elsewhere", attached, look("A1", events.DDrive, 100, events.CauseExpired), false},
	} {
		p := scan.NewProgress(c.started)
		if got := p.Apply(c.look); got != c.want || (p.Completed() == 1) != c.want {
			t.Errorf("%s: counted %v, want %v", c.name, got, c.want)
		}
		if p.Apply(c.look) {
			t.Errorf("%s: counted twice", c.name)
		}
	}
}

func TestProgressCounts(t *testing.T) {
	t.Parallel()
	p := scan.NewProgress(started("A1", "A2", "a1"))
	if p.Total() != 4 || p.Completed() != 0 || p.Done() || p.Last() != "" || !slices.Equal(p.Open(), []string{"A1", "A2"}) {
		t.Fatalf("before the first look: %+v, open %v", p.Counts(), p.Open())
	}
	p.Apply(look("A2", events.IBStorage, 100, events.CauseOK))
	if !slices.Equal(p.Missing("a2"), []events.Mode{events.DDrive}) || p.Last() != "A2" || !slices.Equal(p.Missing("A9"), nil) {
		t.Errorf("A2 misses %v", p.Missing("a2"))
	}
	p.Apply(look("A2", events.DDrive, 100, events.CauseStale))
	p.Apply(look("A1", events.DDrive, 100, events.CauseAuthFailed))
	if !slices.Equal(p.Open(), []string{"A1"}) || p.Done() {
		t.Errorf("open are %v", p.Open())
	}
	mine := look("A1", events.IBStorage, 100, events.CauseExpired)
	mine.ScanID = "mine"
	p.Apply(mine)
	want := map[events.Mode]events.ModeCount{
		events.DDrive:    {Total: 2, Failed: 2, NotObserved: 1},
		events.IBStorage: {Total: 2, Successful: 1, Failed: 1, NotObserved: 1},
	}
	if !maps.Equal(p.Counts(), want) || !p.Done() || p.Expired() != 1 || p.Last() != "A1" {
		t.Errorf("counts are %+v, want %+v", p.Counts(), want)
	}
	if sum := p.Sum(); sum != (events.ModeCount{Total: 4, Successful: 1, Failed: 3, NotObserved: 2}) {
		t.Errorf("sum is %+v", sum)
	}
}

func TestProgressOfOneMode(t *testing.T) {
	t.Parallel()
	p := scan.NewProgress(started("A1"), events.IBStorage)
	if p.Apply(look("A1", events.DDrive, 100, events.CauseOK)) || p.Total() != 1 {
		t.Error("the other mode counts")
	}
	if !p.Apply(look("A1", events.IBStorage, 100, events.CauseOK)) || !p.Done() {
		t.Error("the mode does not count")
	}
	d := started("A1")
	d.Modes = d.Modes[:1]
	if p := scan.NewProgress(d, events.IBStorage); !p.Done() || p.Total() != 0 || len(p.Open()) != 0 {
		t.Errorf("of a mode that the scan has not: %+v", p.Counts())
	}
}

func TestSubjects(t *testing.T) {
	t.Parallel()
	few := started("A1", "A 2", "a1")
	few.AttachedTo = "host"
	want := []string{
		"ev.scan.completed.mine", "ev.scan.completed.host", "ev.backup.observed.d_drive.A1",
		"ev.backup.observed.d_drive.A~202",
	}
	if got := scan.Subjects(few, events.DDrive); !slices.Equal(got, want) {
		t.Errorf("subjects are %v, want %v", got, want)
	}
	many := started(make([]string, 33)...)
	for i := range many.Outlets {
		many.Outlets[i] = string(rune('A' + i))
	}
	many.Outlets[32] = "ZZ"
	want = []string{"ev.scan.completed.mine", "ev.backup.observed.d_drive.>", "ev.backup.observed.ib_storage.>"}
	if got := scan.Subjects(many); !slices.Equal(got, want) {
		t.Errorf("subjects are %v, want %v", got, want)
	}
}

// TestProgressAgainstDefinition folds random looks and compares with the
// definition: for each outlet and mode the first look that belongs counts.
func TestProgressAgainstDefinition(t *testing.T) {
	t.Parallel()
	outlets := []string{"A", "B", "C"}
	rapid.Check(t, func(t *rapid.T) {
		s := started(outlets...)
		if rapid.Bool().Draw(t, "attached") {
			s.AttachedTo, s.HostPosition = "host", 98
		}
		looks := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) events.BackupObserved {
			o := look(rapid.SampledFrom([]string{"A", "b", "C", "D"}).Draw(t, "outlet"),
				rapid.SampledFrom(events.Modes()).Draw(t, "mode"), rapid.Uint64Range(97, 101).Draw(t, "position"),
				rapid.SampledFrom(events.Causes()).Draw(t, "cause"))
			o.ScanID = rapid.SampledFrom([]string{"mine", "host", "other"}).Draw(t, "scan")
			return o
		}), 0, 40).Draw(t, "looks")
		p, completed := scan.NewProgress(s), 0
		for _, o := range looks {
			if p.Apply(o) {
				completed++
			}
		}
		for _, m := range events.Modes() {
			want := events.ModeCount{Total: len(outlets)}
			for _, outlet := range outlets {
				i := slices.IndexFunc(looks, func(o events.BackupObserved) bool {
					own := o.ScanID == "mine" || s.AttachedTo != "" && o.ScanID == "host"
					return events.Key(o.Outlet) == outlet && o.Mode == m && o.RequestPosition >= s.Position() &&
						(o.Verdict.Cause != events.CauseExpired || own)
				})
				if missing := slices.Contains(p.Missing(outlet), m); missing != (i < 0) {
					t.Fatalf("%s missing in %s: %v", outlet, m, missing)
				}
				switch {
				case i < 0:
				case looks[i].Verdict.Status == events.Successful:
					want.Successful++
				default:
					want.Failed++
					if !looks[i].Verdict.Conclusive {
						want.NotObserved++
					}
				}
			}
			if p.Count(m) != want {
				t.Fatalf("%s counts %+v, want %+v", m, p.Count(m), want)
			}
		}
		if p.Completed() != completed || p.Done() != (completed == p.Total()) || p.Done() != (len(p.Open()) == 0) {
			t.Fatalf("completed %d of %d, done %v, open %v", p.Completed(), p.Total(), p.Done(), p.Open())
		}
	})
}

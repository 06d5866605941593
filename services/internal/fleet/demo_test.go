package fleet_test

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/fleet"
)

func TestDemo(t *testing.T) {
	t.Parallel()
	specs := fleet.Demo(2000, 42, sample)
	if again := fleet.Demo(2000, 42, sample); fmt.Sprint(presets(again)) != fmt.Sprint(presets(specs)) ||
		!reflect.DeepEqual(again[7].Truth, specs[7].Truth) {
		t.Error("the same seed gives another fleet")
	}
	if other := fleet.Demo(2000, 43, sample); fmt.Sprint(presets(other)) == fmt.Sprint(presets(specs)) {
		t.Error("another seed gives the same fleet")
	}
	count := map[fleet.Preset]int{}
	names := map[string]bool{}
	for i, spec := range specs {
		if want := fmt.Sprintf("B%04d", i+1); spec.Code != want {
			t.Fatalf("outlet %d is called %s, want %s", i, spec.Code, want)
		}
		count[spec.Preset]++
		names[spec.Name] = true
		if _, ok := spec.Truth.Drive(fleet.DShare); spec.Preset == fleet.Good && (!ok || len(spec.Truth.Drives) != 2) {
			t.Errorf("good outlet %s has drives %v", spec.Code, spec.Truth.Drives)
		}
	}
	if count[fleet.Good] != 1860 || len(count) != len(fleet.Presets()) || len(names) < 50 {
		t.Errorf("mixture %v, %d names", count, len(names))
	}
}

func presets(specs []fleet.Spec) []fleet.Preset {
	var all []fleet.Preset
	for _, spec := range specs {
		all = append(all, spec.Preset)
	}
	return all
}

// TestNightly holds the backups of a fortnight against the clock, all day long.
func TestNightly(t *testing.T) {
	t.Parallel()
	spec := fleet.New(fleet.Plan{Code: "B0001", Seed: 9, Now: sample()})
	share := spec.Expected[events.IBStorage].Share
	for hour := range 72 {
		now := sample().Add(time.Duration(hour) * time.Hour)
		for _, share := range []string{fleet.DShare, share} {
			files := spec.Truth.Files(share, fleet.BackupFolder, now)
			newest := files[len(files)-1]
			if age := now.Add(spec.Truth.ClockOffset).Sub(newest.Modified); age < 0 || age > 25*time.Hour || len(files) != 14 {
				t.Errorf("at %s the newest of %d backups is %s old", now, len(files), age)
			}
			if newest.Size < 8e8 || newest.Size > 43e8 || newest.Name != "DB_B0001_"+newest.Created.Format("20060102")+".bak" {
				t.Errorf("%+v", newest)
			}
			if again := spec.Truth.Files(share, fleet.BackupFolder, now.Add(time.Minute)); again[0] != files[0] && again[0] != files[1] {
				t.Errorf("a minute later the oldest is %+v", again[0])
			}
		}
	}
}

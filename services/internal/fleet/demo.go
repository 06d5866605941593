package fleet

import (
	"fmt"
	"math/rand/v2"
	"time"

	"backupmonitor/events"
)

// Demo describes n outlets, B0001 and so on: about 93 in a hundred are good, the others are spread over all presets.
// The same seed and time give the same outlets. now is the right time; it is asked once.
func Demo(n int, seed uint64, now func() time.Time) []Spec {
	vary := rand.New(rand.NewPCG(seed, uint64(n)))
	begin := now().UTC()
	presets := make([]Preset, n)
	troubles := Presets()[1:]
	for k, i := range vary.Perm(n) {
		presets[i] = Good
		if k < (7*n+99)/100 {
			presets[i] = troubles[k%len(troubles)]
		}
	}
	specs := make([]Spec, n)
	for i, preset := range presets {
		plan := Plan{Code: fmt.Sprintf("B%04d", i+1), Preset: preset, Seed: vary.Uint64(), Now: begin}
		switch vary.IntN(3) {
		case 0:
			plan.Modes = []events.Mode{events.DDrive}
		case 1:
			plan.Modes = []events.Mode{events.IBStorage}
		}
		if preset == DriveMissing && vary.IntN(5) > 0 {
			plan.Modes = []events.Mode{events.IBStorage} // drive D is hardly ever pulled out
		}
		specs[i] = New(plan)
	}
	return specs
}

// placeName makes up the name of an outlet.
func placeName(vary *rand.Rand) string {
	places := [...]string{
		"Market Square", "Station Road", "Harbour Street", "Mill Lane", "Castle Hill", "Park Avenue", "Old Bridge",
		"North Gate", "River Walk", "Church Street", "Garden Court", "High Street", "Lake Side", "Forest Edge",
		"Town Hall", "Airport", "University", "Brewery Yard", "Glass Works", "Rose Valley",
	}
	kinds := [...]string{"Outlet", "Store", "Shop", "Depot", "Branch"}
	return fmt.Sprintf("%s %s", places[vary.IntN(len(places))], kinds[vary.IntN(len(kinds))])
}

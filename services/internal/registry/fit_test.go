package registry_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"backupmonitor/events"
	"backupmonitor/services/internal/registry"
)

// As many outlets as fit are those that one ScanStarted can name; who has more
// already may become fewer.
func TestFit(t *testing.T) {
	t.Parallel()
	rows := func(n int) (all []registry.OutletRow) {
		for i := range n {
			all = append(all, registry.OutletRow{Code: fmt.Sprintf("%s%05d", strings.Repeat("ä", 45), i), Address: "10.0.0.1"})
		}
		return all
	}
	changes := func(n int) []registry.Change { return registry.Diff(registry.Outlets{}, rows(n), events.SourceUser) }
	most := 0
	for n := 1 << 13; n > 0; n /= 2 {
		if (registry.Outlets{}).Fit(changes(most+n)...) == nil {
			most += n
		}
	}
	started := events.ScanStarted{ScanID: strings.Repeat("x", 100), Modes: events.Modes(), Policy: events.Policy{Patterns: make([]string, 20)}}
	for _, c := range changes(most) {
		started.Outlets = append(started.Outlets, c.Outlet.Code)
	}
	b, err := json.Marshal(started)
	if err != nil || len(b) > 1<<20 || len(b) < 800_000 {
		t.Errorf("%d outlets fit, in %d bytes, %v", most, len(b), err)
	}
	if err := (registry.Outlets{}).Fit(changes(most + 1)...); !errors.Is(err, registry.ErrTooMany) {
		t.Errorf("%d outlets: %v", most+1, err)
	}
	retired := changes(most + 1)
	retired[0].Outlet.Active = false
	if err := (registry.Outlets{}).Fit(retired...); err != nil {
		t.Errorf("one of them is retired: %v", err)
	}
}

package registry_test

import (
	"strings"
	"testing"

	"backupmonitor/events"
	"backupmonitor/services/internal/registry"
)

// FuzzOutletsFile: any file is read, every row of it can be an outlet, or it is
// refused with its faults.
func FuzzOutletsFile(f *testing.F) {
	for _, seed := range []string{
		"", "OutletCode,IPAddress\n", "OutletCode,IPAddress\nS1,10.0.0.1\n", "\ufeffoutletcode;ipaddress;outletname;activedepot\nS1;shop.example:4450;=1+1;N\n",
		"IPAddress,OutletCode\n10.0.0.1,S1\n10.0.0.1,s1\n", "OutletCode,IPAddress\n\"S1,10.0.0.1\n", "OutletCode,IPAddress\n\"S\n1\",10.0.0.1\n",
		"OutletCode,IPAddress,X\n", "OutletCode,OutletCode,IPAddress\n", "\xff\xfeO", "OutletCode,IPAddress\r\nS1,::1\r\n\r\n,\r\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rows, err := registry.ParseFile(strings.NewReader(text))
		if err != nil {
			if rows != nil {
				t.Errorf("rows of a file with faults: %v", err)
			}
			return
		}
		seen := map[string]bool{}
		for _, r := range rows {
			o := events.OutletChanged{Code: r.Code, Address: r.Address}
			if r.Name != nil {
				o.Name = *r.Name
			}
			if clean, err := registry.Clean(o); err != nil || clean != o {
				t.Errorf("%+v is no outlet: %v", r, err)
			}
			if seen[events.Key(r.Code)] {
				t.Errorf("%q comes twice", r.Code)
			}
			seen[events.Key(r.Code)] = true
		}
	})
}

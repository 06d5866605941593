package peer

import (
	"net/http"
	"net/netip"
	"testing"
)

// FuzzForwarded: whatever stands in the header, the address is one.
func FuzzForwarded(f *testing.F) {
	for _, seed := range []string{"", "203.0.113.9", ",,,", "fe80::1%eth0", "[::1]:80, 10.0.0.1", "<script>", "10.0.0.1, 10.0.0.2\x00"} {
		f.Add(seed)
	}
	trust, err := ParseTrust([]string{"10.0.0.0/8"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, header string) {
		a := trust.Address(&http.Request{RemoteAddr: "10.0.0.1:80", Header: http.Header{"X-Forwarded-For": {header}}})
		if _, err := netip.ParseAddr(a); err != nil {
			t.Errorf("%q gives %q", header, a)
		}
		Group(a)
	})
}

package peer

import (
	"crypto/tls"
	"net/http"
	"testing"
)

func TestOnlyTrustedProxiesAreBelieved(t *testing.T) {
	t.Parallel()
	trust, err := ParseTrust([]string{"10.0.0.0/8", "192.0.2.7", "2001:db8::/32"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		remote    string
		forwarded []string
		want      string
	}{
		{"198.51.100.1:5000", nil, "198.51.100.1"},
		{"198.51.100.1:5000", []string{"203.0.113.9"}, "198.51.100.1"}, // nobody that we trust says so
		{"10.1.2.3:5000", nil, "10.1.2.3"},
		{"10.1.2.3:5000", []string{"203.0.113.9"}, "203.0.113.9"},
		{"10.1.2.3:5000", []string{"127.0.0.1, 203.0.113.9"}, "203.0.113.9"}, // the first is the client's own invention
		{"10.1.2.3:5000", []string{"127.0.0.1", "203.0.113.9, 192.0.2.7"}, "203.0.113.9"},
		{"10.1.2.3:5000", []string{"203.0.113.9, <script>"}, "10.1.2.3"},
		{"10.1.2.3:5000", []string{"<script>, 203.0.113.9"}, "203.0.113.9"},
		{"10.1.2.3:5000", []string{"10.9.9.9, 10.8.8.8"}, "10.9.9.9"},
		{"10.1.2.3:5000", []string{"203.0.113.9:4711"}, "203.0.113.9"},
		{"[::ffff:10.1.2.3]:5000", []string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		{"[2001:db8::1]:5000", []string{"[2a00::1]:99"}, "2a00::1"},
		{"192.0.2.8:1", []string{"203.0.113.9"}, "192.0.2.8"},
		{"@", []string{"203.0.113.9"}, "@"},
	} {
		r := &http.Request{RemoteAddr: c.remote, Header: http.Header{"X-Forwarded-For": c.forwarded}}
		if got := trust.Address(r); got != c.want {
			t.Errorf("%s with %q is %s and not %s", c.remote, c.forwarded, got, c.want)
		}
		if got := (Trust{}).Address(r); c.remote == "10.1.2.3:5000" && got != "10.1.2.3" {
			t.Errorf("nobody is trusted, but %q counts: %s", c.forwarded, got)
		}
	}
}

func TestWhoIsSecure(t *testing.T) {
	t.Parallel()
	trust, err := ParseTrust([]string{"10.0.0.5"})
	if err != nil {
		t.Fatal(err)
	}
	https := http.Header{"X-Forwarded-Proto": {"https"}}
	for want, rs := range map[bool][]*http.Request{
		true:  {{RemoteAddr: "10.0.0.5:1", Header: https}, {RemoteAddr: "1.2.3.4:1", TLS: &tls.ConnectionState{}}},
		false: {{RemoteAddr: "10.0.0.6:1", Header: https}, {RemoteAddr: "10.0.0.5:1"}, {RemoteAddr: "10.0.0.5:1", Header: http.Header{"X-Forwarded-Proto": {"http"}}}},
	} {
		for _, r := range rs {
			if trust.Secure(r) != want {
				t.Errorf("%+v is secure: %t", r, !want)
			}
		}
	}
}

func TestTrustIsSpelledRight(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "localhost", "10.0.0.0/33", "10.0.0.0-10.0.0.9"} {
		if _, err := ParseTrust([]string{bad}); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestGroups(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"203.0.113.9": "203.0.113.9", "2a00:1:2:3:4:5:6:7": "2a00:1:2:3::/64", "@": "@",
	} {
		if got := Group(address); got != want {
			t.Errorf("%s counts as %s and not %s", address, got, want)
		}
	}
}

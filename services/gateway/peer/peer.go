// Package peer tells who is at the other end of a request, also behind proxies
// that are trusted to say so.
package peer

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// Trust is the proxies whose word is taken. The zero value trusts none.
type Trust struct{ proxies []netip.Prefix }

// ParseTrust reads addresses and networks, as 10.0.0.5 or 10.0.0.0/8.
func ParseTrust(list []string) (Trust, error) {
	var t Trust
	for _, s := range list {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			a, aerr := netip.ParseAddr(s)
			if aerr != nil {
				return Trust{}, fmt.Errorf("%q is neither an address nor a network, as 10.0.0.5 or 10.0.0.0/8", s)
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		t.proxies = append(t.proxies, p.Masked())
	}
	return t, nil
}

// Trusts tells whether the word of who connects from there is taken.
func (t Trust) Trusts(a netip.Addr) bool { return t.trusts(a.Unmap().WithZone("")) }

func (t Trust) trusts(a netip.Addr) bool {
	for _, p := range t.proxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// Address is the client's: of the connection, or where that is a trusted
// proxy's, the last one in X-Forwarded-For that is no trusted proxy's. What
// stands before that one anybody can have written.
func (t Trust) Address(r *http.Request) string {
	connection, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	client := connection.Addr().Unmap().WithZone("")
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && t.trusts(client); i-- {
		hop, err := parseHop(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		client = hop
	}
	return client.String()
}

// parseHop reads an address, which some proxies write with a port.
func parseHop(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil {
		ap, perr := netip.ParseAddrPort(s)
		if perr != nil {
			return a, err
		}
		a = ap.Addr()
	}
	return a.Unmap().WithZone(""), nil
}

// Secure tells whether the client's end of the connection is encrypted: here,
// or as a trusted proxy says.
func (t Trust) Secure(r *http.Request) bool {
	if r.TLS != nil {
		return true
	}
	connection, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && t.trusts(connection.Addr().Unmap()) && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

// Group is what is counted as one client: an IPv4 address, or the IPv6 network
// of 64 bits that one customer has at the least.
func Group(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil || a.Is4() {
		return address
	}
	p, err := a.Prefix(64)
	if err != nil {
		return address
	}
	return p.String()
}

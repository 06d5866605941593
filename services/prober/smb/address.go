package smb

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// dialAddress adds the port to an address that has none. IPv6 addresses may
// stand with or without brackets.
func dialAddress(address string, port int) (host, hostPort string, err error) {
	address = strings.TrimSpace(address)
	bare := address
	if inner, ok := strings.CutPrefix(address, "["); ok && strings.HasSuffix(inner, "]") {
		bare = strings.TrimSuffix(inner, "]")
	}
	if _, err := netip.ParseAddr(bare); err == nil && !strings.Contains(bare, "]") {
		return bare, net.JoinHostPort(bare, strconv.Itoa(port)), nil
	}
	if strings.Contains(address, ":") {
		host, p, err := net.SplitHostPort(address)
		if err != nil || host == "" {
			return "", "", fmt.Errorf("%q is not an address", address)
		}
		return host, net.JoinHostPort(host, p), nil
	}
	if address == "" {
		return "", "", fmt.Errorf("the outlet has no address")
	}
	if strings.ContainsAny(address, `[]\/ `) {
		return "", "", fmt.Errorf("%q is not an address", address)
	}
	return address, net.JoinHostPort(address, strconv.Itoa(port)), nil
}

// uncHost writes a host as UNC paths have it: Windows knows an IPv6 address in
// them, which may have no colons, as a name under ipv6-literal.net.
func uncHost(host string) string {
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is6() {
		return strings.NewReplacer(":", "-", "%", "s").Replace(host) + ".ipv6-literal.net"
	}
	return host
}

// uncShare is a share of a host as a UNC path.
func uncShare(host, share string) string {
	return `\\` + uncHost(host) + `\` + strings.Trim(share, `\/`)
}

// folderPath is a folder as the client wants it: relative, with backslashes.
func folderPath(folder string) string {
	return strings.Trim(strings.ReplaceAll(folder, "/", `\`), `\`)
}

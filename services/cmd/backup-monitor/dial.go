package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"github.com/nats-io/nats.go"
)

// dial connects to NATS_URL. Over a network it takes TLS wherever the server has it by
// then, also with nats://: by itself the client would do so only where the server
// insists, which that of `up` does not, and the password would cross in the clear.
// Reconnects go as the first connection did.
func dial(address string, options ...nats.Option) (*nats.Conn, error) {
	if staysHere(address) {
		return nats.Connect(address, options...)
	}
	return dialSecure(address, options...)
}

// dialSecure goes without TLS only where nats:// says so and the server has none. No
// password is sent before that is known.
func dialSecure(address string, options ...nats.Option) (*nats.Conn, error) {
	nc, err := nats.Connect(address, append([]nats.Option{nats.Secure()}, options...)...)
	if errors.Is(err, nats.ErrSecureConnWanted) && !strings.HasPrefix(address, "tls://") {
		return nats.Connect(address, options...)
	}
	if bad, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return nil, fmt.Errorf("the server has TLS, and its certificate is not trusted here: "+
			"name the host as the certificate does, and in SSL_CERT_FILE, in the environment, the authority that signed it: %w", bad)
	}
	return nc, err
}

// staysHere tells whether an address is on this machine.
func staysHere(address string) bool {
	if !strings.Contains(address, "://") {
		address = "nats://" + address
	}
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return err == nil && ip.Unmap().IsLoopback() || strings.EqualFold(u.Hostname(), "localhost")
}

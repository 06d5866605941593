package main

import (
	"crypto/tls"
	"crypto/x509"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// natsWith runs a server that has TLS where certificates are given, and insists on it
// for nobody, as that of `up` does.
func natsWith(t *testing.T, certificates []tls.Certificate) (address string) {
	t.Helper()
	o := &server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, AllowNonTLS: true}
	if certificates != nil {
		o.TLSConfig, o.TLSTimeout = &tls.Config{Certificates: certificates, MinVersion: tls.VersionTLS12}, patience.Seconds()
	}
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(patience) {
		t.Fatal("the NATS server did not become ready")
	}
	return strings.Replace(s.ClientURL(), "tls://", "nats://", 1)
}

// With nats:// too, what crosses a network is encrypted where the server has TLS, and
// nothing is said to one whose certificate is not trusted.
func TestDialTakesTLSWhereThereIsSome(t *testing.T) {
	t.Parallel()
	known := httptest.NewTLSServer(nil) // has a certificate for 127.0.0.1
	defer known.Close()
	trusting := func(o *nats.Options) error {
		roots := x509.NewCertPool()
		roots.AddCert(known.Certificate())
		o.TLSConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
		return nil
	}
	with, without := natsWith(t, known.TLS.Certificates), natsWith(t, nil)
	for name, c := range map[string]struct {
		address   string
		options   []nats.Option
		encrypted bool
		refusal   string
	}{
		"TLS":                 {with, []nats.Option{trusting}, true, ""},
		"TLS of who knows":    {with, nil, false, "SSL_CERT_FILE"},
		"no TLS":              {without, nil, false, ""},
		"no TLS, but tls://":  {strings.Replace(without, "nats://", "tls://", 1), nil, false, "secure connection not available"},
		"TLS without scheme":  {strings.TrimPrefix(with, "nats://"), []nats.Option{trusting}, true, ""},
		"no TLS nor a scheme": {strings.TrimPrefix(without, "nats://"), nil, false, ""},
	} {
		nc, err := dialSecure(c.address, c.options...)
		if c.refusal != "" {
			if err == nil || !strings.Contains(err.Error(), c.refusal) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := nc.TLSConnectionState(); (err == nil) != c.encrypted {
			t.Errorf("%s: encrypted %t", name, err == nil)
		}
		nc.Close()
	}
	plain, err := dial(with) // it does not leave the machine
	if err != nil {
		t.Fatal(err)
	}
	plain.Close()
}

func TestWhatStaysHere(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"nats://u:p@127.0.0.1:4222": true, "nats://[::1]:4222": true, "nats://[::ffff:127.0.0.1]:4222": true, "localhost:4222": true,
		"nats://localhost": true, "nats://u:p@10.0.0.1:4222": false, "nats://monitor.example:4222": false, "10.0.0.1:4222": false,
		"nats://localhost.example": false, "nats://[": false,
	} {
		if got := staysHere(address); got != want {
			t.Errorf("%s: %t", address, got)
		}
	}
}

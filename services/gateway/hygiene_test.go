package gateway_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"backupmonitor/services/gateway"
	"backupmonitor/services/internal/natstest"
	"backupmonitor/services/internal/store/sqlitetest"
)

// certificate writes one for localhost, of a serial number of its own.
func certificate(t *testing.T, cert, key string, serial int64) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// Under TLS everything works, streams included, over HTTP/2 too; browsers are
// told to stay with it; and a renewed certificate needs no restart.
func TestTLS(t *testing.T) {
	t.Parallel()
	var c clock
	var cert, key string
	e := withTLS(t, func(cfg *gateway.Config) {
		cfg.ScanPublic, cfg.Now = true, c.now
		cert, key = cfg.TLSCert, cfg.TLSKey
	})
	client := overHTTP2(t)
	get := func() (*http.Response, string) {
		t.Helper()
		res, err := client.Get(e.url + "/livez")
		if err != nil {
			t.Fatal(err)
		}
		defer closeBody(t, res)
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res, string(body)
	}
	res, body := get() //nolint:bodyclose // get has closed it
	if res.ProtoMajor != 2 || !strings.Contains(body, "ok") || res.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("HTTP/%d, %s, %v", res.ProtoMajor, body, res.Header)
	}
	if serial := res.TLS.PeerCertificates[0].SerialNumber.Int64(); serial != 1 {
		t.Errorf("serial %d", serial)
	}
	stream, err := client.Get(e.url + prefix + "/backup-status/scan")
	if err != nil {
		t.Fatal(err)
	}
	defer closeBody(t, stream)
	if line, err := bufio.NewReader(stream.Body).ReadString('\n'); err != nil || !strings.HasPrefix(line, "retry:") {
		t.Errorf("a stream says %q, %v", line, err)
	}
	if _, err := tls.Dial("tcp", e.gateway.Addr().String(), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}); err == nil { //nolint:gosec // it must be refused
		t.Error("an outdated version of TLS is taken")
	}
	serials := func(want int64) {
		t.Helper()
		c.turn(2 * time.Minute)
		conn, err := tls.Dial("tcp", e.gateway.Addr().String(), &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // the test's own certificate
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if got := conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64(); got != want {
			t.Errorf("the certificate has serial %d and not %d", got, want)
		}
	}
	certificate(t, cert, key, 2)
	later := time.Now().Add(time.Minute)
	if err := os.Chtimes(cert, later, later); err != nil {
		t.Fatal(err)
	}
	serials(2)
	if err := os.WriteFile(cert, []byte("half a fi"), 0o600); err != nil {
		t.Fatal(err)
	}
	serials(2) // one that cannot be read leaves the one before
}

// withTLS is a gateway of a certificate that nobody has signed, running.
func withTLS(t *testing.T, change func(*gateway.Config)) *env {
	t.Helper()
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certificate(t, cert, key, 1)
	n, st := natstest.Start(t), sqlitetest.Open(t)
	cfg := gateway.Config{Addr: "127.0.0.1:0", JWTSecret: secret, TokenLifetime: time.Hour, BcryptCost: 4, TLSCert: cert, TLSKey: key}
	change(&cfg)
	g, err := gateway.New(cfg, n.Log, st, fstest.MapFS{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	e := &env{nats: n, store: st, gateway: g, url: "https://" + g.Addr().String()}
	e.run(t)
	return e
}

// overHTTP2 is a client that speaks it where the server does, and takes any
// certificate.
func overHTTP2(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true} //nolint:gosec // the test's own certificate
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: limit}
}

func TestTLSThatCannotBe(t *testing.T) {
	t.Parallel()
	n, st := natstest.Start(t), sqlitetest.Open(t)
	g, err := gateway.New(gateway.Config{
		Addr: "127.0.0.1:0", JWTSecret: secret, TokenLifetime: time.Hour, BcryptCost: 4, TLSCert: "/nowhere/cert.pem", TLSKey: "/nowhere/key.pem",
	}, n.Log, st, fstest.MapFS{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "TLS_CERT") {
		t.Errorf("%v", err)
	}
}

// Behind a proxy that is trusted, its word counts for the address and for TLS;
// anybody else's does not.
func TestBehindAProxy(t *testing.T) {
	t.Parallel()
	said := http.Header{"X-Forwarded-For": {"203.0.113.9"}, "X-Forwarded-Proto": {"https"}}
	for trusted, want := range map[string]string{"127.0.0.1": "203.0.113.9", "10.0.0.0/8": "127.0.0.1"} {
		e := start(t, func(s *setup) { s.cfg.TrustedProxies = []string{trusted} })
		res := e.plain(t, http.MethodGet, "/api/v1/openapi.yaml", said)
		if hsts := res.header.Get("Strict-Transport-Security") != ""; hsts != (want == "203.0.113.9") {
			t.Errorf("trusting %s, HSTS is sent: %t", trusted, hsts)
		}
		eventually(t, "the request is logged", func() bool {
			return strings.Contains(e.logs.String(), fmt.Sprintf(`"address":%q`, want))
		})
	}
}

// What clients send stands in the log as data, never as a line of its own, and
// no secret does.
func TestTheLogCannotBeForged(t *testing.T) {
	t.Parallel()
	e := start(t)
	ticket := e.ticket(t, e.support)
	s := e.listen(t, call{path: "/events?ticket=" + ticket})
	s.close()
	forged := "\n{\"level\":\"ERROR\",\"msg\":\"forged\"}\r\n\x1b[31m"
	for _, c := range []call{
		login("admin"+forged, forged), {path: "/outlets/%0A%7B%22level%22", token: e.admin}, {path: "/" + strings.Repeat("x", 5000)},
		{path: "/outlets", header: map[string]string{"User-Agent": "forged\t", "Authorization": "Bearer secret-in-a-header"}},
		{path: "/outlets?password=hunter2"},
	} {
		r := e.request(t.Context(), t, c)
		res, err := e.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		closeBody(t, res)
	}
	eventually(t, "the last request is logged", func() bool { return strings.Count(e.logs.String(), `"msg":"request"`) == 9 })
	logs := e.logs.String()
	for line := range strings.Lines(logs) {
		if !strings.HasPrefix(line, `{"time":`) || len(line) > 2000 {
			t.Errorf("a line of its own: %.300q", line)
		}
	}
	for _, never := range []string{ticket, e.support, "secret-in-a-header", "hunter2", "\x1b"} {
		if strings.Contains(logs, never) {
			t.Errorf("the log holds %q", never)
		}
	}
}

// One address and one user have only so many streams.
func TestStreamsAreCapped(t *testing.T) {
	t.Parallel()
	e := start(t)
	for range 32 {
		s := e.listen(t, call{path: "/events", token: e.support})
		defer s.close()
	}
	get[failure](t, e, http.StatusTooManyRequests, call{path: "/events", token: e.support})
	s := e.listen(t, call{path: "/events", token: e.admin})
	s.close()
}

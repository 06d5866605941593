package gateway_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"backupmonitor/services/gateway"
	"backupmonitor/services/internal/natstest"
)

// Whoever makes requests over HTTP/2 only to take them back has no more of them worked
// on than somebody who waits for the answers, loses the connection, and keeps nobody
// else from theirs.
func TestRequestsThatAreTakenBack(t *testing.T) {
	t.Parallel()
	const most, connections, requests = 100, 3, 5000
	var now, peak atomic.Int64
	release := make(chan struct{})
	g := withTLS(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for p := peak.Load(); n > p && !peak.CompareAndSwap(p, n); p = peak.Load() {
		}
		<-release
	}))
	config := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}} //nolint:gosec // the test's own certificate
	for range connections {
		conn, err := tls.Dial("tcp", g.Addr().String(), config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() }) // the server has
		if err := conn.SetDeadline(time.Now().Add(limit)); err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = conn.Write(takenBack(requests)) }() // the server may not read to the end
		if _, err := io.Copy(io.Discard, conn); isTimeout(err) {
			t.Fatalf("after %d resets the connection is open", requests)
		}
	}
	eventually(t, "the first requests are worked on", func() bool { return now.Load() == connections*most })
	transport := &http.Transport{TLSClientConfig: config.Clone(), ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport, Timeout: limit}).Get("https://" + g.Addr().String() + "/livez")
	if err != nil {
		t.Fatal(err)
	}
	closeBody(t, res)
	if res.StatusCode != http.StatusOK || res.ProtoMajor != 2 {
		t.Errorf("another client gets %s over HTTP/%d", res.Status, res.ProtoMajor)
	}
	close(release)
	eventually(t, "none is worked on", func() bool { return now.Load() == 0 })
	if n := peak.Load(); n != connections*most {
		t.Errorf("%d requests of %d connections were worked on at once", n, connections)
	}
}

func isTimeout(err error) bool {
	e, ok := err.(interface{ Timeout() bool })
	return ok && e.Timeout()
}

// withTLS is a gateway that serves HTTP/2, and something of ours at /metrics.
func withTLS(t *testing.T, metrics http.Handler) *gateway.Gateway {
	t.Helper()
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certificate(t, cert, key, 1)
	n, st := natstest.Start(t), openStore(t)
	g, err := gateway.New(gateway.Config{
		Addr: "127.0.0.1:0", JWTSecret: secret, TokenLifetime: time.Hour, BcryptCost: 4, TLSCert: cert, TLSKey: key, Metrics: metrics,
	}, n.Log, st, fstest.MapFS{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	(&env{nats: n, store: st, gateway: g}).run(t)
	return g
}

// takenBack is what a client of HTTP/2 sends that asks for /metrics so many times, and
// takes each back at once.
func takenBack(requests int) []byte {
	const settings, headers, rstStream, endOfAll = 4, 1, 3, 1 | 4
	b := bytes.NewBufferString("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	frame := func(kind, flags byte, stream uint32, payload []byte) {
		head := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind)) //nolint:gosec // short
		b.Write(binary.BigEndian.AppendUint32(append(head, flags), stream))
		b.Write(payload)
	}
	frame(settings, 0, 0, nil)
	// GET and https by their numbers in the table of HPACK, authority and path spelt out.
	ask := append([]byte{0x82, 0x87, 0x01, 1, 'x', 0x04, byte(len("/metrics"))}, "/metrics"...)
	for i := range uint32(requests) { //nolint:gosec // few
		frame(headers, endOfAll, 2*i+1, ask)
		frame(rstStream, 0, 2*i+1, []byte{0, 0, 0, 8}) // CANCEL
	}
	return b.Bytes()
}

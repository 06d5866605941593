package gateway_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"backupmonitor/services/gateway"
	"backupmonitor/services/gateway/sse"
)

// Whoever makes requests over HTTP/2 only to take them back has no more of them worked
// on than somebody who waits for the answers, loses the connection, and keeps nobody
// else from theirs.
func TestRequestsThatAreTakenBack(t *testing.T) {
	t.Parallel()
	const most, connections, requests = 100, 3, 5000
	var now, peak atomic.Int64
	release := make(chan struct{})
	e := withTLS(t, serving(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for p := peak.Load(); n > p && !peak.CompareAndSwap(p, n); p = peak.Load() {
		}
		<-release
	})))
	for range connections {
		conn := dialHTTP2(t, e)
		go func() { _, _ = conn.Write(takenBack(requests)) }() // the server may not read to the end
		if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("after %d resets the connection is open", requests)
		}
	}
	eventually(t, "the first requests are worked on", func() bool { return now.Load() == connections*most })
	res, err := overHTTP2(t).Get(e.url + "/livez")
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

// What no handler sees costs reading all the same, and is read at a pace.
func TestFramesAreReadAtAPace(t *testing.T) {
	t.Parallel()
	conn := dialHTTP2(t, withTLS(t, serving(nil)))
	const priority, settings, ping = 2, 4, 6
	sent := bytes.NewBufferString(preface)
	frame(sent, settings, 0, 0, nil)
	for sent.Len() < 4<<20 {
		frame(sent, priority, 0, 1, []byte{0, 0, 0, 3, 9})
	}
	frame(sent, ping, 0, 0, make([]byte, 8))
	began := time.Now()
	go func() { _, _ = conn.Write(sent.Bytes()) }()
	for head := make([]byte, 9); ; {
		if _, err := io.ReadFull(conn, head); err != nil {
			t.Fatalf("before the ping was answered: %v", err)
		}
		length := int64(head[0])<<16 | int64(head[1])<<8 | int64(head[2])
		if _, err := io.CopyN(io.Discard, conn, length); err != nil {
			t.Fatal(err)
		}
		if head[3] == ping {
			break
		}
	}
	if took := time.Since(began); took < 3*time.Second/2 {
		t.Errorf("4 MiB of frames are read in %s", took)
	}
}

// A stream over HTTP/2 on which nothing is said for longer than a write may take goes
// on, as one over HTTP/1 does.
func TestAQuietStreamOverHTTP2GoesOn(t *testing.T) {
	t.Parallel()
	const quiet = 11 * time.Second // a write to a stream may take 10
	e := withTLS(t, serving(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s, err := sse.Open(w)
		if err != nil {
			t.Error(err)
			return
		}
		for i := range 2 {
			if i > 0 {
				<-time.After(quiet)
			}
			if err := s.Beat(); err != nil {
				t.Error(err)
			}
		}
	})))
	res, err := overHTTP2(t).Get(e.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer closeBody(t, res)
	text, err := io.ReadAll(res.Body)
	if err != nil || res.ProtoMajor != 2 || strings.Count(string(text), ": \n") != 2 {
		t.Errorf("HTTP/%d: %q, %v", res.ProtoMajor, text, err)
	}
}

// serving puts something of ours where anybody may ask for it.
func serving(metrics http.Handler) func(*gateway.Config) {
	return func(cfg *gateway.Config) { cfg.Metrics = metrics }
}

// dialHTTP2 is a connection on which HTTP/2 is spoken by hand.
func dialHTTP2(t *testing.T, e *env) *tls.Conn {
	t.Helper()
	conn, err := tls.Dial("tcp", e.gateway.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}}) //nolint:gosec // the test's own certificate
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // the server may have
	if err := conn.SetDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// takenBack is what a client of HTTP/2 sends that asks for /metrics so many times, and
// takes each back at once.
func takenBack(requests int) []byte {
	const settings, headers, rstStream, endOfAll = 4, 1, 3, 1 | 4
	b := bytes.NewBufferString(preface)
	frame(b, settings, 0, 0, nil)
	// GET and https by their numbers in the table of HPACK, authority and path spelt out.
	ask := append([]byte{0x82, 0x87, 0x01, 1, 'x', 0x04, byte(len("/metrics"))}, "/metrics"...)
	for i := range uint32(requests) { //nolint:gosec // few
		frame(b, headers, endOfAll, 2*i+1, ask)
		frame(b, rstStream, 0, 2*i+1, []byte{0, 0, 0, 8}) // CANCEL
	}
	return b.Bytes()
}

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

func frame(to *bytes.Buffer, kind, flags byte, stream uint32, payload []byte) {
	head := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind)) //nolint:gosec // short
	to.Write(binary.BigEndian.AppendUint32(append(head, flags), stream))
	to.Write(payload)
}

package gateway

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"backupmonitor/services/gateway/peer"
)

// What all HTTP/2 connections of one client send is read at a pace, from the burst on;
// others, HTTP/1, and a proxy, are read as they come.
func TestWhoSendsMuchIsReadSlowly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimitedListener(nil, 8, peer.Trust{}, func(Bound) {}, slog.New(slog.DiscardHandler))
		const each, seconds = 16 << 10, 5
		read := func(group string, from io.Writer, c io.Reader, n int) (took time.Duration) {
			t.Helper()
			began, sent := time.Now(), make(chan error, 1)
			go func() {
				_, err := from.Write(make([]byte, n))
				sent <- err
			}()
			for b := make([]byte, each); n > 0; {
				m, err := c.Read(b)
				if err != nil {
					t.Fatalf("%s: %v", group, err)
				}
				n -= m
			}
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
			return time.Since(began)
		}
		const client, proxy = "192.0.2.1", ""
		first, there := paced(t, l, client, "h2")
		if took := read(client, there, first, paceBurst); took != 0 {
			t.Errorf("a burst takes %s", took)
		}
		second, alsoThere := paced(t, l, client, "h2")
		if took := read(client, alsoThere, second, seconds*paceBytes); (took - seconds*time.Second).Abs() > time.Second/10 {
			t.Errorf("what is to take %d s takes %s by another connection", seconds, took)
		}
		for what, of := range map[string]struct {
			group string
			proto string
			n     int
		}{
			"another":           {"192.0.2.2", "h2", paceBurst},
			"a proxy":           {proxy, "h2", 10 * paceBurst},
			"the same, HTTP/1,": {client, "http/1.1", 10 * paceBurst},
		} {
			c, from := paced(t, l, of.group, of.proto)
			if took := read(what, from, c, of.n); took != 0 {
				t.Errorf("%s waits %s", what, took)
			}
		}
	})
}

// A connection that is closed, by the server or for another, is not waited for.
func TestAClosedConnectionIsNotReadSlowly(t *testing.T) {
	t.Parallel()
	for what, end := range map[string]func(*limitedConn) error{"closed": (*limitedConn).Close, "closed for another": (*limitedConn).end} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l := newLimitedListener(nil, 8, peer.Trust{}, func(Bound) {}, slog.New(slog.DiscardHandler))
				l.pace.Owe("192.0.2.1", 1000*paceBurst)
				c, from := paced(t, l, "192.0.2.1", "h2")
				began, read := time.Now(), make(chan struct{})
				go func() {
					defer close(read)
					if n, err := c.Read(make([]byte, 1)); n != 1 || err != nil {
						t.Errorf("%d bytes, %v", n, err)
					}
				}()
				if _, err := from.Write([]byte{1}); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				select {
				case <-read:
					t.Error("a debt is not waited for")
				default:
				}
				if err := end(c); err != nil {
					t.Error(err)
				}
				<-read
				if took := time.Since(began); took != 0 {
					t.Errorf("it was waited for %s", took)
				}
			})
		})
	}
}

// paced is a connection of a client that speaks a protocol, and the client's end of it.
func paced(t *testing.T, l *limitedListener, group, proto string) (c *limitedConn, from net.Conn) {
	t.Helper()
	inner, from := net.Pipe()
	c = l.conn(inner, group)
	if _, err := paceHTTP2(&tls.ClientHelloInfo{Conn: c, SupportedProtos: []string{proto}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = c.Close(), from.Close() }) // the other may have
	return c, from
}

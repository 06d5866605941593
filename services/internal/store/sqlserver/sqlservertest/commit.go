package sqlservertest

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
)

// Numbers of the protocol. Source: [MS-TDS] 2.2.3.1.1 and 2.2.6.9.
const (
	headerBytes        = 8
	transactionManager = 0x0E
	commitTransaction  = 7
)

// Commits is a line on which the COMMIT of some transactions goes wrong.
type Commits struct {
	// Before loses the request: the server sees the line end instead. After
	// loses the answer. Each is asked once for every COMMIT, with its number
	// from 1.
	before, after func(n int) bool
	server        string
	seen, cut     atomic.Int32
}

// NewCommits lays such a line and returns the DSN that goes over it, which must
// not be encrypted.
func NewCommits(t testing.TB, dsn string, before, after func(n int) bool) (*Commits, string) {
	t.Helper()
	var listen net.ListenConfig
	l, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &Commits{before: before, after: after}
	over := With(t, dsn, func(u *url.URL) { c.server, u.Host = u.Host, l.Addr().String() })
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { c.carry(client) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return c, over
}

// Lost is how many COMMITs have gone wrong.
func (c *Commits) Lost() int { return int(c.cut.Load()) }

// carry is one connection. It needs the pool at the client's end to be closed
// before the test ends.
func (c *Commits) carry(client net.Conn) {
	defer func() { _ = client.Close() }()
	var d net.Dialer
	server, err := d.DialContext(context.Background(), "tcp", c.server)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	var mute atomic.Bool
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		defer func() { _ = client.Close() }()
		buffer := make([]byte, 64<<10)
		for {
			n, err := server.Read(buffer)
			if err != nil || mute.Load() {
				return // whatever the server says now is lost
			}
			if _, err := client.Write(buffer[:n]); err != nil {
				return
			}
		}
	})
	c.requests(client, server, &mute)
	_ = server.Close()
}

// requests carries what the client asks, packet by packet.
func (c *Commits) requests(client, server net.Conn, mute *atomic.Bool) {
	for {
		header := make([]byte, headerBytes)
		if _, err := io.ReadFull(client, header); err != nil {
			return
		}
		body := make([]byte, max(int(binary.BigEndian.Uint16(header[2:])), headerBytes)-headerBytes)
		if _, err := io.ReadFull(client, body); err != nil {
			return
		}
		if isCommit(header, body) {
			n := int(c.seen.Add(1))
			if c.before(n) {
				c.cut.Add(1)
				return
			}
			if c.after(n) {
				c.cut.Add(1)
				mute.Store(true)
			}
		}
		if _, err := server.Write(append(header, body...)); err != nil {
			return
		}
	}
}

// isCommit: behind the headers of a transaction manager request stands its
// kind.
func isCommit(header, body []byte) bool {
	if header[0] != transactionManager || len(body) < 4 {
		return false
	}
	skip := int(binary.LittleEndian.Uint32(body))
	return len(body) >= skip+2 && binary.LittleEndian.Uint16(body[skip:]) == commitTransaction
}

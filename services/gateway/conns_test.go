package gateway

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"backupmonitor/services/gateway/peer"
)

// One client has half of the connections, and all together no more than there
// are, where all are of somebody who is known; who leaves makes room.
func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		trusted []string
		served  int
		over    Bound
	}{
		"one client": {nil, 4, BoundAddress},
		"a proxy":    {[]string{"127.0.0.0/8"}, 8, BoundAll},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			proxies, err := peer.ParseTrust(c.trusted)
			if err != nil {
				t.Fatal(err)
			}
			inner, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			var logs bytes.Buffer // read when the listener has ended
			refused := map[Bound]int{}
			l := newLimitedListener(inner, 8, proxies, func(b Bound) { refused[b]++ }, slog.New(slog.NewTextHandler(&logs, nil)))
			served := make(chan net.Conn, 100)
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					c.(*limitedConn).serving()
					if _, err := io.WriteString(c, "hello"); err != nil {
						t.Error(err)
					}
					served <- c
				}
			}()
			greeted := func() bool {
				t.Helper()
				conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", inner.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = conn.Close() }) // the other end may have
				if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
					t.Fatal(err)
				}
				_, err = io.ReadFull(conn, make([]byte, 5))
				return err == nil
			}
			for i := range 12 {
				if got := greeted(); got != (i < c.served) {
					t.Errorf("connection %d: served %t", i, got)
				}
			}
			for range 2 { // the second closing counts for nothing
				first := <-served
				_ = first.Close()
				_ = first.Close()
			}
			for i, want := range []bool{true, true, false} {
				if got := greeted(); got != want {
					t.Errorf("after two have left, connection %d: served %t", i, got)
				}
			}
			if err := l.Close(); err != nil {
				t.Error(err)
			}
			<-ended
			for len(served) > 0 {
				_ = (<-served).Close()
			}
			if n := 12 - c.served + 1; refused[c.over] != n || len(refused) != 1 {
				t.Errorf("%v were refused, and not %d", refused, n)
			}
			if text := logs.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "count=1 most=8 bound="+string(c.over)) {
				t.Errorf("the log tells of each: %s", text)
			}
			l.told = l.told.Add(-refusalsEvery)
			l.refuse(c.over, "")
			if text := logs.String(); !strings.Contains(text, fmt.Sprintf("count=%d ", 12-c.served+1)) {
				t.Errorf("a minute later it does not tell of the rest: %s", text)
			}
			if len(l.conns) != 0 || len(l.peers) != 0 {
				t.Errorf("%d are open, of %v", len(l.conns), l.peers)
			}
		})
	}
}

// Who opens many connections and says nothing of who they are makes room for
// others; a request of somebody who is known goes on.
func TestWhoWaitsMakesRoom(t *testing.T) {
	t.Parallel()
	inner, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	const most = 8
	l := newLimitedListener(inner, most, peer.Trust{}, func(Bound) {}, slog.New(slog.DiscardHandler))
	accepted := make(chan *limitedConn, 100)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c.(*limitedConn)
		}
	}()
	var all []*limitedConn
	dial := func(from string) *limitedConn {
		t.Helper()
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		conn, err := d.DialContext(t.Context(), "tcp", inner.Addr().String())
		if err != nil {
			t.Skipf("this machine has no address %s: %v", from, err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		c := <-accepted
		all = append(all, c)
		return c
	}
	open := func(c *limitedConn) bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		_, ok := l.conns[c]
		return ok
	}
	busy := dial("127.0.0.1")
	end := busy.serving()
	for range most { // each over its half takes the room of the one before
		dial("127.0.0.1")
		dial("127.0.0.2")
	}
	other := dial("127.0.0.3")
	for range most {
		dial("127.0.0.1")
		dial("127.0.0.2")
	}
	for what, c := range map[string]*limitedConn{"a request under way": busy, "another client's": other} {
		if !open(c) {
			t.Errorf("%s was closed", what)
		}
	}
	if len(l.conns) != most || l.peers["127.0.0.1"] > most/2 || l.peers["127.0.0.2"] > most/2 {
		t.Errorf("%d are open, of %v", len(l.conns), l.peers)
	}
	end()
	for range most {
		dial("127.0.0.1")
	}
	if open(busy) || !open(other) {
		t.Error("a connection whose request has ended does not make room")
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	<-ended
	for _, c := range all {
		_ = c.Close()
	}
	if len(l.conns) != 0 || len(l.peers) != 0 {
		t.Errorf("%d are open, of %v", len(l.conns), l.peers)
	}
}

// Who connects directly never takes the room of a proxy, which speaks for many, and
// gives way to it; of a proxy that opens too many its own give way.
func TestAProxyKeepsItsRoom(t *testing.T) {
	t.Parallel()
	const most, proxy = 8, ""
	l := newLimitedListener(nil, most, peer.Trust{}, func(Bound) {}, slog.New(slog.DiscardHandler))
	connect := func(group string) (c, instead *limitedConn) {
		c = l.conn(nil, group)
		instead, _ = l.take(c)
		return c, instead
	}
	var proxies []*limitedConn
	for range most - 2 {
		c, _ := connect(proxy)
		proxies = append(proxies, c)
	}
	for _, group := range []string{"192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2"} {
		connect(group)
	}
	if n := l.peers[proxy]; n != len(proxies) {
		t.Errorf("of a proxy's %d connections a flood has closed %d", len(proxies), len(proxies)-n)
	}
	if n := l.peers["192.0.2.2"]; n != 1 {
		t.Error("who has fewer makes room for who has more")
	}
	for range 2 {
		if _, instead := connect(proxy); instead == nil || instead.group == proxy {
			t.Error("those who connect directly do not give way to a proxy")
		}
	}
	if c, instead := connect("192.0.2.3"); instead != c {
		t.Error("a proxy gives way to who connects directly")
	}
	if _, instead := connect(proxy); instead != proxies[0] {
		t.Error("a proxy that has every connection does not give way to itself")
	}
}

func TestHalfOfTheDescriptors(t *testing.T) {
	t.Parallel()
	for descriptors, want := range map[uint64]int{10: 32, 256: 128, 1024: 512, 1 << 63: 8000} {
		if got := connectionLimit(descriptors); got != want {
			t.Errorf("%d connections of %d descriptors, want %d", got, descriptors, want)
		}
	}
}

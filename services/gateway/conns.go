package gateway

import (
	"net"
	"net/netip"
	"sync"

	"backupmonitor/services/gateway/peer"
)

const (
	// mostConnections is how many connections are open at once at most, where so
	// many descriptors are allowed: all streams, and as many pages again.
	mostConnections = 8 * maxStreams
	// leastConnections is how many are open also where few are allowed.
	leastConnections = 32
)

// connectionLimit leaves the other half of the descriptors to those who look at
// outlets, to the log and to the database: whoever connects must not keep them
// from their work.
func connectionLimit(descriptors uint64) int {
	return int(max(leastConnections, min(descriptors/2, mostConnections)))
}

// limitedListener closes connections beyond most, and those of one client beyond
// half of that, but for the proxies that speak for many.
type limitedListener struct {
	net.Listener
	most    int
	proxies peer.Trust

	mu    sync.Mutex
	open  int
	peers map[string]int // by peer.Group
}

func newLimitedListener(l net.Listener, most int, proxies peer.Trust) *limitedListener {
	return &limitedListener{Listener: l, most: most, proxies: proxies, peers: map[string]int{}}
}

// Accept implements net.Listener.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		group := l.group(c)
		if !l.take(group) {
			_ = c.Close() // it was of no use
			continue
		}
		return &limitedConn{Conn: c, leave: sync.OnceFunc(func() { l.leave(group) })}, nil
	}
}

// group is "" for who is not counted.
func (l *limitedListener) group(c net.Conn) string {
	from, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil || l.proxies.Trusts(from.Addr()) {
		return ""
	}
	return peer.Group(from.Addr().Unmap().WithZone("").String())
}

func (l *limitedListener) take(group string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open >= l.most || group != "" && l.peers[group] >= l.most/2 {
		return false
	}
	l.open++
	if group != "" {
		l.peers[group]++
	}
	return true
}

func (l *limitedListener) leave(group string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if group == "" {
		return
	}
	if l.peers[group]--; l.peers[group] == 0 {
		delete(l.peers, group)
	}
}

type limitedConn struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (c *limitedConn) Close() error {
	err := c.Conn.Close()
	c.leave()
	return err
}

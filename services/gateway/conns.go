package gateway

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"backupmonitor/services/gateway/peer"
	"backupmonitor/services/gateway/throttle"
)

const (
	// mostConnections is how many connections are open at once at most, where so
	// many descriptors are allowed: all streams, and as many pages again.
	mostConnections = 8 * maxStreams
	// leastConnections is how many are open also where few are allowed.
	leastConnections = 32
	// refusalsEvery is how often the log tells of refused connections.
	refusalsEvery = time.Minute
)

// Bound is why a connection is closed.
type Bound string

// The bounds.
const (
	BoundAll     Bound = "all"     // as many are open as there may be
	BoundAddress Bound = "address" // one client has its half of them
)

// Bounds lists every bound.
func Bounds() []Bound { return []Bound{BoundAll, BoundAddress} }

// connectionLimit leaves the other half of the descriptors to those who look at
// outlets, to the log and to the database: whoever connects must not keep them
// from their work.
func connectionLimit(descriptors uint64) int {
	return int(max(leastConnections, min(descriptors/2, mostConnections)))
}

// limitedListener closes connections beyond most, and those of one client beyond
// half of that, but for the proxies that speak for many. What is closed is first
// of all a connection on which nobody has shown who they are: the one that is so
// for longest, of the client that has most of all. Whoever opens many takes the
// room from themselves. Those of the proxies are closed last, and only for another of
// theirs: who comes by a proxy is the proxy's to bound.
type limitedListener struct {
	net.Listener
	most    int
	proxies peer.Trust
	refused func(Bound) // told of each that is closed
	logger  *slog.Logger
	pace    *throttle.Throttle // of what is read over HTTP/2, by group

	mu       sync.Mutex
	conns    map[*limitedConn]struct{} // those that are open
	peers    map[string]int            // by peer.Group
	turn     uint64                    // counts what began to wait
	refusals int                       // that the log has not told of
	told     time.Time
}

// limitedConn is one that counts.
type limitedConn struct {
	net.Conn
	listener *limitedListener
	group    string // "": it is a proxy's
	known    int    // requests under way of somebody who is known
	waits    uint64 // since which turn there is none
	paced    bool   // what it sends is read at a pace; set before anything but TLS's is
	shut     sync.Once
	closed   chan struct{} // closed once it is
}

func (l *limitedListener) conn(inner net.Conn, group string) *limitedConn {
	return &limitedConn{Conn: inner, listener: l, group: group, closed: make(chan struct{})}
}

func newLimitedListener(l net.Listener, most int, proxies peer.Trust, refused func(Bound), logger *slog.Logger) *limitedListener {
	return &limitedListener{
		Listener: l, most: most, proxies: proxies, refused: refused, logger: logger, pace: newPace(),
		conns: map[*limitedConn]struct{}{}, peers: map[string]int{},
	}
}

// Accept implements net.Listener.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		inner, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := l.conn(inner, l.group(inner))
		instead, over := l.take(c)
		if over != "" {
			_ = instead.end() // it was of no use
			l.refuse(over, instead.group)
		}
		if instead != c {
			return c, nil
		}
	}
}

// group is "" for a proxy, which is not counted as one client.
func (l *limitedListener) group(c net.Conn) string {
	from, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil || l.proxies.Trusts(from.Addr()) {
		return ""
	}
	return peer.Group(from.Addr().Unmap().WithZone("").String())
}

// take counts a connection in. Where that is over a bound, it gives the connection
// to close for it, which may be c itself.
func (l *limitedListener) take(c *limitedConn) (instead *limitedConn, over Bound) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case c.group != "" && l.peers[c.group] >= l.most/2:
		over = BoundAddress
	case len(l.conns) >= l.most:
		over = BoundAll
	}
	if over != "" {
		if instead = l.waiting(over, c.group); instead == nil {
			return c, over
		}
		l.forget(instead)
	}
	l.turn++
	c.waits = l.turn
	l.conns[c] = struct{}{}
	l.peers[c.group]++
	return instead, over
}

// waiting is the connection to close for one of a group, nil for none.
func (l *limitedListener) waiting(over Bound, group string) (found *limitedConn) {
	has := func(group string) int {
		if group == "" {
			return 0
		}
		return l.peers[group]
	}
	for c := range l.conns {
		if c.known > 0 || over == BoundAddress && c.group != group || c.group == "" && group != "" {
			continue
		}
		more := 0
		if found != nil {
			more = has(c.group) - has(found.group)
		}
		if found == nil || more > 0 || more == 0 && c.waits < found.waits {
			found = c
		}
	}
	return found
}

// forget counts a connection out, once; the caller holds the lock.
func (l *limitedListener) forget(c *limitedConn) {
	if _, ok := l.conns[c]; !ok {
		return
	}
	delete(l.conns, c)
	if l.peers[c.group]--; l.peers[c.group] == 0 {
		delete(l.peers, c.group)
	}
}

// refuse tells of a connection that was closed: each time, and the log now and
// then.
func (l *limitedListener) refuse(over Bound, group string) {
	l.refused(over)
	l.mu.Lock()
	l.refusals++
	n, now := l.refusals, time.Now()
	due := now.Sub(l.told) >= refusalsEvery
	if due {
		l.refusals, l.told = 0, now
	}
	l.mu.Unlock()
	if due {
		l.logger.Warn("Connections are closed, because too many are open.", slog.Int("count", n), slog.Int("most", l.most),
			slog.String("bound", string(over)), slog.String("address", group))
	}
}

// Close implements net.Conn.
func (c *limitedConn) Close() error {
	err := c.end()
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	c.listener.forget(c)
	return err
}

// end closes the connection, and no reading of it waits.
func (c *limitedConn) end() error {
	c.shut.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// serving says that a request of somebody who is known is under way, until the
// end that it gives is called.
func (c *limitedConn) serving() (end func()) {
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	c.known++
	return func() {
		c.listener.mu.Lock()
		defer c.listener.mu.Unlock()
		c.known--
		c.listener.turn++
		c.waits = c.listener.turn
	}
}

// connKey is where a request's context has its limitedConn.
type connKey struct{}

// withConn has a request find the connection that it came by.
func withConn(ctx context.Context, c net.Conn) context.Context {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	return context.WithValue(ctx, connKey{}, c)
}

// known says that who makes the request is known, until its end.
func (r *request) known() (end func()) {
	if c, ok := r.Context().Value(connKey{}).(*limitedConn); ok {
		return c.serving()
	}
	return func() {}
}

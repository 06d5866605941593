package gateway

import (
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"backupmonitor/services/gateway/peer"
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

// Bound is why a connection is closed at once.
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
// half of that, but for the proxies that speak for many.
type limitedListener struct {
	net.Listener
	most    int
	proxies peer.Trust
	refused func(Bound) // told of each that is closed
	logger  *slog.Logger

	mu       sync.Mutex
	open     int
	peers    map[string]int // by peer.Group
	refusals int            // that the log has not told of
	told     time.Time
}

func newLimitedListener(l net.Listener, most int, proxies peer.Trust, refused func(Bound), logger *slog.Logger) *limitedListener {
	return &limitedListener{Listener: l, most: most, proxies: proxies, refused: refused, logger: logger, peers: map[string]int{}}
}

// Accept implements net.Listener.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		group := l.group(c)
		if over := l.take(group); over != "" {
			_ = c.Close() // it was of no use
			l.refuse(over, group)
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

// take gives the bound that a further connection would be over, "" for none.
func (l *limitedListener) take(group string) Bound {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.open >= l.most:
		return BoundAll
	case group != "" && l.peers[group] >= l.most/2:
		return BoundAddress
	}
	l.open++
	if group != "" {
		l.peers[group]++
	}
	return ""
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
		l.logger.Warn("Connections are refused, because too many are open.", slog.Int("count", n), slog.Int("most", l.most),
			slog.String("bound", string(over)), slog.String("address", group))
	}
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

package gateway

import (
	"crypto/tls"
	"slices"
	"time"

	"backupmonitor/services/gateway/throttle"
)

const (
	// paceBytes is how many bytes a second all HTTP/2 connections of one client send at
	// most in the long run, paceBurst how many at once.
	//
	// It is what bounds whoever sends what costs them next to nothing, and is never
	// answered: requests that are taken back at once, priorities, pings. A core reads
	// some 15 MB of these in a second, and a request of somebody else waits behind
	// them. Who waits for answers hardly gets there. HTTP/1 has nothing of the kind: a
	// connection's next request is read when the one before it is answered.
	paceBytes = 1 << 20
	paceBurst = 2 << 20
)

func newPace() *throttle.Throttle {
	return throttle.New(throttle.Limit{Burst: paceBurst, Every: time.Second / paceBytes}, maxThrottled, time.Now)
}

// paceHTTP2 reads at a pace what a connection sends, if that is to be HTTP/2. A proxy's
// is not, which speaks for many.
func paceHTTP2(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	if c, ok := hello.Conn.(*limitedConn); ok {
		c.paced = c.group != "" && slices.Contains(hello.SupportedProtos, "h2")
	}
	return nil, nil //nolint:nilnil // the configuration is right as it is
}

// Read implements net.Conn. Whoever has sent too much is read more slowly, so that
// the network holds them up.
func (c *limitedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n == 0 || !c.paced {
		return n, err
	}
	if wait := c.listener.pace.Owe(c.group, n); wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-c.closed:
		}
	}
	return n, err
}

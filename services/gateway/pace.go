package gateway

import (
	"time"

	"backupmonitor/services/gateway/throttle"
)

const (
	// paceBytes is how many bytes a second all connections of one client send at
	// most in the long run, paceBurst how many at once: more than the largest body.
	//
	// It is what bounds those who send what costs them next to nothing and is never
	// answered, as requests that they take back at once, or priorities and pings: a
	// core reads some 15 MB of these in a second. Requests that are answered are
	// far from it: one has some 100 bytes, and a core makes 10,000 answers.
	paceBytes = 1 << 20
	paceBurst = 8 << 20
)

func newPace() *throttle.Throttle {
	return throttle.New(throttle.Limit{Burst: paceBurst, Every: time.Second / paceBytes}, maxThrottled, time.Now)
}

// Read implements net.Conn. Whoever has sent too much is read more slowly, so that
// the network holds them up; a proxy, which speaks for many, is not.
func (c *limitedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n == 0 || c.group == "" {
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

package gateway

import (
	"time"

	"backupmonitor/services/gateway/throttle"
)

const (
	// paceBytes is how many bytes a second all connections of one client send at
	// most in the long run, paceBurst how many at once.
	//
	// It is what bounds whoever sends what costs them next to nothing, and is never
	// answered: requests that are taken back at once, priorities, pings. A core reads
	// some 15 MB of these in a second, and a request of somebody else waits behind
	// them. Who waits for answers hardly gets there: some 10,000 requests a second.
	paceBytes = 1 << 20
	paceBurst = 2 << 20
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

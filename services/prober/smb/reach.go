package smb

import (
	"context"
	"net"
)

// Reach tells whether anything answers at an address, be it only to refuse the
// connection, within the DialTimeout. It says nothing to whoever answers.
func Reach(ctx context.Context, o Options, address string) bool {
	o = o.withDefaults()
	_, hostPort, err := dialAddress(address, o.Port)
	if err != nil {
		return false
	}
	dialer := net.Dialer{Timeout: o.DialTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", hostPort)
	if err != nil {
		return isAnswer(err)
	}
	_ = conn.Close() // nothing was said
	return true
}

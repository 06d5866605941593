//go:build unix

package fleet

import (
	"io"
	"net/netip"
	"os"
	"syscall"
)

// reserve keeps others from taking an address while connections to it are refused: its socket is bound, and does not
// listen. Where that cannot be done it gives nil, and the address may be taken.
func reserve(address string) io.Closer {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !at.Addr().Is4() {
		return nil
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil
	}
	syscall.CloseOnExec(fd)
	socket := os.NewFile(uintptr(fd), address)
	// Connections that have just been closed still count as users of the address.
	_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}); err != nil {
		_ = socket.Close() // never bound
		return nil
	}
	return socket
}

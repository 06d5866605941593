//go:build unix

package gateway

import "syscall"

// descriptors is how many files and connections this process may have open.
func descriptors() uint64 {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return 1024 // the usual one
	}
	return uint64(r.Cur) //nolint:unconvert // signed on some systems
}

//go:build unix

// Package descriptors is how many files and connections this process may have open:
// what its parts may take of them is a share of that.
package descriptors

import "syscall"

// Allowed is how many may be open at once.
func Allowed() uint64 {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return 1024 // the usual one
	}
	return uint64(r.Cur) //nolint:unconvert // signed on some systems
}

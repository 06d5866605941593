//go:build unix

package capacity

import "golang.org/x/sys/unix"

// space is what is free for us on the disk of a directory, and its size.
func space(dir string) (free, total uint64, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, 0, err
	}
	// Bavail has a sign on some systems.
	size := uint64(s.Bsize)
	return uint64(s.Bavail) * size, s.Blocks * size, nil //nolint:unconvert // not everywhere without effect
}

package capacity

import "golang.org/x/sys/windows"

// space is what is free for us on the disk of a directory, and its size.
func space(dir string) (free, total uint64, err error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, 0, err
	}
	return free, total, windows.GetDiskFreeSpaceEx(name, &free, &total, nil)
}

package capacity

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// MeasureDisk measures what the log's directory and the database file take,
// and what the disk of the log has left. The database may not be there.
func MeasureDisk(logDir, database string) (Disk, error) {
	var d Disk
	var err error
	if d.Log, err = size(logDir); err != nil {
		return Disk{}, err
	}
	// The journal of SQLite lies beside the file under longer names.
	names, err := filepath.Glob(database + "*")
	if err != nil {
		return Disk{}, fmt.Errorf("measure the database: %w", err)
	}
	for _, n := range names {
		b, err := size(n)
		if err != nil {
			return Disk{}, err
		}
		d.Tables += b
	}
	if d.Free, d.Total, err = space(logDir); err != nil {
		return Disk{}, fmt.Errorf("ask for the free space of %s: %w", logDir, err)
	}
	return d, nil
}

// Free is how many bytes the disk of a directory has left for us. Where the
// directory is not there yet, it is that of the one in which it will be.
func Free(dir string) (uint64, error) {
	at, err := filepath.Abs(dir)
	if err != nil {
		return 0, fmt.Errorf("ask for the free space of %s: %w", dir, err)
	}
	for {
		free, _, err := space(at)
		if up := filepath.Dir(at); errors.Is(err, fs.ErrNotExist) && up != at {
			at = up
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("ask for the free space of %s: %w", dir, err)
		}
		return free, nil
	}
}

// size is the size of a file, or of all files in a directory. Files that vanish
// meanwhile do not count.
func size(root string) (int64, error) {
	var n int64
	err := filepath.WalkDir(root, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			var info fs.FileInfo
			if info, err = e.Info(); err == nil {
				n += info.Size()
			}
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("measure %s: %w", root, err)
	}
	return n, nil
}

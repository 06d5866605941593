package logfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// spare is what must be left where archives are, when all is written: the log
// itself may lie on the same disk, and goes on.
const spare = 256 << 20

// NoSpaceError says that an archive, and the log that is restored from it to
// prove it, would fill the disk.
type NoSpaceError struct {
	Dir        string // of the archives
	Need, Free uint64 // bytes
}

// Error implements error.
func (e *NoSpaceError) Error() string {
	return fmt.Sprintf("%s has not enough room for the archive and for restoring it to prove it: they take up to %d MB, %d MB are free, %d MB are missing. "+
		"Make room, set ARCHIVE_DIR to a larger disk, or archive less at once with an earlier --before", e.Dir, megabytes(e.Need), e.Free>>20, megabytes(e.Need-e.Free))
}

func megabytes(n uint64) uint64 { return (n + 1<<20 - 1) >> 20 }

// room makes sure that what is planned does not fill a disk. Copies take less
// than the log's files do for the same events.
func (a *Archiver) room(ctx context.Context, p Plan) error {
	if a.Space == nil {
		return nil
	}
	id, err := a.Log.Identity(ctx)
	if err != nil {
		return err
	}
	size, free, err := a.Space()
	if err != nil {
		return err
	}
	// What earlier archives left in the log is little: none of the files is
	// counted as theirs.
	part := float64(p.Records) / float64(max(id.LastSeq-min(id.Archived, id.LastSeq), 1))
	restored := uint64(float64(size) * min(part, 1))
	need := restored + spare
	if _, err := os.Stat(filepath.Join(a.Dir, p.name())); errors.Is(err, fs.ErrNotExist) {
		need += restored // the copy, which an earlier call has not made
	}
	if need > free {
		return &NoSpaceError{Dir: a.Dir, Need: need, Free: free}
	}
	return nil
}

package instance

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nats-io/nats-server/v2/server"

	"backupmonitor/services/internal/disk"
)

// Errors of a restore.
var (
	// ErrNotEmpty says that a data directory holds something already.
	ErrNotEmpty = errors.New("the data directory is not empty: a restore never writes over anything")
	// ErrRestoring says that a restore into the directory did not come to its
	// end.
	ErrRestoring = errors.New("a restore into this data directory did not come to its end: restore again, or empty it")
)

const (
	restoringName = ".restoring"
	// ArchiveName is what the archives' directory is called where it lies in
	// the data directory: a restore leaves it alone.
	ArchiveName = "archive"
	// Passing stands before the names of what a command leaves in the data
	// directory only if it is killed: the next to open it removes it.
	Passing = ".passing-"
)

// tidy removes what killed commands have left.
func (d *Dir) tidy() error {
	left, err := filepath.Glob(filepath.Join(d.path, Passing+"*"))
	for _, path := range left {
		err = errors.Join(err, os.RemoveAll(path))
	}
	if err != nil {
		return fmt.Errorf("remove what a killed command left in the data directory: %w", err)
	}
	return nil
}

// Take reads what a running instance has left in a data directory for a command,
// and removes it. Its name comes from whoever answers on NATS: nothing else may
// be read or removed through it. Errors: the file system's.
func Take(path, name string) ([]byte, error) {
	if !strings.HasPrefix(name, Passing) || name != filepath.Base(name) {
		return nil, fmt.Errorf("%q is not the name of a file that is left for a command", name)
	}
	path = filepath.Join(path, name)
	b, err := os.ReadFile(path)
	return b, errors.Join(err, os.Remove(path))
}

// restoring is the directory in which a restore prepares everything; that it is
// there marks the data directory as unusable.
func (d *Dir) restoring() string { return filepath.Join(d.path, restoringName) }

// OpenEmpty locks a data directory that holds nothing, for a restore. What an
// interrupted restore has left is removed: it had begun with an empty one too.
// Whatever else came into it since then stays, and is an error. Until Finish
// nothing but a restore can open the directory. Errors: ErrInUse, ErrNotEmpty,
// and the file system's.
func OpenEmpty(path string) (*Dir, error) {
	d, err := lock(path)
	if err != nil {
		return nil, err
	}
	if err := d.clear(); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// restored tells whether a restore puts something of this name into the data
// directory.
func restored(name string) bool {
	switch name {
	case logName, dbName, dbName + "-wal", dbName + "-shm", dbName + "-journal":
		return true
	}
	return slices.Contains(SecretNames(), name) || strings.HasPrefix(name, newPrefix)
}

func (d *Dir) clear() error {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return fmt.Errorf("look into the data directory: %w", err)
	}
	_, err = os.Stat(d.restoring())
	interrupted := err == nil
	var left []string
	for _, e := range entries {
		switch {
		case e.Name() == lockName, e.Name() == restoringName, e.Name() == ArchiveName:
		case interrupted && restored(e.Name()):
			left = append(left, filepath.Join(d.path, e.Name()))
		default:
			return fmt.Errorf("%s holds %s: %w", d.path, e.Name(), ErrNotEmpty)
		}
	}
	for _, path := range left {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("remove what an interrupted restore left: %w", err)
		}
	}
	// The mark goes last and comes first.
	err = errors.Join(removeAllIn(d.restoring()), os.MkdirAll(d.restoring(), 0o700), disk.SyncDir(d.path))
	if err != nil {
		return fmt.Errorf("prepare the data directory: %w", err)
	}
	return nil
}

func removeAllIn(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	errs := []error{err}
	for _, e := range entries {
		errs = append(errs, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return errors.Join(errs...)
}

// SecretNames are the names that a data directory keeps secrets under.
func SecretNames() []string { return []string{SecretJWT, secretNATS, secretProbers} }

// Secrets are the secrets that a data directory keeps, by name.
func Secrets(path string) (map[string]string, error) {
	found := map[string]string{}
	for _, name := range SecretNames() {
		b, err := os.ReadFile(filepath.Join(path, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		found[name] = string(b)
	}
	return found, nil
}

// Prepared is the part of a restore that is not in its place yet: a Dir whose
// database and secrets are those that Finish puts in place.
func (d *Dir) Prepared() *Dir { return &Dir{path: d.restoring()} }

// Finish puts in place what was prepared, as one that a crash of the machine
// leaves either marked or whole.
func (d *Dir) Finish() error {
	err := disk.SyncTree(d.restoring())
	if err != nil {
		return fmt.Errorf("write what was restored to the disk: %w", err)
	}
	entries, err := os.ReadDir(d.restoring())
	if err != nil {
		return fmt.Errorf("put in place what was restored: %w", err)
	}
	for _, e := range entries {
		if err := os.Rename(filepath.Join(d.restoring(), e.Name()), filepath.Join(d.path, e.Name())); err != nil {
			return fmt.Errorf("put in place what was restored: %w", err)
		}
	}
	if err := errors.Join(disk.SyncDir(d.path), os.Remove(d.restoring()), disk.SyncDir(d.path)); err != nil {
		return fmt.Errorf("put in place what was restored: %w", err)
	}
	return nil
}

// Discard takes away all that a restore has made.
func (d *Dir) Discard() error { return os.RemoveAll(d.restoring()) }

// Scratch runs a server on the log in a directory that nobody else finds, that
// does not sync its writes: for one that is being restored, or for a rehearsal.
func Scratch(dir string, log *slog.Logger) (*NATS, error) {
	keeper := address{User: "keeper", Password: newSecret()}
	s, err := run(&server.Options{
		StoreDir: filepath.Join(dir, logName),
		Users:    []*server.User{{Username: keeper.User, Password: keeper.Password}},
	}, newServerLog(log))
	if err != nil {
		return nil, err
	}
	return &NATS{server: s, own: keeper, keeper: keeper}, nil
}

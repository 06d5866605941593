// Package instance is one data directory in use: the lock that keeps a second
// process off it, the NATS server embedded in it, and the way for commands and
// local subscribers to find a running one.
package instance

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
	"github.com/nats-io/nats.go"

	"backupmonitor/events"
)

// ErrInUse says that another process has the data directory.
var ErrInUse = errors.New("the data directory is in use by another process")

const (
	lockName    = "lock"
	addressName = "nats.json"
	logName     = "nats"
	dbName      = "backup-monitor.db"
	stagingName = "staging.db"
	secretNATS  = "nats-password"
	// secretProbers is what probers on machines of their own connect with.
	secretProbers = "nats-prober-password"
	newPrefix     = ".new-" // before the name of a file that is not whole yet
	// SecretJWT is the secret that the gateway's tokens are signed with.
	SecretJWT = "jwt-secret"
)

// Dir is a data directory that this process has locked.
type Dir struct {
	path string
	lock *flock.Flock
}

// Open makes the directory where it does not exist, checks that it can be
// written, and locks it. Errors: ErrInUse, ErrRestoring, and the file system's.
func Open(path string) (*Dir, error) {
	d, err := lock(path)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(d.restoring()); err == nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, ErrRestoring), d.Close())
	}
	if err := d.tidy(); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func lock(path string) (*Dir, error) {
	if err := os.MkdirAll(path, 0o750); err != nil {
		return nil, fmt.Errorf("make the data directory (DATA_DIR): %w", err)
	}
	l := flock.New(filepath.Join(path, lockName), flock.SetPermissions(0o600))
	ok, err := l.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock the data directory (DATA_DIR): %w", err)
	}
	if !ok {
		return nil, fmt.Errorf("%s: %w; stop that one, or choose another DATA_DIR", path, ErrInUse)
	}
	return &Dir{path: path, lock: l}, nil
}

// Path is where the directory is.
func (d *Dir) Path() string { return d.path }

// Database is the path of the SQLite file.
func (d *Dir) Database() string { return filepath.Join(d.path, dbName) }

// Staging is the path of the file in which a rebuild folds the log, for tables
// that are not in SQLite.
func (d *Dir) Staging() string { return filepath.Join(d.path, stagingName) }

// Log is the directory of the embedded server's files.
func (d *Dir) Log() string { return filepath.Join(d.path, logName) }

// Close gives the directory free.
func (d *Dir) Close() error {
	if err := d.lock.Unlock(); err != nil {
		return fmt.Errorf("unlock the data directory: %w", err)
	}
	return nil
}

// Secret returns the secret kept under a name, making one of 64 hexadecimal
// digits where there is none. Its file is readable by the owner only.
func (d *Dir) Secret(name string) (string, error) {
	b, err := os.ReadFile(filepath.Join(d.path, name))
	if err == nil && len(b) > 0 {
		return string(b), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read %s: %w", name, err)
	}
	secret := newSecret()
	return secret, d.Keep(name, secret)
}

// Keep keeps a secret under a name, in place of any other.
func (d *Dir) Keep(name, secret string) error {
	if err := writeOwnerOnly(filepath.Join(d.path, name), []byte(secret)); err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	return nil
}

// writeOwnerOnly replaces a file whole or not at all.
func writeOwnerOnly(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), newPrefix+"*") // made with mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

func newSecret() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails; see crypto/rand
	return fmt.Sprintf("%x", b)
}

// ErrNotRunning says that no process runs on the data directory.
var ErrNotRunning = errors.New("no backup-monitor is running on this data directory")

// Find connects to the process that runs on a data directory. Errors:
// ErrNotRunning, or the network's.
func Find(path, name string, more ...nats.Option) (*nats.Conn, error) {
	b, err := os.ReadFile(filepath.Join(path, addressName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotRunning
	}
	if err != nil {
		return nil, fmt.Errorf("find the running backup-monitor: %w", err)
	}
	// A killed process leaves its address behind; the lock goes with it.
	if d, err := Open(path); err == nil {
		if err := d.Close(); err != nil {
			return nil, err
		}
		return nil, ErrNotRunning
	}
	var a address
	if err := json.Unmarshal(b, &a); err != nil {
		return nil, fmt.Errorf("a backup-monitor is running, but %s is damaged; restart it: %w", filepath.Join(path, addressName), err)
	}
	return connect(a.URL, name, a, more...)
}

func connect(url, name string, a address, more ...nats.Option) (*nats.Conn, error) {
	opts := append([]nats.Option{nats.UserInfo(a.User, a.Password)}, more...)
	nc, err := nats.Connect(url, append(opts, events.ConnectOptions(name)...)...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	return nc, nil
}

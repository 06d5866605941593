// Package instance is one data directory in use: the lock that keeps a second
// process off it, the NATS server embedded in it, and the way for commands and
// local subscribers to find a running one.
package instance

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/gofrs/flock"
	"github.com/nats-io/nats-server/v2/server"
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
	// secretProber is that of the credential for probers alone.
	secretProber = "nats-prober-password"
	newPrefix    = ".new-" // before the name of a file that is not whole yet
	// SecretJWT is the secret that the gateway's tokens are signed with.
	SecretJWT = "jwt-secret"

	readyTimeout = 60 * time.Second
	// maxClients is how many clients the server has at once: more than services and
	// subscribers there are, and few enough to leave descriptors to everybody else.
	maxClients = 200
	// storeBytes is JetStream's own bound, which must not be the one that is
	// reached: the log has its own, and by default it would be three quarters
	// of what was free on the disk at the start.
	storeBytes = 1 << 50
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
	secret := randomHex(32)
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

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails; see crypto/rand
	return fmt.Sprintf("%x", b)
}

// address is what stands in nats.json.
type address struct {
	URL      string `json:"url"`
	User     string `json:"user"`
	Password string `json:"password"`
	PID      int    `json:"pid"`
	// Prober is for NATS_URL where nothing but a prober runs: beside hostile
	// machines.
	Prober *credential `json:"prober,omitempty"`
}

type credential struct {
	User     string `json:"user"`
	Password string `json:"password"`
}

// NATSOptions say how the embedded server runs.
type NATSOptions struct {
	Listen string // host:port; empty: loopback, at a free port
	Log    *slog.Logger
}

// NATS is the embedded server.
type NATS struct {
	server *server.Server
	auth   address
	keeper address // who may change streams and take from the log; known to this process alone
	file   string  // nats.json; empty: it is found by nobody
}

// StartNATS runs the server on the directory's log and writes where it is to
// DATA_DIR/nats.json. It refuses to run without syncing every write.
func (d *Dir) StartNATS(o NATSOptions) (*NATS, error) {
	// Kept, so that the services elsewhere that have it in NATS_URL find the
	// server again after a restart.
	password, err := d.Secret(secretNATS)
	if err != nil {
		return nil, err
	}
	probing, err := d.Secret(secretProber)
	if err != nil {
		return nil, err
	}
	n := &NATS{auth: address{
		User: "backup-monitor", Password: password, PID: os.Getpid(), Prober: &credential{"prober", probing},
	}, file: filepath.Join(d.path, addressName)}
	host, port := "127.0.0.1", server.RANDOM_PORT
	if o.Listen != "" {
		h, p, err := net.SplitHostPort(o.Listen)
		if err != nil {
			return nil, fmt.Errorf("NATS_LISTEN: %w", err)
		}
		number, err := strconv.Atoi(p)
		if err != nil {
			return nil, fmt.Errorf("NATS_LISTEN: %w", err)
		}
		host, port = h, number
		if number == 0 {
			port = server.RANDOM_PORT
		}
	}
	n.keeper = address{User: "keeper", Password: randomHex(32)}
	s, err := run(&server.Options{
		Host:       host,
		Port:       port,
		StoreDir:   d.Log(),
		SyncAlways: true,
		MaxConn:    maxClients,
		Users: []*server.User{
			{Username: n.auth.User, Password: n.auth.Password, Permissions: servicePermissions()},
			{Username: n.auth.Prober.User, Password: n.auth.Prober.Password, Permissions: proberPermissions()},
			{Username: n.keeper.User, Password: n.keeper.Password},
		},
	}, o.Log)
	if err != nil {
		return nil, err
	}
	if c := s.JetStreamConfig(); c == nil || !c.SyncAlways {
		s.Shutdown()
		return nil, errors.New("the NATS server does not sync every write: acknowledged events could be lost")
	}
	n.server, n.auth.URL = s, s.ClientURL()
	data, err := json.MarshalIndent(n.auth, "", "  ")
	if err == nil {
		err = writeOwnerOnly(n.file, append(data, '\n'))
	}
	if err != nil {
		s.Shutdown()
		return nil, fmt.Errorf("write %s: %w", addressName, err)
	}
	return n, nil
}

// run starts a server with JetStream.
func run(o *server.Options, log *slog.Logger) (*server.Server, error) {
	o.ServerName, o.NoSigs = "backup-monitor", true
	o.JetStream, o.JetStreamMaxStore = true, storeBytes
	s, err := server.NewServer(o)
	if err != nil {
		return nil, fmt.Errorf("make the NATS server: %w", err)
	}
	fatal := make(chan string, 1)
	s.SetLoggerV2(&serverLog{log: log, fatal: fatal}, false, false, false)
	go s.Start()
	if err := awaitReady(s, fatal); err != nil {
		s.Shutdown()
		return nil, err
	}
	return s, nil
}

func awaitReady(s *server.Server, fatal <-chan string) error {
	for deadline := time.Now().Add(readyTimeout); !s.ReadyForConnections(100 * time.Millisecond); {
		select {
		case why := <-fatal:
			return fmt.Errorf("start the NATS server: %s", why)
		default:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the NATS server did not become ready in %s", readyTimeout)
		}
	}
	return nil
}

// Connect returns a client of the embedded server that needs no network.
func (n *NATS) Connect(name string, more ...nats.Option) (*nats.Conn, error) {
	return connect("", name, n.auth, append(more, nats.InProcessServer(n.server))...)
}

// ConnectKeeper returns a client, as Connect does, that may also make and change
// the streams, and take from the log what has been archived.
func (n *NATS) ConnectKeeper(name string, more ...nats.Option) (*nats.Conn, error) {
	return connect("", name, n.keeper, append(more, nats.InProcessServer(n.server))...)
}

// URL is where the server listens.
func (n *NATS) URL() string { return n.auth.URL }

// Check tells, for readiness, why the server is not healthy, for example that
// a full disk made it stop writing.
func (n *NATS) Check(context.Context) (detail string, err error) {
	if h := n.server.Healthz(&server.HealthzOptions{}); h.Status != "ok" {
		return "the event log cannot be written; the service log says why", fmt.Errorf("embedded NATS: %s %s", h.Status, h.Error)
	}
	return "", nil
}

// Close stops the server and withdraws its address.
func (n *NATS) Close() error {
	var err error
	if n.file != "" {
		err = os.Remove(n.file)
	}
	n.server.Shutdown()
	n.server.WaitForShutdown()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", addressName, err)
	}
	return nil
}

// ErrNotRunning says that no process runs on the data directory.
var ErrNotRunning = errors.New("no backup-monitor is running on this data directory")

// Find connects to the process that runs on a data directory. Errors:
// ErrNotRunning, or the network's.
func Find(path, name string) (*nats.Conn, error) {
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
	return connect(a.URL, name, a)
}

func connect(url, name string, a address, more ...nats.Option) (*nats.Conn, error) {
	opts := append([]nats.Option{nats.UserInfo(a.User, a.Password)}, more...)
	nc, err := nats.Connect(url, append(opts, events.ConnectOptions(name)...)...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	return nc, nil
}

package instance

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"backupmonitor/events"
	"backupmonitor/services/internal/control"
	"backupmonitor/services/internal/descriptors"
)

const (
	// Who connects and says nothing is let go after authTimeout, under TLS after
	// tlsTimeout besides. A slow link gets through also where a packet is lost.
	tlsTimeout, authTimeout = 5 * time.Second, 2 * time.Second
	// mostClients is how many clients there are at most, some 27 KB each, where so many
	// descriptors are allowed. The probers elsewhere are few: so many make it costly
	// to keep them out by connecting first.
	mostClients = 8192
	// leastClients is how many may be there also where few are allowed.
	leastClients = 64
	// keptClosed is how many clients that have left the server remembers, for a
	// monitoring that we do not have.
	keptClosed = 16
	// maxWaiting is how many messages wait for the disk at most, so that the log
	// answers in time. Every service waits for its message to be stored before it sends
	// another: more are of somebody who floods the log, and are dropped. What others
	// send meanwhile is refused, too, and sent again until there is room.
	maxWaiting = 256
)

// clientLimit is a quarter of the descriptors: those who read the page have half,
// and the rest is for looks, the log and the database.
func clientLimit(allowed uint64) int {
	return int(max(leastClients, min(allowed/4, mostClients)))
}

// address is what stands in nats.json.
type address struct {
	URL      string `json:"url"`
	User     string `json:"user"`
	Password string `json:"password"`
	PID      int    `json:"pid"`
}

// NATSOptions say how the embedded server runs.
type NATSOptions struct {
	Listen string // host:port; empty: loopback, at a free port
	// TLS, where it is set, is there for clients that want it: those on other
	// machines should, those on this one do without.
	TLS *tls.Config
	Log *slog.Logger
}

// NATS is the embedded server.
type NATS struct {
	server *server.Server
	auth   address // of commands, and of services elsewhere
	file   string  // nats.json; empty: it is found by nobody
	// Known to this process alone: its services, and who may change streams and take
	// from the log. They are where the log is, without the detour of the others.
	own, keeper address
}

// StartNATS runs the server on the directory's log and writes where it is to
// DATA_DIR/nats.json. It refuses to run without syncing every write.
func (d *Dir) StartNATS(o NATSOptions) (*NATS, error) {
	// Kept, so that the services elsewhere that have one in NATS_URL find the
	// server again after a restart.
	password, err := d.Secret(secretNATS)
	if err != nil {
		return nil, err
	}
	probers, err := d.Secret(secretProbers)
	if err != nil {
		return nil, err
	}
	n := &NATS{auth: address{User: "backup-monitor", Password: password, PID: os.Getpid()}, file: filepath.Join(d.path, addressName)}
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
	n.own, n.keeper = address{User: "own", Password: newSecret()}, address{User: "keeper", Password: newSecret()}
	services, probing, said := server.NewAccount(accountServices), server.NewAccount(accountProbers), newServerLog(o.Log)
	s, err := run(&server.Options{
		Host:       host,
		Port:       port,
		StoreDir:   d.Log(),
		SyncAlways: true,
		TLSConfig:  o.TLS, AllowNonTLS: true, TLSTimeout: tlsTimeout.Seconds(),
		AuthTimeout: authTimeout.Seconds(), MaxConn: clientLimit(descriptors.Allowed()), MaxClosedClients: keptClosed,
		StreamMaxBufferedMsgs: maxWaiting,
		Accounts:              []*server.Account{services, probing},
		Users: []*server.User{
			{Username: n.auth.User, Password: n.auth.Password, Permissions: permissions(events.ServicePermissions(), control.AllSubjects), Account: services},
			{Username: events.ServiceProber, Password: probers, Permissions: permissions(events.ProberPermissions()), Account: probing},
			{Username: n.own.User, Password: n.own.Password, Permissions: permissions(events.ServicePermissions())},
			{Username: n.keeper.User, Password: n.keeper.Password},
		},
	}, said)
	if err != nil {
		return nil, err
	}
	if c := s.JetStreamConfig(); c == nil || !c.SyncAlways {
		s.Shutdown()
		return nil, errors.New("the NATS server does not sync every write: acknowledged events could be lost")
	}
	if err := listen(s, said); err != nil {
		s.Shutdown()
		return nil, err
	}
	// Who reads it is on this machine, where the certificate has no name.
	n.server, n.auth.URL = s, strings.Replace(s.ClientURL(), "tls://", "nats://", 1)
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

// Connect returns a client of the embedded server, for a service of this process. It
// needs no network.
func (n *NATS) Connect(name string, more ...nats.Option) (*nats.Conn, error) {
	return connect("", name, n.own, append(more, nats.InProcessServer(n.server))...)
}

// ConnectControl returns a client that commands reach, and services elsewhere, and that
// is otherwise as theirs.
func (n *NATS) ConnectControl(name string, more ...nats.Option) (*nats.Conn, error) {
	return connect("", name, n.auth, append(more, nats.InProcessServer(n.server))...)
}

// ConnectKeeper returns a client, as Connect does, that may also make the streams,
// and take from the log what has been archived.
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

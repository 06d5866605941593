// Package natstest runs a real NATS server inside a test: JetStream on disk,
// every write synced, no port unless asked for, the product's streams
// provisioned.
package natstest

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"backupmonitor/events"
)

// anybody is the user that may do everything.
const anybody = "anybody"

// MaxBytes is the size of the log in tests.
const MaxBytes = 256 << 20

// Server is a running server and a client of it.
type Server struct {
	NATS *server.Server
	Conn *nats.Conn
	JS   jetstream.JetStream
	Log  *events.Log
}

// Start runs a server with its data in a directory of the test, and stops it
// when the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	return StartAt(t, t.TempDir())
}

// StartAt runs a server on a given data directory, so that a test can stop it
// and start another on what it left.
func StartAt(t testing.TB, dir string) *Server {
	t.Helper()
	may := events.ProberPermissions()
	s, err := server.NewServer(&server.Options{
		ServerName:        "natstest",
		DontListen:        true,
		JetStream:         true,
		StoreDir:          dir,
		SyncAlways:        true,
		JetStreamMaxStore: 4 * MaxBytes,
		NoSigs:            true,
		NoLog:             true,
		// A prober may do in tests what it may do on a machine of its own.
		Users: []*server.User{{Username: anybody}, {Username: events.ServiceProber, Permissions: &server.Permissions{
			Publish: &server.SubjectPermission{Allow: may.Ask}, Subscribe: &server.SubjectPermission{Allow: may.Subscribe},
		}}},
	})
	if err != nil {
		t.Fatalf("make the NATS server: %v", err)
	}
	go s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(30 * time.Second) {
		t.Fatal("the NATS server did not become ready in 30 s")
	}
	n := &Server{NATS: s}
	n.Conn, n.JS, n.Log = n.Client(t, "test")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := events.Provision(ctx, n.JS, events.Limits{EventsMaxBytes: MaxBytes, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	return n
}

// Client is one more client of the server, closed when the test ends. One named
// events.ServiceProber fails the test when it asks for what no prober may.
func (n *Server) Client(t testing.TB, name string) (*nats.Conn, jetstream.JetStream, *events.Log) {
	t.Helper()
	options := append(events.ConnectOptions(name), nats.InProcessServer(n.NATS))
	if name == events.ServiceProber {
		options = append(options, nats.UserInfo(name, ""), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { t.Error(err) }))
	} else {
		options = append(options, nats.UserInfo(anybody, ""))
	}
	nc, err := nats.Connect("", options...)
	if err != nil {
		t.Fatalf("connect to the NATS server: %v", err)
	}
	closed := make(chan struct{})
	nc.SetClosedHandler(func(*nats.Conn) { close(closed) })
	t.Cleanup(func() { nc.Close(); <-closed })
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatalf("open JetStream: %v", err)
	}
	return nc, js, events.NewLog(js, name)
}

// Stop stops the server before the test ends.
func (n *Server) Stop() {
	n.Conn.Close()
	n.NATS.Shutdown()
	n.NATS.WaitForShutdown()
}

// Bound has the log take no more than so many bytes beyond what it holds.
func (n *Server) Bound(t testing.TB, more int) {
	t.Helper()
	s, err := n.JS.Stream(t.Context(), events.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	c := s.CachedInfo().Config
	c.MaxBytes = int64(s.CachedInfo().State.Bytes) + int64(more)
	if _, err := n.JS.UpdateStream(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

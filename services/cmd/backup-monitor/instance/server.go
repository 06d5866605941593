package instance

import (
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"backupmonitor/events"
)

const (
	readyTimeout = 60 * time.Second
	// storeBytes is JetStream's own bound, which must not be the one that is
	// reached: the log has its own, and by default it would be three quarters
	// of what was free on the disk at the start.
	storeBytes = 1 << 50

	// accountProbers is the NATS account of probers on other machines. The log, its
	// keeper and all other services are in the server's own.
	accountProbers = "probers"
)

// run starts a server with its log, which no client reaches yet but through the
// process itself. Of the accounts in the options there may be that of probers.
func run(o *server.Options, log *serverLog) (*server.Server, error) {
	o.ServerName, o.NoSigs, o.DontListen = "backup-monitor", true, true
	o.JetStream, o.JetStreamMaxStore = true, storeBytes
	s, err := server.NewServer(o)
	if err != nil {
		return nil, fmt.Errorf("make the NATS server: %w", err)
	}
	s.SetLoggerV2(log, false, false, false)
	if err := open(s, len(o.Accounts) > 0, log); err != nil {
		s.Shutdown()
		return nil, err
	}
	return s, nil
}

func open(s *server.Server, probers bool, log *serverLog) error {
	if probers {
		if err := admitProbers(s); err != nil {
			return fmt.Errorf("bound what probers may do: %w", err)
		}
	}
	go s.Start()
	for deadline := time.Now().Add(readyTimeout); !s.ReadyForConnections(100 * time.Millisecond); {
		if err := log.fatal(); err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the NATS server did not become ready in %s", readyTimeout)
		}
	}
	// The server does so by itself only where there is no other account.
	if err := s.GlobalAccount().EnableJetStream(nil, nil); err != nil {
		return fmt.Errorf("open the event log: %w", err)
	}
	return nil
}

// admitProbers lets the account of probers ask of the log what a prober needs.
//
// Permissions alone would not do: the server publishes an answer at whatever subject
// the request names, with its own right. In an account of their own that subject is
// the account's, whatever its name, and never one of the log's.
func admitProbers(s *server.Server) error {
	log := s.GlobalAccount()
	probers, err := s.LookupAccount(accountProbers)
	if err != nil {
		return err
	}
	// Where JSApiAccountInfo is imported the server leaves the account without a
	// JetStream API of its own, which would answer besides.
	for _, subject := range append(events.ProberPermissions().Publish, server.JSApiAccountInfo) {
		answers := server.Singleton
		if strings.HasPrefix(subject, events.RequestNext) {
			answers = server.Streamed
		}
		if err := log.AddServiceExportWithResponse(subject, answers, []*server.Account{probers}); err != nil {
			return fmt.Errorf("export %s: %w", subject, err)
		}
		if err := probers.AddServiceImport(log, subject, subject); err != nil {
			return fmt.Errorf("import %s: %w", subject, err)
		}
	}
	return nil
}

// listen lets clients in from the network.
func listen(s *server.Server, log *serverLog) error {
	s.AcceptLoop(make(chan struct{})) // returns when it listens
	return log.fatal()
}

// permissions hand those of the contract to the server, with more to publish.
func permissions(p events.Permissions, more ...string) *server.Permissions {
	of := &server.Permissions{Publish: &server.SubjectPermission{Allow: append(p.Publish, more...), Deny: p.Denied}}
	if len(p.Subscribe) > 0 {
		of.Subscribe = &server.SubjectPermission{Allow: p.Subscribe}
	}
	return of
}

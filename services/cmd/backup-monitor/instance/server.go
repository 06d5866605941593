package instance

import (
	"fmt"
	"slices"
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

	// The log and its keeper are in the server's own account; everybody else is in
	// one of these, and reaches it through what the account imports.
	accountServices = "services"
	accountProbers  = "probers"
)

// imports are what each account may ask of the log.
func imports() map[string]events.Permissions {
	return map[string]events.Permissions{accountServices: events.ServicePermissions(), accountProbers: events.ProberPermissions()}
}

// run starts a server with its log, which no client reaches yet but through the
// process itself.
func run(o *server.Options, log *serverLog) (*server.Server, error) {
	o.ServerName, o.NoSigs, o.DontListen = "backup-monitor", true, true
	o.JetStream, o.JetStreamMaxStore = true, storeBytes
	s, err := server.NewServer(o)
	if err != nil {
		return nil, fmt.Errorf("make the NATS server: %w", err)
	}
	s.SetLoggerV2(log, false, false, false)
	if err := open(s, o.Accounts, log); err != nil {
		s.Shutdown()
		return nil, err
	}
	return s, nil
}

func open(s *server.Server, accounts []*server.Account, log *serverLog) error {
	for _, a := range accounts {
		if err := admit(s, a.Name, imports()[a.Name]); err != nil {
			return fmt.Errorf("bound what %s may do: %w", a.Name, err)
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

// admit lets an account ask of the log what its members may.
//
// Permissions alone would not do: the server publishes an answer at whatever subject
// the request names, with its own right, be it that of a purge. In an account of their
// own that subject is the account's, whatever its name, and never one of the log's.
func admit(s *server.Server, name string, may events.Permissions) error {
	log := s.GlobalAccount()
	account, err := s.LookupAccount(name)
	if err != nil {
		return err
	}
	subjects := slices.Concat(may.Ask, []string{server.JSApiAccountInfo})
	slices.Sort(subjects)
	// Where JSApiAccountInfo is imported the server leaves the account without a
	// JetStream API of its own, which would answer besides.
	for _, subject := range slices.Compact(subjects) {
		answers := server.Singleton
		if strings.HasPrefix(subject, events.RequestNext) {
			answers = server.Streamed
		}
		if err := log.AddServiceExportWithResponse(subject, answers, []*server.Account{account}); err != nil {
			return fmt.Errorf("export %s: %w", subject, err)
		}
		if err := account.AddServiceImport(log, subject, subject); err != nil {
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
	of := &server.Permissions{Publish: &server.SubjectPermission{Allow: slices.Concat(p.Ask, p.Publish, more), Deny: p.Denied}}
	if len(p.Subscribe) > 0 {
		of.Subscribe = &server.SubjectPermission{Allow: p.Subscribe}
	}
	return of
}

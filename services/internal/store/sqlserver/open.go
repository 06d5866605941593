// Package sqlserver keeps the tables in a SQL Server database, beside whatever
// else is in it. Its T-SQL is what any server of that dialect takes: no MERGE,
// no statement of one vendor's newer versions, upserts that hold without
// table hints.
//
// A batch goes to the server as parameters of a few statements, and is folded
// there: what matters on a slow line is the number of round trips.
package sqlserver

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	mssql "github.com/microsoft/go-mssqldb"

	"backupmonitor/services/internal/store"
)

// Options say where the database is and how to sign in.
type Options struct {
	Server   string // host, host:port, host,port or host\instance
	Database string
	Username string
	Password string
	// Encrypt is disable, true or strict: TDS 8, which SQL Server speaks from
	// 2022 on. Source: SQL Server, "TDS 8.0 and TLS 1.3 support".
	Encrypt string
	// Certificate is the path of a PEM file with the authority, or the
	// certificate itself, that the server's is checked against; empty: those
	// that the system trusts.
	Certificate string
	// HostNameInCertificate is the name that the certificate is for, where it
	// is not the server's.
	HostNameInCertificate string
}

const (
	dialTimeout = 5 * time.Second
	// connections bounds the pool: one writes, the others read.
	connections  = 16
	connLifetime = 30 * time.Minute
	connIdle     = 5 * time.Minute

	// sessionInit: an error ends its transaction whole; a lock that another
	// session keeps is waited for half a minute; and where a deadlock must end
	// somebody's transaction, it is rather ours than another program's.
	sessionInit = "SET XACT_ABORT ON; SET LOCK_TIMEOUT 30000; SET DEADLOCK_PRIORITY LOW;"
)

// DSN is the options in the driver's URL form. It holds the password: it is not
// for logs.
func (o Options) DSN() (string, error) {
	host, instance, named := strings.Cut(o.Server, `\`)
	host = strings.TrimSpace(host)
	name, port, comma := strings.Cut(host, ",")
	if comma {
		host = strings.TrimSpace(name) + ":" + strings.TrimSpace(port)
	}
	query := url.Values{
		"app name":     {"backup-monitor"},
		"database":     {o.Database},
		"dial timeout": {fmt.Sprint(int(dialTimeout.Seconds()))},
		"encrypt":      {cmp.Or(o.Encrypt, "true")},
		"protocol":     {"tcp"},
	}
	if o.Encrypt != "disable" {
		query.Set("TrustServerCertificate", "false")
	}
	if o.Certificate != "" {
		query.Set("certificate", o.Certificate)
	}
	if o.HostNameInCertificate != "" {
		query.Set("hostNameInCertificate", o.HostNameInCertificate)
	}
	u := url.URL{Scheme: "sqlserver", User: url.UserPassword(o.Username, o.Password), Host: host, RawQuery: query.Encode()}
	if named {
		if strings.Contains(host, ":") {
			return "", fmt.Errorf("%q names both a port and an instance: give one of them", o.Server)
		}
		u.Path = "/" + strings.TrimSpace(instance)
	}
	return u.String(), nil
}

// Store is a database. It is safe for concurrent use.
type Store struct {
	name   string // host and database, for messages
	lock   string // of whoever migrates or adopts
	users  string // the lock of whoever changes a user
	writer *sql.DB
	snap   *sql.DB // as writer, but in snapshots, for a database that allows them

	found  turn    // of who asks for, or reads, what is below
	layout *layout // of the original system's tables; nil before the first need
	reader *sql.DB // one of the two; nil before the first need
}

// turn is a lock with one place. Who has it may be asking a silent server: whoever
// waits for it heeds its own context.
type turn chan struct{}

func (t turn) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t turn) leave() { <-t }

var _ store.Backend = (*Store)(nil)

// Open prepares the use of the database that the options name. It does not yet
// speak to it: a server that is down is for the first question to find out.
// Whoever opens a store closes it. The tables are Migrate's work.
func Open(o Options) (*Store, error) {
	dsn, err := o.DSN()
	if err != nil {
		return nil, fmt.Errorf("DB_SERVER: %w", err)
	}
	return OpenDSN(dsn)
}

// OpenDSN is Open for a DSN in the driver's URL form.
func OpenDSN(dsn string) (*Store, error) {
	return open(dsn, func(c driver.Connector) driver.Connector { return c })
}

// open lets tests put themselves between the pool and the driver.
func open(dsn string, through func(driver.Connector) driver.Connector) (*Store, error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return nil, errors.New("open database: the DSN is not sqlserver://user:password@host?database=name") // err has the password
	}
	database := cmp.Or(u.Query().Get("database"), "master")
	lower := strings.ToLower(database) // one database, however its name is spelled
	s := &Store{name: fmt.Sprintf("%s on %s%s", database, u.Host, u.Path), lock: lockName + lower, users: usersLock + lower, found: make(turn, 1)}
	guard := newGuard(time.Now)
	pool := func(init string) (*sql.DB, error) {
		c, err := mssql.NewConnector(dsn)
		if err != nil {
			return nil, fmt.Errorf("open database %s: %w", s.name, err)
		}
		c.SessionInitSQL = init
		c.Dialer = &dialer{Dialer: net.Dialer{KeepAlive: keepAlive}, timeout: signInTimeout}
		db := sql.OpenDB(&signIn{Connector: through(c), guard: guard})
		db.SetMaxOpenConns(connections)
		db.SetMaxIdleConns(connections / 4)
		db.SetConnMaxLifetime(connLifetime)
		db.SetConnMaxIdleTime(connIdle)
		return db, nil
	}
	if s.writer, err = pool(sessionInit); err != nil {
		return nil, err
	}
	if s.snap, err = pool(sessionInit + " SET TRANSACTION ISOLATION LEVEL SNAPSHOT;"); err != nil {
		return nil, errors.Join(err, s.writer.Close())
	}
	return s, nil
}

// Ping tells whether the database answers and has this program's tables.
func (s *Store) Ping(ctx context.Context) error {
	have, want, err := s.versions(ctx)
	if err != nil {
		return fmt.Errorf("ask database %s: %w", s.name, explain(err))
	}
	if have != want {
		return fmt.Errorf("database %s has tables of version %d and this program needs %d: the projector of this version makes them", s.name, have, want)
	}
	return nil
}

// Close closes the database. It waits for what is running.
func (s *Store) Close() error {
	if err := errors.Join(s.writer.Close(), s.snap.Close()); err != nil {
		return fmt.Errorf("close database %s: %w", s.name, err)
	}
	return nil
}

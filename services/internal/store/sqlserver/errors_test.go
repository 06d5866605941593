package sqlserver

import (
	"context"
	"crypto/x509"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	mssql "github.com/microsoft/go-mssqldb"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// answering is a driver whose server answers each request with an error, at the
// place that a test chooses. It is for what no server in the tests produces.
type answering struct {
	connect, begin, exec, commit error
	connects, rollbacks          int

	query func(ctx context.Context, text string) (driver.Rows, error)
	ping  func(context.Context) error
}

func (a *answering) Connect(context.Context) (driver.Conn, error) {
	a.connects++
	if a.connect != nil {
		return nil, a.connect
	}
	return answeringConn{a}, nil
}

func (a *answering) Driver() driver.Driver { return nil }

type answeringConn struct{ *answering }

func (c answeringConn) Prepare(string) (driver.Stmt, error) { return nil, errors.New("not asked for") }
func (c answeringConn) Close() error                        { return nil }
func (c answeringConn) Begin() (driver.Tx, error)           { return c, c.begin }
func (c answeringConn) Commit() error                       { return c.commit }
func (c answeringConn) Rollback() error                     { c.rollbacks++; return nil }

func (c answeringConn) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(1), c.exec
}

func (c answeringConn) QueryContext(ctx context.Context, text string, _ []driver.NamedValue) (driver.Rows, error) {
	if c.query == nil {
		return nil, errors.New("not asked for")
	}
	return c.query(ctx, text)
}

func (c answeringConn) Ping(ctx context.Context) error {
	if c.ping == nil {
		return nil
	}
	return c.ping(ctx)
}

func (c answeringConn) CheckNamedValue(*driver.NamedValue) error { return nil }

// behind is a store on that driver: its writer, and, where it is to have one of
// its own, its pool of snapshots.
func behind(t *testing.T, pools ...*answering) *Store {
	t.Helper()
	s, err := open("sqlserver://sa:hunter2@db.example/INST?database=DBBAK", func(driver.Connector) driver.Connector {
		a := pools[0]
		if len(pools) > 1 {
			pools = pools[1:]
		}
		return a
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	s.layout = &layout{columns: map[string]column{}}
	return s
}

func answer(numbers ...int32) error {
	e := mssql.Error{Number: numbers[len(numbers)-1], Message: "as the server says it"}
	for _, n := range numbers {
		e.All = append(e.All, mssql.Error{Number: n})
	}
	return e
}

func batch() store.Batch {
	return store.Batch{New: store.Checkpoint{Stream: "s", Seq: 1}, Looks: []store.Look{{
		EventID: "e", Seq: 1, Mode: events.DDrive, Outlet: "OUT001", ScanDate: "2025-03-01", Status: events.Successful,
	}}}
}

// TestErrorsAreToldApart by their numbers, wherever in a transaction they come.
func TestErrorsAreToldApart(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		err     error
		reason  string
		refused bool
	}{
		"deadlock":                        {answer(1205), "lost a deadlock", false},
		"lock timeout":                    {answer(1222), "keeps a lock", false},
		"log full":                        {answer(9002), "transaction log is full", false},
		"disk full":                       {answer(1105), "its disk is full", false},
		"read-only":                       {answer(3906), "read-only", false},
		"memory":                          {answer(701), "short of memory", false},
		"damaged":                         {answer(824), "damaged", false},
		"password":                        {answer(18456), "sign-in was refused", true},
		"locked out":                      {answer(18486), "sign-in was refused", true},
		"permission":                      {answer(229), "permission is missing", true},
		"the database alone is away":      {answer(4060, 18456), "not available", false},
		"the server starts":               {answer(18401, 18456), "starting", false},
		"the line":                        {io.EOF, "cannot be reached", false},
		"no answer":                       {context.DeadlineExceeded, "in time", false},
		"certificate":                     {x509.UnknownAuthorityError{}, "DB_CERTIFICATE", false},
		"certificate, told in text":       {errors.New("TLS Handshake failed: x509: certificate signed by unknown authority"), "DB_CERTIFICATE", false},
		"a text too long":                 {answer(8152, 3621), "does not take", false},
		"a text too long, since 2019":     {answer(2628, 3621), "does not take", false},
		"no value":                        {answer(515, 3621), "does not take", false},
		"a date that is none":             {answer(241), "does not take", false},
		"a date out of range":             {answer(242), "does not take", false},
		"a number that nobody knows":      {answer(31337), "", false},
		"a dead connection, by its class": {driver.ErrBadConn, "cannot be reached", false},
	} {
		for place, a := range map[string]*answering{
			"begin": {begin: x.err}, "exec": {exec: x.err}, "commit": {commit: x.err},
		} {
			err := behind(t, a).Apply(t.Context(), batch())
			if err == nil || !errors.Is(err, x.err) && !strings.Contains(err.Error(), x.err.Error()) {
				t.Fatalf("%s at %s: error %v, want that it wraps the server's", name, place, err)
			}
			if got := store.Reason(err, ""); !strings.Contains(got, x.reason) || x.reason == "" && got != "" {
				t.Errorf("%s at %s: reason %q, want %q", name, place, got, x.reason)
			}
			if got := errors.Is(err, store.ErrRefused); got != x.refused {
				t.Errorf("%s at %s: refused %t, want %t", name, place, got, x.refused)
			}
			if got := errors.Is(err, store.ErrUnstorable); got != strings.Contains(x.reason, "does not take") {
				t.Errorf("%s at %s: unstorable %t", name, place, got)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: the password is in %q", name, err)
			}
			if place == "exec" && a.rollbacks != 1 && !errors.Is(x.err, driver.ErrBadConn) {
				t.Errorf("%s: %d transactions rolled back, want 1", name, a.rollbacks)
			}
		}
	}
}

// TestFencedAtTheFirstBatch: who comes second gets a duplicate key.
func TestFencedAtTheFirstBatch(t *testing.T) {
	t.Parallel()
	err := behind(t, &answering{exec: answer(2627)}).Apply(t.Context(), batch())
	if !errors.Is(err, store.ErrFenced) {
		t.Errorf("error %v, want ErrFenced", err)
	}
}

// TestSignInIsNotRepeated: a refused one is tried again only after a pause that
// doubles, however often somebody asks.
func TestSignInIsNotRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &answering{connect: answer(18456)}
		c := &signIn{Connector: a, guard: newGuard(time.Now)}
		begin := time.Now()
		for time.Since(begin) < 24*time.Hour {
			if _, err := c.Connect(t.Context()); !errors.Is(err, a.connect) && !is(err, 18456) {
				t.Fatalf("error %v, want the server's", err)
			}
			timer := time.NewTimer(5 * time.Second)
			<-timer.C
		}
		if a.connects < 48 || a.connects > 60 {
			t.Errorf("%d tries in a day, want one every half hour in the end", a.connects)
		}
		a.connect = nil
		timer := time.NewTimer(refusedMost)
		<-timer.C
		for range 3 {
			if _, err := c.Connect(t.Context()); err != nil {
				t.Errorf("after the password is right: %v", err)
			}
		}
	})
}

// TestFailuresThatPassAreRepeated at once: only a refusal makes one wait.
func TestFailuresThatPassAreRepeated(t *testing.T) {
	t.Parallel()
	a := &answering{connect: answer(4060, 18456)}
	c := &signIn{Connector: a, guard: newGuard(time.Now)}
	for range 3 {
		_, _ = c.Connect(t.Context())
	}
	if a.connects != 3 {
		t.Errorf("%d tries, want 3", a.connects)
	}
}

func TestDSN(t *testing.T) {
	t.Parallel()
	for server, want := range map[string]string{
		"db.example":       "sqlserver://sa:p%40ss%2F%3F@db.example?",
		"db.example,1500":  "sqlserver://sa:p%40ss%2F%3F@db.example:1500?",
		"db.example:1500":  "sqlserver://sa:p%40ss%2F%3F@db.example:1500?",
		`db.example\INST2`: "sqlserver://sa:p%40ss%2F%3F@db.example/INST2?",
		"db.example , 15":  "sqlserver://sa:p%40ss%2F%3F@db.example:15?",
	} {
		dsn, err := Options{Server: server, Database: "DBBAK", Username: "sa", Password: "p@ss/?", Encrypt: "strict"}.DSN()
		if err != nil || !strings.HasPrefix(dsn, want) || !strings.Contains(dsn, "encrypt=strict") || !strings.Contains(dsn, "TrustServerCertificate=false") {
			t.Errorf("%s: %s, %v", server, dsn, err)
		}
		if _, err := mssql.NewConnector(dsn); err != nil {
			t.Errorf("%s: the driver does not understand the DSN: %v", server, err)
		}
	}
	for _, encrypt := range []string{"disable", "true"} {
		dsn, err := Options{Server: "h", Encrypt: encrypt, HostNameInCertificate: "sql.example"}.DSN()
		if err != nil || !strings.Contains(dsn, "encrypt="+encrypt) || !strings.Contains(dsn, "hostNameInCertificate=sql.example") {
			t.Errorf("%s: %s, %v", encrypt, dsn, err)
		}
	}
	if _, err := (Options{Server: `h,1433\X`}).DSN(); err == nil {
		t.Error("both a port and an instance were taken")
	}
	if _, err := Open(Options{Server: "h", Password: "hunter2", Certificate: "/does/not/be"}); err == nil || strings.Contains(fmt.Sprint(err), "hunter2") {
		t.Errorf("a certificate that is not there: %v", err)
	}
}

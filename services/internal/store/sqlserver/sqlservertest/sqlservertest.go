// Package sqlservertest gives tests databases on a real SQL Server, and lines
// to it that fail. The server is that of TEST_SQLSERVER_DSN, a DSN in the
// driver's URL form of a login that may create databases and logins.
package sqlservertest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"sync"
	"testing"

	_ "github.com/microsoft/go-mssqldb" // the driver of Exec
)

// Server is the DSN of the server to test on. It skips the test where there is
// none, and fails it with REQUIRE_SQLSERVER=1.
func Server(t testing.TB) string {
	t.Helper()
	dsn := os.Getenv("TEST_SQLSERVER_DSN")
	if dsn != "" {
		return dsn
	}
	if os.Getenv("REQUIRE_SQLSERVER") == "1" {
		t.Fatal("REQUIRE_SQLSERVER is set and TEST_SQLSERVER_DSN is not")
	}
	t.Skip("TEST_SQLSERVER_DSN is not set: nothing was tried on a SQL Server")
	return ""
}

// creating lets one test of a process at a time make or drop its database: not
// every server bears more.
var creating sync.Mutex //nolint:gochecknoglobals // it guards the one server that all tests share

// Database makes a database for one test and returns its DSN.
func Database(t testing.TB) string {
	t.Helper()
	server := Server(t)
	name := "test_" + rand.Text()
	alone := func(statement string) {
		creating.Lock()
		defer creating.Unlock()
		Exec(t, server, statement)
	}
	alone("CREATE DATABASE " + name)
	t.Cleanup(func() { alone("DROP DATABASE " + name) })
	return With(t, server, func(u *url.URL) {
		q := u.Query()
		q.Set("database", name)
		u.RawQuery = q.Encode()
	})
}

// With is a DSN that differs from another.
func With(t testing.TB, dsn string, change func(*url.URL)) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal("the DSN is not a URL") // err has the password
	}
	change(u)
	return u.String()
}

// Exec runs statements as another program would, each for itself.
func Exec(t testing.TB, dsn string, statements ...string) {
	t.Helper()
	if err := Try(dsn, statements...); err != nil {
		t.Fatal(err)
	}
}

// Try is Exec that returns the first error.
func Try(dsn string, statements ...string) error {
	db, err := sql.Open("sqlserver", dsn)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	for _, s := range statements {
		if _, err := db.ExecContext(context.Background(), s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

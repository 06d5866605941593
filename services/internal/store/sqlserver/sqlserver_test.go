package sqlserver_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"backupmonitor/services/internal/store"
	"backupmonitor/services/internal/store/sqlserver"
	"backupmonitor/services/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSuite(t *testing.T) {
	t.Parallel()
	server := serverDSN(t)
	storetest.Exercise(t, func(t *testing.T) func() store.Backend {
		dsn := database(t, server)
		return func() store.Backend { return open(t, dsn) }
	})
}

// TestBeginnings uses the collations that existing databases have: by default
// one that ignores case, and one that ignores accents too.
func TestBeginnings(t *testing.T) {
	t.Parallel()
	server := serverDSN(t)
	storetest.ExerciseBeginnings(t, func(t *testing.T) (func() store.Backend, func(...string)) {
		dsn := database(t, server)
		return func() store.Backend { return open(t, dsn) }, func(statements ...string) { exec(t, dsn, statements...) }
	})
}

// serverDSN is the server to test on. It skips the test where there is none.
func serverDSN(t testing.TB) string {
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

// creating lets one test at a time make or drop its database: not every server
// bears more.
var creating sync.Mutex

// database makes a database for one test and returns its DSN.
func database(t testing.TB, server string) string {
	t.Helper()
	name := "test_" + rand.Text()
	alone := func(statement string) {
		creating.Lock()
		defer creating.Unlock()
		exec(t, server, statement)
	}
	alone("CREATE DATABASE " + name)
	t.Cleanup(func() { alone("DROP DATABASE " + name) })
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal("TEST_SQLSERVER_DSN is not a URL")
	}
	q := u.Query()
	q.Set("database", name)
	u.RawQuery = q.Encode()
	return u.String()
}

func open(t testing.TB, dsn string) *sqlserver.Store {
	t.Helper()
	s, err := sqlserver.OpenDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// exec runs statements as another program would.
func exec(t testing.TB, dsn string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlserver", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for _, s := range statements {
		if _, err := db.ExecContext(context.Background(), s); err != nil {
			t.Fatal(fmt.Errorf("%s: %w", s, err))
		}
	}
}

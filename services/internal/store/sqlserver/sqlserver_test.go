package sqlserver_test

import (
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"backupmonitor/services/internal/store"
	"backupmonitor/services/internal/store/sqlite"
	"backupmonitor/services/internal/store/sqlserver"
	"backupmonitor/services/internal/store/sqlserver/sqlservertest"
	"backupmonitor/services/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSuite(t *testing.T) {
	t.Parallel()
	sqlservertest.Server(t)
	storetest.Exercise(t, func(t *testing.T) func() store.Backend {
		dsn := sqlservertest.Database(t)
		// Another process, which opens it, folds in another place.
		return func() store.Backend {
			return open(t, dsn).Rebuilder(sqlite.NewStager(filepath.Join(t.TempDir(), "staging")))
		}
	})
}

// TestBeginnings uses the collations that existing databases have: by default
// one that ignores case, and one that ignores accents too.
func TestBeginnings(t *testing.T) {
	t.Parallel()
	sqlservertest.Server(t)
	storetest.ExerciseBeginnings(t, func(t *testing.T) (func() store.Backend, func(...string)) {
		dsn := sqlservertest.Database(t)
		return func() store.Backend { return open(t, dsn) }, func(statements ...string) { sqlservertest.Exec(t, dsn, statements...) }
	})
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

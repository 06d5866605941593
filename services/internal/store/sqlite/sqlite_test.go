package sqlite_test

import (
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"backupmonitor/services/internal/store"
	"backupmonitor/services/internal/store/sqlite"
	"backupmonitor/services/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSuite(t *testing.T) {
	t.Parallel()
	storetest.Exercise(t, func(t *testing.T) func() store.Backend {
		path := filepath.Join(t.TempDir(), "monitor.db")
		return func() store.Backend { return open(t, path) }
	})
}

func TestBeginnings(t *testing.T) {
	t.Parallel()
	storetest.ExerciseBeginnings(t, func(t *testing.T) (func() store.Backend, func(...string)) {
		path := filepath.Join(t.TempDir(), "monitor.db")
		exec := func(statements ...string) {
			for _, s := range statements {
				exec1(t, path, s)
			}
		}
		return func() store.Backend { return open(t, path) }, exec
	})
}

func open(t testing.TB, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path)
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

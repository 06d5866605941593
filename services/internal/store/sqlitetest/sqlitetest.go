// Package sqlitetest gives tests a database of their own.
package sqlitetest

import (
	"path/filepath"
	"testing"

	"backupmonitor/services/internal/store/sqlite"
)

// Open is an empty database with all tables, closed with the test.
func Open(t testing.TB) *sqlite.Store {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "monitor.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

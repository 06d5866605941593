package sqlserver

import (
	"context"
	"testing"

	"backupmonitor/services/internal/store"
	"backupmonitor/services/internal/store/sqlserver/sqlservertest"
	"backupmonitor/services/internal/store/storetest"
)

// TestWithoutJSON applies batches as in a database of an older version.
func TestWithoutJSON(t *testing.T) {
	t.Parallel()
	sqlservertest.Server(t)
	storetest.ExerciseApply(t, func(t *testing.T) func() store.Backend {
		dsn := sqlservertest.Database(t)
		return func() store.Backend {
			s, err := OpenDSN(dsn)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			return withoutJSON{s}
		}
	})
}

type withoutJSON struct{ *Store }

func (w withoutJSON) Migrate(ctx context.Context) error {
	if err := w.Store.Migrate(ctx); err != nil {
		return err
	}
	l, err := w.tables(ctx)
	if err == nil {
		l.json = false
	}
	return err
}

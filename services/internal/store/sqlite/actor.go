package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// checkActors looks whether those who do what the notes tell of may still do it.
// It comes before anything is written: somebody may change themselves. Only one
// transaction writes at a time, so that it stays true. Errors: store.ErrActor.
func checkActors(ctx context.Context, tx *sql.Tx, notes ...store.Note) error {
	for _, n := range notes {
		if n.By == nil {
			continue
		}
		u, err := readUser(tx.QueryRowContext(ctx, sqlUser, events.Key(n.By.ID), strings.TrimSpace(n.By.ID)).Scan)
		if errors.Is(err, store.ErrNotFound) || err == nil && !u.Still(*n.By) {
			return store.ErrActor
		}
		if err != nil {
			return err
		}
	}
	return nil
}

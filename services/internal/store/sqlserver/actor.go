package sqlserver

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"backupmonitor/services/internal/store"
)

// checkActors looks whether those who do what the notes tell of may still do it,
// and keeps them so until the transaction ends. It comes before anything is
// written: somebody may change themselves. Errors: store.ErrActor.
func checkActors(ctx context.Context, tx *sql.Tx, notes ...store.Note) error {
	for _, n := range notes {
		if n.By == nil {
			continue
		}
		if _, err := tx.ExecContext(ctx, fill(sqlHold), whose(n.By.ID)...); err != nil {
			return fmt.Errorf("hold who makes the change: %w", err)
		}
		u, err := readUser(tx.QueryRowContext(ctx, fill(sqlUser), whose(n.By.ID)...).Scan)
		if errors.Is(err, store.ErrNotFound) || err == nil && !u.Still(*n.By) {
			return store.ErrActor
		}
		if err != nil {
			return fmt.Errorf("look who makes the change: %w", err)
		}
	}
	return nil
}

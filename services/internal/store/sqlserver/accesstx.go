package sqlserver

import (
	"context"
	"database/sql"
	"fmt"

	"backupmonitor/services/internal/store"
)

// accessTx implements store.AccessTx. Who makes or changes users has locked them
// by lockUsers.
type accessTx struct{ *sql.Tx }

// Hold takes a user's lock and reads them. Errors: store.ErrNotFound.
func (tx accessTx) Hold(ctx context.Context, id string) (store.User, error) {
	if _, err := tx.ExecContext(ctx, fill(sqlHold), whose(id)...); err != nil {
		return store.User{}, fmt.Errorf("hold the user: %w", err)
	}
	return readUser(tx.QueryRowContext(ctx, fill(sqlUser), whose(id)...).Scan)
}

// OtherAdmins counts the active Admins but for one.
func (tx accessTx) OtherAdmins(ctx context.Context, id string) (n int, err error) {
	err = tx.QueryRowContext(ctx, fill(sqlOtherAdmins), sql.Named("id", id)).Scan(&n)
	return n, err
}

// PutUser writes a user who is there.
func (tx accessTx) PutUser(ctx context.Context, u store.User) error {
	if _, err := tx.ExecContext(ctx, fill(sqlChange), append(userColumns(u), sql.Named("id", u.ID))...); err != nil {
		return err
	}
	return putEpoch(ctx, tx.Tx, u)
}

// PutNotes puts notes into the outbox.
func (tx accessTx) PutNotes(ctx context.Context, notes ...store.Note) error {
	return putNotes(ctx, tx.Tx, notes...)
}

// noted does in one transaction what notes tell of, and puts them into the
// outbox. Errors: store.ErrActor, do's.
func (s *Store) noted(ctx context.Context, notes []store.Note, do func(*sql.Tx) error) error {
	return s.transact(ctx, func(tx *sql.Tx) error {
		return store.Noted(ctx, accessTx{tx}, notes, func() error { return do(tx) })
	})
}

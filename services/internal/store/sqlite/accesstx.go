package sqlite

import (
	"context"
	"database/sql"
	"strings"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// accessTx implements store.AccessTx. Only one transaction writes at a time, so
// that what it reads stays true.
type accessTx struct{ *sql.Tx }

// Hold reads a user. Errors: store.ErrNotFound.
func (tx accessTx) Hold(ctx context.Context, id string) (store.User, error) {
	return readUser(tx.QueryRowContext(ctx, sqlUser, events.Key(id), strings.TrimSpace(id)).Scan)
}

// OtherAdmins counts the active Admins but for one.
func (tx accessTx) OtherAdmins(ctx context.Context, id string) (n int, err error) {
	err = tx.QueryRowContext(ctx, sqlOtherAdmins, id).Scan(&n)
	return n, err
}

// PutUser writes a user who is there.
func (tx accessTx) PutUser(ctx context.Context, u store.User) error {
	_, err := tx.ExecContext(ctx, sqlChange, u.Name, u.Designation, u.Type, u.PasswordHash, flag(u.Active), u.Avatar,
		u.LoginFalseAttempt, formatTime(u.LoginActiveTime, originalTime), u.ID)
	if err != nil {
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

package sqlserver

import (
	"context"
	"database/sql"
	"fmt"

	mssql "github.com/microsoft/go-mssqldb"

	"backupmonitor/services/internal/store"
)

const (
	// usersLock is held by whoever makes or changes a user, until its transaction
	// ends: which Admins are left, and whether another spelling of an id is
	// there, are questions about rows of others.
	usersLock     = "backup-monitor users of "
	usersLockWait = 10_000 // ms
	// sqlHold takes the row's lock and changes nothing: what is read after it
	// stays true, and a sign-in waits. A hint would not hold on every server.
	sqlHold   = `UPDATE dbo.UserManager SET LoginFalseAttempt = LoginFalseAttempt` + whoseRow
	sqlChange = `UPDATE dbo.UserManager SET UserName = @name, Designation = @designation, UserType = @type, Password = @hash, Status = @status,
		Avatar = @avatar, LoginFalseAttempt = @attempts, LoginActiveTime = CAST(@at AS DATETIME) WHERE UserID COLLATE {bin} = @id`
	sqlOtherAdmins = `SELECT COUNT(*) FROM dbo.UserManager WHERE UserID COLLATE {bin} <> @id
		AND UPPER(LTRIM(RTRIM(UserType))) = 'A' AND UPPER(LTRIM(RTRIM(Status))) = 'Y'`
)

// ChangeUser hands the user to change and writes what that made of it. Errors:
// store.ErrNotFound, store.ErrLastAdmin, change's.
func (s *Store) ChangeUser(ctx context.Context, id string, change func(*store.User) ([]store.Note, error)) (u store.User, err error) {
	err = s.transact(ctx, func(tx *sql.Tx) (err error) {
		if err := s.lockUsers(ctx, tx); err != nil {
			return err
		}
		u, err = changeUser(ctx, tx, id, change)
		return err
	})
	if err != nil {
		return store.User{}, fmt.Errorf("change user %q: %w", id, err)
	}
	return u, nil
}

func (s *Store) lockUsers(ctx context.Context, tx *sql.Tx) error {
	var granted mssql.ReturnStatus
	_, err := tx.ExecContext(ctx, "sp_getapplock", sql.Named("Resource", s.users), sql.Named("LockMode", "Exclusive"),
		sql.Named("LockOwner", "Transaction"), sql.Named("LockTimeout", usersLockWait), &granted)
	if err == nil && granted < 0 {
		err = &store.Trouble{Reason: "another session keeps a lock", Err: fmt.Errorf("the server answered %d", granted)}
	}
	if err != nil {
		return fmt.Errorf("wait for others who change users: %w", err)
	}
	return nil
}

func changeUser(ctx context.Context, tx *sql.Tx, id string, change func(*store.User) ([]store.Note, error)) (store.User, error) {
	if _, err := tx.ExecContext(ctx, fill(sqlHold), whose(id)...); err != nil {
		return store.User{}, err
	}
	was, err := readUser(tx.QueryRowContext(ctx, fill(sqlUser), whose(id)...).Scan)
	if err != nil {
		return was, err
	}
	u := was
	notes, err := change(&u)
	if err == nil {
		err = checkActors(ctx, tx, notes...)
	}
	if err != nil {
		return u, err
	}
	u = u.After(was)
	if err := u.Check(); err != nil {
		return u, err
	}
	if was.ActiveAdmin() && !u.ActiveAdmin() {
		var others int
		if err := tx.QueryRowContext(ctx, fill(sqlOtherAdmins), sql.Named("id", u.ID)).Scan(&others); err != nil {
			return u, err
		}
		if others == 0 {
			return u, store.ErrLastAdmin
		}
	}
	if _, err := tx.ExecContext(ctx, fill(sqlChange), append(userColumns(u), sql.Named("id", u.ID))...); err != nil {
		return u, err
	}
	if err := putEpoch(ctx, tx, u); err != nil {
		return u, err
	}
	return u, putNotes(ctx, tx, notes...)
}

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
		u, err = store.ChangeUser(ctx, accessTx{tx}, id, change)
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

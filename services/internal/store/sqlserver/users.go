package sqlserver

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// The texts about users. A user put into the table by hand has no key of
// ours, and is found by the exact id.
const (
	whoseRow = ` WHERE UserID COLLATE {bin} = COALESCE((SELECT k.UserID FROM dbo.MonitorUser k WHERE k.UserKey = @key), @id)`
	sqlUser  = `SELECT UserID, UserName, Designation, UserType, Password, Status, Avatar, LoginFalseAttempt,
		TRY_CONVERT(DATETIME2(3), LoginActiveTime) FROM dbo.UserManager` + whoseRow
	sqlUsers     = `SELECT COUNT(*) FROM dbo.UserManager`
	sqlUserThere = `SELECT COUNT(*) FROM dbo.UserManager` + whoseRow
	sqlFailed    = `DECLARE @new TABLE (Attempts INT);
		UPDATE dbo.UserManager SET LoginFalseAttempt = COALESCE(LoginFalseAttempt, 0) + 1 OUTPUT inserted.LoginFalseAttempt INTO @new` + whoseRow + `;
		SELECT Attempts FROM @new`
	sqlSigned = `UPDATE dbo.UserManager SET LoginFalseAttempt = 0, LoginActiveTime = CAST(@at AS DATETIME)` + whoseRow + ` AND COALESCE(LoginFalseAttempt, 0) < @lockAt`

	sqlAddUser = `INSERT INTO dbo.UserManager (UserID, UserName, Designation, UserType, Password, Status, Avatar, LoginFalseAttempt, LoginActiveTime)
		VALUES (@id, @name, @designation, @type, @hash, @status, @avatar, @attempts, CAST(@at AS DATETIME))`
	sqlRekey  = `UPDATE dbo.MonitorUser SET UserID = @id WHERE UserKey = @key`
	sqlAddKey = `INSERT INTO dbo.MonitorUser (UserKey, UserID) SELECT @key, @id WHERE NOT EXISTS (SELECT 1 FROM dbo.MonitorUser WHERE UserKey = @key)`
)

// whose are the parameters of whoseRow.
func whose(id string, more ...any) []any {
	return append([]any{sql.Named("key", events.Key(id)), sql.Named("id", strings.TrimSpace(id))}, more...)
}

// User finds a user, ignoring the case of the id. Errors: store.ErrNotFound.
func (s *Store) User(ctx context.Context, id string) (store.User, error) {
	var u store.User
	var name, designation, kind, hash, status, avatar sql.NullString
	var at sql.NullTime
	var attempts sql.NullInt64
	err := s.writer.QueryRowContext(ctx, fill(sqlUser), whose(id)...).
		Scan(&u.ID, &name, &designation, &kind, &hash, &status, &avatar, &attempts, &at)
	if errors.Is(err, sql.ErrNoRows) {
		return store.User{}, fmt.Errorf("user %q: %w", id, store.ErrNotFound)
	}
	if err != nil {
		return store.User{}, fmt.Errorf("read user %q: %w", id, explain(err))
	}
	u.Name, u.Designation, u.Type = name.String, designation.String, strings.ToUpper(strings.TrimSpace(kind.String))
	u.PasswordHash, u.Avatar, u.Active = strings.TrimSpace(hash.String), avatar.String, isFlag(status)
	u.LoginFalseAttempt, u.LoginActiveTime = int(attempts.Int64), readTime(at, time.Second)
	return u, nil
}

// CountUsers counts all users, active or not.
func (s *Store) CountUsers(ctx context.Context) (int, error) {
	var n int
	if err := s.writer.QueryRowContext(ctx, sqlUsers).Scan(&n); err != nil {
		return 0, fmt.Errorf("count the users: %w", explain(err))
	}
	return n, nil
}

// AddUser makes a user. Errors: store.ErrExists.
func (s *Store) AddUser(ctx context.Context, u store.User) error {
	u.ID = strings.TrimSpace(u.ID)
	if err := u.Check(); err != nil {
		return fmt.Errorf("add user %q: %w", u.ID, err)
	}
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("add user %q: %w", u.ID, explain(err))
	}
	err = addUser(ctx, tx, u)
	if isDuplicate(err) {
		err = store.ErrExists // made by another at the same moment, or the same in the table's collation
	}
	if err != nil {
		return fmt.Errorf("add user %q: %w", u.ID, errors.Join(explain(err), rollback(tx)))
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("add user %q: %w", u.ID, errors.Join(explain(err), rollback(tx)))
	}
	return nil
}

func addUser(ctx context.Context, tx *sql.Tx, u store.User) error {
	var there int
	if err := tx.QueryRowContext(ctx, fill(sqlUserThere), whose(u.ID)...).Scan(&there); err != nil {
		return err
	}
	if there > 0 {
		return store.ErrExists
	}
	// The key first: of several who make the same user one has it.
	for _, text := range []string{sqlRekey, sqlAddKey} {
		if _, err := tx.ExecContext(ctx, text, whose(u.ID)...); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, sqlAddUser, sql.Named("id", u.ID), sql.Named("name", u.Name), sql.Named("designation", u.Designation),
		sql.Named("type", u.Type), sql.Named("hash", u.PasswordHash), sql.Named("status", flag(u.Active)), sql.Named("avatar", u.Avatar),
		sql.Named("attempts", u.LoginFalseAttempt), sql.Named("at", formatTime(u.LoginActiveTime, originalTime)))
	return err
}

// SignInFailed adds one to LoginFalseAttempt and returns the new count.
// Errors: store.ErrNotFound.
func (s *Store) SignInFailed(ctx context.Context, id string) (int, error) {
	var n int
	err := s.writer.QueryRowContext(ctx, fill(sqlFailed), whose(id)...).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("user %q: %w", id, store.ErrNotFound)
	}
	if err != nil {
		return 0, fmt.Errorf("count a failed sign-in of %q: %w", id, explain(err))
	}
	return n, nil
}

// SignedIn sets LoginFalseAttempt to 0 and LoginActiveTime to at, unless the
// count has reached lockAt: then it returns false. Errors: store.ErrNotFound.
func (s *Store) SignedIn(ctx context.Context, id string, at time.Time, lockAt int) (bool, error) {
	args := whose(id, sql.Named("at", formatTime(&at, originalTime)), sql.Named("lockAt", lockAt))
	r, err := s.writer.ExecContext(ctx, fill(sqlSigned), args...)
	if err != nil {
		return false, fmt.Errorf("note the sign-in of %q: %w", id, explain(err))
	}
	n, err := r.RowsAffected()
	if err != nil {
		return false, fmt.Errorf("note the sign-in of %q: %w", id, err)
	}
	if n > 0 {
		return true, nil
	}
	var there int
	if err := s.writer.QueryRowContext(ctx, fill(sqlUserThere), whose(id)...).Scan(&there); err != nil {
		return false, fmt.Errorf("note the sign-in of %q: %w", id, explain(err))
	}
	if there == 0 {
		return false, fmt.Errorf("user %q: %w", id, store.ErrNotFound)
	}
	return false, nil
}

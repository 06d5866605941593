package sqlite

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
	whoseRow  = ` WHERE UserID = COALESCE((SELECT UserID FROM MonitorUser WHERE UserKey = ?), ?)`
	sqlList   = `SELECT UserID, UserName, Designation, UserType, Password, Status, Avatar, LoginFalseAttempt, CAST(LoginActiveTime AS TEXT) FROM UserManager`
	sqlUser   = sqlList + whoseRow
	sqlUsers  = `SELECT COUNT(*) FROM UserManager`
	sqlThere  = `SELECT COUNT(*) FROM UserManager` + whoseRow
	sqlFailed = `UPDATE UserManager SET LoginFalseAttempt = COALESCE(LoginFalseAttempt, 0) + 1` + whoseRow + ` RETURNING LoginFalseAttempt`
	sqlSigned = `UPDATE UserManager SET LoginFalseAttempt = 0, LoginActiveTime = ?` + whoseRow + ` AND COALESCE(LoginFalseAttempt, 0) < ?`

	sqlAddUser = `INSERT INTO UserManager (UserID, UserName, Designation, UserType, Password, Status, Avatar, LoginFalseAttempt,
		LoginActiveTime) VALUES (?,?,?,?,?,?,?,?,?)`
	sqlAddKey = `INSERT INTO MonitorUser (UserKey, UserID) VALUES (?, ?) ON CONFLICT (UserKey) DO UPDATE SET UserID = excluded.UserID`
)

// User finds a user, ignoring the case of the id. Errors: store.ErrNotFound.
func (s *Store) User(ctx context.Context, id string) (store.User, error) {
	u, err := readUser(s.reader.QueryRowContext(ctx, sqlUser, events.Key(id), strings.TrimSpace(id)).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return store.User{}, fmt.Errorf("user %q: %w", id, store.ErrNotFound)
	}
	if err != nil {
		return store.User{}, fmt.Errorf("read user %q: %w", id, explain(err))
	}
	return u, nil
}

func readUser(scan func(...any) error) (store.User, error) {
	var u store.User
	var name, designation, kind, hash, status, avatar, at sql.NullString
	var attempts sql.NullInt64
	if err := scan(&u.ID, &name, &designation, &kind, &hash, &status, &avatar, &attempts, &at); err != nil {
		return store.User{}, err
	}
	u.Name, u.Designation, u.Type = name.String, designation.String, strings.ToUpper(strings.TrimSpace(kind.String))
	u.PasswordHash, u.Avatar, u.Active = strings.TrimSpace(hash.String), avatar.String, isFlag(status)
	u.LoginFalseAttempt, u.LoginActiveTime = int(attempts.Int64), parseTime(at)
	return u, nil
}

// Users lists all users, by id.
func (s *Store) Users(ctx context.Context) (list []store.User, err error) {
	rows, err := s.reader.QueryContext(ctx, sqlList+" ORDER BY UserID COLLATE NOCASE, UserID")
	if err != nil {
		return nil, fmt.Errorf("list the users: %w", explain(err))
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		u, err := readUser(rows.Scan)
		if err != nil {
			return nil, fmt.Errorf("list the users: %w", explain(err))
		}
		list = append(list, u)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list the users: %w", explain(err))
	}
	return list, nil
}

// CountUsers counts all users, active or not.
func (s *Store) CountUsers(ctx context.Context) (int, error) {
	var n int
	if err := s.reader.QueryRowContext(ctx, sqlUsers).Scan(&n); err != nil {
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
	if err := addUser(ctx, tx, u); err != nil {
		return fmt.Errorf("add user %q: %w", u.ID, errors.Join(explain(err), rollback(tx)))
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("add user %q: %w", u.ID, errors.Join(explain(err), rollback(tx)))
	}
	return nil
}

func addUser(ctx context.Context, tx *sql.Tx, u store.User) error {
	key := events.Key(u.ID)
	var there int
	if err := tx.QueryRowContext(ctx, sqlThere, key, u.ID).Scan(&there); err != nil {
		return err
	}
	if there > 0 {
		return store.ErrExists
	}
	_, err := tx.ExecContext(ctx, sqlAddUser, u.ID, u.Name, u.Designation, u.Type, u.PasswordHash, flag(u.Active), u.Avatar,
		u.LoginFalseAttempt, formatTime(u.LoginActiveTime, originalTime))
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, sqlAddKey, key, u.ID)
	return err
}

// SignInFailed adds one to LoginFalseAttempt and returns the new count.
// Errors: store.ErrNotFound.
func (s *Store) SignInFailed(ctx context.Context, id string) (int, error) {
	var n int
	err := s.writer.QueryRowContext(ctx, sqlFailed, events.Key(id), strings.TrimSpace(id)).Scan(&n)
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
	key, exact := events.Key(id), strings.TrimSpace(id)
	r, err := s.writer.ExecContext(ctx, sqlSigned, formatTime(&at, originalTime), key, exact, lockAt)
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
	if err := s.reader.QueryRowContext(ctx, sqlThere, key, exact).Scan(&there); err != nil {
		return false, fmt.Errorf("note the sign-in of %q: %w", id, explain(err))
	}
	if there == 0 {
		return false, fmt.Errorf("user %q: %w", id, store.ErrNotFound)
	}
	return false, nil
}

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
	whoseRow = ` WHERE UserID = COALESCE((SELECT UserID FROM MonitorUser WHERE UserKey = ?), ?)`
	sqlList  = `SELECT UserID, UserName, Designation, UserType, Password, Status, Avatar, CAST(LoginFalseAttempt AS INTEGER), CAST(LoginActiveTime AS TEXT),
		(SELECT e.Epoch FROM MonitorUserEpoch e WHERE e.UserID = UserManager.UserID) FROM UserManager`
	sqlUser   = sqlList + whoseRow
	sqlUsers  = `SELECT COUNT(*) FROM UserManager`
	sqlThere  = `SELECT COUNT(*) FROM UserManager` + whoseRow
	sqlFailed = `UPDATE UserManager SET LoginFalseAttempt = COALESCE(LoginFalseAttempt, 0) + 1` + whoseRow + ` RETURNING LoginFalseAttempt`
	sqlSigned = `UPDATE UserManager SET LoginFalseAttempt = 0, LoginActiveTime = ?` + whoseRow + ` AND COALESCE(LoginFalseAttempt, 0) < ?`

	sqlChange = `UPDATE UserManager SET UserName = ?, Designation = ?, UserType = ?, Password = ?, Status = ?, Avatar = ?, LoginFalseAttempt = ?,
		LoginActiveTime = ? WHERE UserID = ?`
	sqlOtherAdmins = `SELECT COUNT(*) FROM UserManager WHERE UserID <> ? AND UPPER(TRIM(UserType)) = 'A' AND UPPER(TRIM(Status)) = 'Y'`

	sqlAddUser = `INSERT INTO UserManager (UserID, UserName, Designation, UserType, Password, Status, Avatar, LoginFalseAttempt,
		LoginActiveTime) VALUES (?,?,?,?,?,?,?,?,?)`
	sqlPutEpoch = `INSERT INTO MonitorUserEpoch (UserID, Epoch) VALUES (?, ?) ON CONFLICT (UserID) DO UPDATE SET Epoch = excluded.Epoch`
	sqlAddKey   = `INSERT INTO MonitorUser (UserKey, UserID) VALUES (?, ?) ON CONFLICT (UserKey) DO UPDATE SET UserID = excluded.UserID`
)

// User finds a user, ignoring the case of the id. Errors: store.ErrNotFound.
func (s *Store) User(ctx context.Context, id string) (u store.User, err error) {
	err = s.hot.row(ctx, func(scan func(...any) error) (err error) {
		u, err = readUser(scan)
		return err
	}, sqlUser, events.Key(id), strings.TrimSpace(id))
	if err != nil {
		return store.User{}, fmt.Errorf("read user %q: %w", id, explain(err))
	}
	return u, nil
}

// readUser reads a row of sqlList. Errors: store.ErrNotFound.
func readUser(scan func(...any) error) (store.User, error) {
	var u store.User
	var id, name, designation, kind, hash, status, avatar, at, epoch sql.NullString // SQLite's own keys may be NULL
	var attempts sql.NullInt64
	err := scan(&id, &name, &designation, &kind, &hash, &status, &avatar, &attempts, &at, &epoch)
	if errors.Is(err, sql.ErrNoRows) {
		return store.User{}, store.ErrNotFound
	}
	if err != nil {
		return store.User{}, err
	}
	u.ID = id.String
	u.Name, u.Designation, u.Type = name.String, designation.String, strings.ToUpper(strings.TrimSpace(kind.String))
	u.PasswordHash, u.Avatar, u.Active = strings.TrimSpace(hash.String), avatar.String, isFlag(status)
	u.LoginFalseAttempt, u.LoginActiveTime = int(attempts.Int64), parseTime(at)
	u.SessionEpoch = epoch.String
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
func (s *Store) AddUser(ctx context.Context, u store.User, notes ...store.Note) error {
	u.ID = strings.TrimSpace(u.ID)
	if err := u.Check(); err != nil {
		return fmt.Errorf("add user %q: %w", u.ID, err)
	}
	err := s.noted(ctx, notes, func(tx *sql.Tx) error { return addUser(ctx, tx, u) })
	if err != nil {
		return fmt.Errorf("add user %q: %w", u.ID, err)
	}
	return nil
}

// ChangeUser hands the user to change and writes what that made of it. Errors:
// store.ErrNotFound, store.ErrLastAdmin, change's.
func (s *Store) ChangeUser(ctx context.Context, id string, change func(*store.User) ([]store.Note, error)) (store.User, error) {
	var u store.User
	err := s.transact(ctx, func(tx *sql.Tx) (err error) {
		u, err = store.ChangeUser(ctx, accessTx{tx}, id, change)
		return err
	})
	if err != nil {
		return store.User{}, fmt.Errorf("change user %q: %w", id, err)
	}
	return u, nil
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
	if _, err = tx.ExecContext(ctx, sqlAddKey, key, u.ID); err != nil {
		return err
	}
	return putEpoch(ctx, tx, u)
}

// putEpoch keeps the epoch of a user's sessions; there is none to keep before
// the first end of them.
func putEpoch(ctx context.Context, tx *sql.Tx, u store.User) error {
	if u.SessionEpoch == "" {
		return nil
	}
	_, err := tx.ExecContext(ctx, sqlPutEpoch, u.ID, u.SessionEpoch)
	return err
}

// SignInFailed adds one to LoginFalseAttempt and returns the new count.
// Errors: store.ErrNotFound.
func (s *Store) SignInFailed(ctx context.Context, id string, note func(failures int) store.Note) (int, error) {
	var n int
	err := s.transact(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, sqlFailed, events.Key(id), strings.TrimSpace(id)).Scan(&n)
		if errors.Is(err, sql.ErrNoRows) {
			return store.ErrNotFound
		}
		if err != nil || note == nil {
			return err
		}
		return putNotes(ctx, tx, note(n))
	})
	if err != nil {
		return 0, fmt.Errorf("count a failed sign-in of %q: %w", id, err)
	}
	return n, nil
}

// SignedIn sets LoginFalseAttempt to 0 and LoginActiveTime to at, unless the
// count has reached lockAt: then it returns false. Errors: store.ErrNotFound.
func (s *Store) SignedIn(ctx context.Context, id string, at time.Time, lockAt int, notes ...store.Note) (accepted bool, err error) {
	key, exact := events.Key(id), strings.TrimSpace(id)
	err = s.transact(ctx, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, sqlSigned, formatTime(&at, originalTime), key, exact, lockAt)
		if err != nil {
			return err
		}
		n, err := r.RowsAffected()
		if err != nil {
			return err
		}
		if accepted = n > 0; accepted {
			return putNotes(ctx, tx, notes...)
		}
		var there int
		if err := tx.QueryRowContext(ctx, sqlThere, key, exact).Scan(&there); err != nil {
			return err
		}
		if there == 0 {
			return store.ErrNotFound
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("note the sign-in of %q: %w", id, err)
	}
	return accepted, nil
}

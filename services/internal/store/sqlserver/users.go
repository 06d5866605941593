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
	sqlList  = `SELECT UserID, UserName, Designation, UserType, Password, Status, Avatar, LoginFalseAttempt,
		TRY_CONVERT(DATETIME2(3), LoginActiveTime),
		(SELECT e.Epoch FROM dbo.MonitorUserEpoch e WHERE e.UserID = dbo.UserManager.UserID COLLATE {bin}) FROM dbo.UserManager`
	sqlUser      = sqlList + whoseRow
	sqlSorted    = sqlList + ` ORDER BY UPPER(UserID) COLLATE {bin}, UserID COLLATE {bin}`
	sqlUsers     = `SELECT COUNT(*) FROM dbo.UserManager`
	sqlUserThere = `SELECT COUNT(*) FROM dbo.UserManager` + whoseRow
	// The transaction has the row's lock, so that what it reads is what it wrote.
	sqlFailed = `UPDATE dbo.UserManager SET LoginFalseAttempt = COALESCE(LoginFalseAttempt, 0) + 1` + whoseRow + `;
		SELECT LoginFalseAttempt FROM dbo.UserManager` + whoseRow
	sqlSigned = `UPDATE dbo.UserManager SET LoginFalseAttempt = 0, LoginActiveTime = CAST(@at AS DATETIME)` + whoseRow + ` AND COALESCE(LoginFalseAttempt, 0) < @lockAt`

	sqlAddUser = `INSERT INTO dbo.UserManager (UserID, UserName, Designation, UserType, Password, Status, Avatar, LoginFalseAttempt, LoginActiveTime)
		VALUES (@id, @name, @designation, @type, @hash, @status, @avatar, @attempts, CAST(@at AS DATETIME))`
	sqlPutEpoch = `UPDATE dbo.MonitorUserEpoch SET Epoch = @epoch WHERE UserID = @id;
		IF @@ROWCOUNT = 0 INSERT INTO dbo.MonitorUserEpoch (UserID, Epoch) VALUES (@id, @epoch)`
	sqlRekey  = `UPDATE dbo.MonitorUser SET UserID = @id WHERE UserKey = @key`
	sqlAddKey = `INSERT INTO dbo.MonitorUser (UserKey, UserID) SELECT @key, @id WHERE NOT EXISTS (SELECT 1 FROM dbo.MonitorUser WHERE UserKey = @key)`
)

// whose are the parameters of whoseRow.
func whose(id string, more ...any) []any {
	return append([]any{sql.Named("key", events.Key(id)), sql.Named("id", strings.TrimSpace(id))}, more...)
}

// userColumns are the parameters of a user's columns but for the id.
func userColumns(u store.User) []any {
	return []any{
		sql.Named("name", u.Name), sql.Named("designation", u.Designation), sql.Named("type", u.Type), sql.Named("hash", u.PasswordHash),
		sql.Named("status", flag(u.Active)), sql.Named("avatar", u.Avatar), sql.Named("attempts", u.LoginFalseAttempt),
		sql.Named("at", formatTime(u.LoginActiveTime, originalTime)),
	}
}

// User finds a user, ignoring the case of the id. Errors: store.ErrNotFound.
func (s *Store) User(ctx context.Context, id string) (store.User, error) {
	u, err := readUser(s.writer.QueryRowContext(ctx, fill(sqlUser), whose(id)...).Scan)
	if err != nil {
		return store.User{}, fmt.Errorf("read user %q: %w", id, explain(err))
	}
	return u, nil
}

// readUser reads a row of sqlList. Errors: store.ErrNotFound.
func readUser(scan func(...any) error) (store.User, error) {
	var u store.User
	var name, designation, kind, hash, status, avatar, epoch sql.NullString
	var at sql.NullTime
	var attempts sql.NullInt64
	err := scan(&u.ID, &name, &designation, &kind, &hash, &status, &avatar, &attempts, &at, &epoch)
	if errors.Is(err, sql.ErrNoRows) {
		return store.User{}, store.ErrNotFound
	}
	if err != nil {
		return store.User{}, err
	}
	u.Name, u.Designation, u.Type = name.String, designation.String, strings.ToUpper(strings.TrimSpace(kind.String))
	u.PasswordHash, u.Avatar, u.Active = strings.TrimSpace(hash.String), avatar.String, isFlag(status)
	u.LoginFalseAttempt, u.LoginActiveTime = int(attempts.Int64), readTime(at, time.Second)
	u.SessionEpoch = epoch.String
	return u, nil
}

// Users lists all users, by id.
func (s *Store) Users(ctx context.Context) (list []store.User, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("list the users: %w", explain(err))
		}
	}()
	rows, err := s.writer.QueryContext(ctx, fill(sqlSorted))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		u, err := readUser(rows.Scan)
		if err != nil {
			return nil, err
		}
		list = append(list, u)
	}
	return list, rows.Err()
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
func (s *Store) AddUser(ctx context.Context, u store.User, notes ...store.Note) error {
	u.ID = strings.TrimSpace(u.ID)
	if err := u.Check(); err != nil {
		return fmt.Errorf("add user %q: %w", u.ID, err)
	}
	err := s.transact(ctx, func(tx *sql.Tx) error {
		if err := s.lockUsers(ctx, tx); err != nil {
			return err
		}
		return store.Noted(ctx, accessTx{tx}, notes, func() error {
			err := addUser(ctx, tx, u)
			if isDuplicate(err) {
				return store.ErrExists // made by another program at the same moment, or the same in the table's collation
			}
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("add user %q: %w", u.ID, err)
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
	// A row whose user is gone may have the key.
	for _, text := range []string{sqlRekey, sqlAddKey} {
		if _, err := tx.ExecContext(ctx, text, whose(u.ID)...); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, sqlAddUser, append(userColumns(u), sql.Named("id", u.ID))...); err != nil {
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
	_, err := tx.ExecContext(ctx, sqlPutEpoch, sql.Named("id", u.ID), sql.Named("epoch", u.SessionEpoch))
	return err
}

// SignInFailed adds one to LoginFalseAttempt and returns the new count.
// Errors: store.ErrNotFound.
func (s *Store) SignInFailed(ctx context.Context, id string, note func(failures int) store.Note) (n int, err error) {
	err = s.transact(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, fill(sqlFailed), whose(id)...).Scan(&n)
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
	err = s.transact(ctx, func(tx *sql.Tx) error {
		args := whose(id, sql.Named("at", formatTime(&at, originalTime)), sql.Named("lockAt", lockAt))
		r, err := tx.ExecContext(ctx, fill(sqlSigned), args...)
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
		if err := tx.QueryRowContext(ctx, fill(sqlUserThere), whose(id)...).Scan(&there); err != nil {
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

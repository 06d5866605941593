package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"backupmonitor/services/internal/store"
)

const (
	sqlAddToken = `INSERT INTO MonitorAPIToken (TokenID, Name, Scope, Hash, CreatedBy, CreatedAt, ExpiresAt, RevokedAt, LastUsedAt, LastUsedFrom)
		VALUES (?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING`
	sqlTokens = `SELECT TokenID, Name, Scope, Hash, CreatedBy, CreatedAt, ExpiresAt, RevokedAt, LastUsedAt, LastUsedFrom FROM MonitorAPIToken`
	sqlToken  = sqlTokens + ` WHERE TokenID = ?`
	sqlRevoke = `UPDATE MonitorAPIToken SET RevokedAt = ? WHERE TokenID = ? AND RevokedAt IS NULL`
	sqlUsed   = `UPDATE MonitorAPIToken SET LastUsedAt = ?1, LastUsedFrom = ?2 WHERE TokenID = ?3 AND COALESCE(LastUsedAt, '') < ?1`
)

// AddAPIToken makes a token. Errors: store.ErrExists.
func (s *Store) AddAPIToken(ctx context.Context, t store.APIToken, notes ...store.Note) error {
	t = t.Normal()
	if err := t.Check(); err != nil {
		return fmt.Errorf("add API token %q: %w", t.Name, err)
	}
	err := s.noted(ctx, notes, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, sqlAddToken, t.ID, t.Name, t.Scope, t.Hash, t.CreatedBy, t.CreatedAt.Format(ourTime),
			formatTime(t.ExpiresAt, ourTime), formatTime(t.RevokedAt, ourTime), formatTime(t.LastUsedAt, ourTime), orNull(t.LastUsedFrom))
		return changed(r, err, store.ErrExists)
	})
	if err != nil {
		return fmt.Errorf("add API token %q: %w", t.Name, err)
	}
	return nil
}

// changed is none where a statement changed no row.
func changed(r sql.Result, err, none error) error {
	if err != nil {
		return err
	}
	n, err := r.RowsAffected()
	if err == nil && n == 0 {
		return none
	}
	return err
}

// APITokens lists all tokens, the newest first.
func (s *Store) APITokens(ctx context.Context) (list []store.APIToken, err error) {
	rows, err := s.reader.QueryContext(ctx, sqlTokens+" ORDER BY CreatedAt DESC, TokenID")
	if err != nil {
		return nil, fmt.Errorf("list the API tokens: %w", explain(err))
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		t, err := scanToken(rows.Scan)
		if err != nil {
			return nil, fmt.Errorf("list the API tokens: %w", explain(err))
		}
		list = append(list, t)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list the API tokens: %w", explain(err))
	}
	return list, nil
}

// APIToken finds a token by its exact id. Errors: store.ErrNotFound.
func (s *Store) APIToken(ctx context.Context, id string) (t store.APIToken, err error) {
	err = s.hot.row(ctx, func(scan func(...any) error) (err error) {
		t, err = scanToken(scan)
		return err
	}, sqlToken, id)
	if errors.Is(err, sql.ErrNoRows) {
		return t, fmt.Errorf("API token %q: %w", id, store.ErrNotFound)
	}
	if err != nil {
		return t, fmt.Errorf("read API token %q: %w", id, explain(err))
	}
	return t, nil
}

func scanToken(scan func(...any) error) (store.APIToken, error) {
	var t store.APIToken
	var created, expires, revoked, used, from sql.NullString
	if err := scan(&t.ID, &t.Name, &t.Scope, &t.Hash, &t.CreatedBy, &created, &expires, &revoked, &used, &from); err != nil {
		return t, err
	}
	if at := parseTime(created); at != nil {
		t.CreatedAt = *at
	}
	t.ExpiresAt, t.RevokedAt, t.LastUsedAt, t.LastUsedFrom = closing(expires), closing(revoked), parseTime(used), from.String
	return t, nil
}

// closing is a time from which on a token is good for nothing. One that cannot be
// read has been for ever: it must not open what it was to close.
func closing(s sql.NullString) *time.Time {
	at := parseTime(s)
	if at == nil && s.Valid {
		at = &time.Time{}
	}
	return at
}

// RevokeAPIToken sets RevokedAt. Errors: store.ErrNotFound where there is no
// such token, or it was revoked before.
func (s *Store) RevokeAPIToken(ctx context.Context, id string, at time.Time, notes ...store.Note) error {
	err := s.noted(ctx, notes, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, sqlRevoke, at.UTC().Format(ourTime), id)
		return changed(r, err, store.ErrNotFound)
	})
	if err != nil {
		return fmt.Errorf("revoke API token %q: %w", id, err)
	}
	return nil
}

// APITokenUsed notes the last use, unless a later one is known.
func (s *Store) APITokenUsed(ctx context.Context, id string, at time.Time, address string) error {
	used := store.APIToken{LastUsedAt: &at, LastUsedFrom: address}.Normal()
	if _, err := s.writer.ExecContext(ctx, sqlUsed, used.LastUsedAt.Format(ourTime), used.LastUsedFrom, id); err != nil {
		return fmt.Errorf("note the use of API token %q: %w", id, explain(err))
	}
	return nil
}

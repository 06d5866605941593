package sqlserver

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"backupmonitor/services/internal/store"
)

const (
	sqlAddToken = `INSERT INTO dbo.MonitorAPIToken (TokenID, Name, Scope, Hash, CreatedBy, CreatedAt, ExpiresAt, RevokedAt, LastUsedAt, LastUsedFrom)
		VALUES (@id, @name, @scope, @hash, @by, CAST(@created AS DATETIME2(6)), CAST(@expires AS DATETIME2(6)),
		CAST(@revoked AS DATETIME2(6)), CAST(@used AS DATETIME2(6)), @from)`
	sqlTokens = `SELECT TokenID, Name, Scope, Hash, CreatedBy, CreatedAt, ExpiresAt, RevokedAt, LastUsedAt, LastUsedFrom FROM dbo.MonitorAPIToken`
	sqlRevoke = `UPDATE dbo.MonitorAPIToken SET RevokedAt = CAST(@at AS DATETIME2(6)) WHERE TokenID = @id AND RevokedAt IS NULL`
	sqlUsed   = `UPDATE dbo.MonitorAPIToken SET LastUsedAt = CAST(@at AS DATETIME2(6)), LastUsedFrom = @from
		WHERE TokenID = @id AND (LastUsedAt IS NULL OR LastUsedAt < CAST(@at AS DATETIME2(6)))`
)

// AddAPIToken makes a token. Errors: store.ErrExists.
func (s *Store) AddAPIToken(ctx context.Context, t store.APIToken, notes ...store.Note) error {
	t = t.Normal()
	if err := t.Check(); err != nil {
		return fmt.Errorf("add API token %q: %w", t.Name, err)
	}
	err := s.noted(ctx, notes, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, sqlAddToken, sql.Named("id", t.ID), sql.Named("name", t.Name), sql.Named("scope", t.Scope),
			sql.Named("hash", t.Hash), sql.Named("by", t.CreatedBy), sql.Named("created", t.CreatedAt.Format(ourTime)),
			sql.Named("expires", formatTime(t.ExpiresAt, ourTime)), sql.Named("revoked", formatTime(t.RevokedAt, ourTime)),
			sql.Named("used", formatTime(t.LastUsedAt, ourTime)), sql.Named("from", orNull(t.LastUsedFrom)))
		if isDuplicate(err) {
			return store.ErrExists
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("add API token %q: %w", t.Name, err)
	}
	return nil
}

// APITokens lists all tokens, the newest first.
func (s *Store) APITokens(ctx context.Context) (list []store.APIToken, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("list the API tokens: %w", explain(err))
		}
	}()
	rows, err := s.writer.QueryContext(ctx, sqlTokens+" ORDER BY CreatedAt DESC, TokenID")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		t, err := scanToken(rows.Scan)
		if err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	return list, rows.Err()
}

// APIToken finds a token by its exact id. Errors: store.ErrNotFound.
func (s *Store) APIToken(ctx context.Context, id string) (store.APIToken, error) {
	t, err := scanToken(s.writer.QueryRowContext(ctx, sqlTokens+" WHERE TokenID = @id", sql.Named("id", id)).Scan)
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
	var created, expires, revoked, used sql.NullTime
	var from sql.NullString
	if err := scan(&t.ID, &t.Name, &t.Scope, &t.Hash, &t.CreatedBy, &created, &expires, &revoked, &used, &from); err != nil {
		return t, err
	}
	if at := readTime(created, time.Microsecond); at != nil {
		t.CreatedAt = *at
	}
	t.ExpiresAt, t.RevokedAt = readTime(expires, time.Microsecond), readTime(revoked, time.Microsecond)
	t.LastUsedAt, t.LastUsedFrom = readTime(used, time.Microsecond), from.String
	return t, nil
}

// RevokeAPIToken sets RevokedAt. Errors: store.ErrNotFound where there is no
// such token, or it was revoked before.
func (s *Store) RevokeAPIToken(ctx context.Context, id string, at time.Time, notes ...store.Note) error {
	err := s.noted(ctx, notes, func(tx *sql.Tx) error {
		r, err := tx.ExecContext(ctx, sqlRevoke, sql.Named("at", at.UTC().Format(ourTime)), sql.Named("id", id))
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
	_, err := s.writer.ExecContext(ctx, sqlUsed, sql.Named("at", used.LastUsedAt.Format(ourTime)), sql.Named("from", orNull(used.LastUsedFrom)),
		sql.Named("id", id))
	if err != nil {
		return fmt.Errorf("note the use of API token %q: %w", id, explain(err))
	}
	return nil
}

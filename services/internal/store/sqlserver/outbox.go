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
	sqlPutNote = `UPDATE dbo.MonitorOutbox SET Due = CAST(@due AS DATETIME2(6)), Data = @data WHERE NoteID = @id;
		IF @@ROWCOUNT = 0 INSERT INTO dbo.MonitorOutbox (NoteID, Due, Data) VALUES (@id, CAST(@due AS DATETIME2(6)), @data)`
	sqlOutbox   = `SELECT TOP (@limit) NoteID, Data, Due FROM dbo.MonitorOutbox WHERE Due <= CAST(@now AS DATETIME2(6)) ORDER BY Num`
	sqlAllNotes = `SELECT NoteID, Data, Due FROM dbo.MonitorOutbox ORDER BY Num`
	sqlDropNote = `DELETE FROM dbo.MonitorOutbox WHERE NoteID = @id`
	sqlPostpone = `UPDATE dbo.MonitorOutbox SET Due = CAST(@due AS DATETIME2(6)) WHERE NoteID = @id`
	sqlParked   = `SELECT NoteID FROM dbo.MonitorOutbox WHERE Due >= CAST(@due AS DATETIME2(6)) ORDER BY Num`
)

// putNotes puts notes into the outbox as a part of the transaction that they
// tell of. Errors: errRepeat where another one puts the same.
func putNotes(ctx context.Context, tx *sql.Tx, notes ...store.Note) error {
	for _, n := range notes {
		data, err := n.Encode()
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, sqlPutNote, sql.Named("id", n.ID), sql.Named("due", n.Due.UTC().Format(ourTime)), sql.Named("data", data))
		if isDuplicate(err) {
			err = errors.Join(errRepeat, err)
		}
		if err != nil {
			return fmt.Errorf("put audit event %s into the outbox: %w", n.ID, err)
		}
	}
	return nil
}

// PutNote puts a note into the outbox, in place of one with its id.
func (s *Store) PutNote(ctx context.Context, n store.Note) error {
	return s.noted(ctx, []store.Note{n}, func(*sql.Tx) error { return nil })
}

// Outbox lists notes that are due at now, in the order in which they were put
// there.
func (s *Store) Outbox(ctx context.Context, now time.Time, limit int) ([]store.Note, error) {
	return s.notes(ctx, sqlOutbox, sql.Named("limit", limit), sql.Named("now", now.UTC().Format(ourTime)))
}

// Notes lists all notes of the outbox.
func (s *Store) Notes(ctx context.Context) ([]store.Note, error) {
	return s.notes(ctx, sqlAllNotes)
}

func (s *Store) notes(ctx context.Context, query string, args ...any) ([]store.Note, error) {
	notes, err := collect(ctx, s.writer, func(rows *sql.Rows) (store.Note, error) {
		var id, data string
		var due time.Time
		err := rows.Scan(&id, &data, &due)
		return store.DecodeNote(id, data, due.UTC()), err
	}, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read the outbox: %w", explain(err))
	}
	return notes, nil
}

// DropNotes takes notes out of the outbox.
func (s *Store) DropNotes(ctx context.Context, ids ...string) error {
	if len(ids) == 0 {
		return nil
	}
	err := s.transact(ctx, func(tx *sql.Tx) error {
		for _, id := range ids {
			if _, err := tx.ExecContext(ctx, sqlDropNote, sql.Named("id", id)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("take audit events out of the outbox: %w", err)
	}
	return nil
}

// PostponeNote changes when a note is due.
func (s *Store) PostponeNote(ctx context.Context, id string, due time.Time) error {
	_, err := s.writer.ExecContext(ctx, sqlPostpone, sql.Named("due", due.UTC().Format(ourTime)), sql.Named("id", id))
	if err != nil {
		return fmt.Errorf("postpone audit event %s of the outbox: %w", id, explain(err))
	}
	return nil
}

// ParkedNotes lists the ids of the notes that are parked.
func (s *Store) ParkedNotes(ctx context.Context) (ids []string, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("read what is parked in the outbox: %w", explain(err))
		}
	}()
	rows, err := s.writer.QueryContext(ctx, sqlParked, sql.Named("due", store.Parked().Format(ourTime)))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

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
	sqlPutNote = `INSERT INTO MonitorOutbox (NoteID, Due, Data) VALUES (?, ?, ?)
		ON CONFLICT (NoteID) DO UPDATE SET Due = excluded.Due, Data = excluded.Data`
	sqlNotes    = `SELECT NoteID, Data, Due FROM MonitorOutbox`
	sqlOutbox   = sqlNotes + ` WHERE Due <= ? ORDER BY Num LIMIT ?`
	sqlAllNotes = sqlNotes + ` ORDER BY Num`
	sqlDropNote = `DELETE FROM MonitorOutbox WHERE NoteID = ?`
	sqlPostpone = `UPDATE MonitorOutbox SET Due = ? WHERE NoteID = ?`
	sqlParked   = `SELECT NoteID FROM MonitorOutbox WHERE Due >= ? ORDER BY Num`
)

// transact runs f in a transaction of the writer that needs none of the
// prepared statements of Apply.
func (s *Store) transact(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return explain(err)
	}
	if err := f(tx); err != nil {
		return errors.Join(explain(err), rollback(tx))
	}
	if err := tx.Commit(); err != nil {
		return errors.Join(explain(err), rollback(tx))
	}
	return nil
}

// putNotes puts notes into the outbox as a part of the transaction that they
// tell of.
func putNotes(ctx context.Context, tx *sql.Tx, notes ...store.Note) error {
	for _, n := range notes {
		data, err := n.Encode()
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, sqlPutNote, n.ID, n.Due.UTC().Format(ourTime), data); err != nil {
			return err
		}
	}
	return nil
}

// PutNote puts a note into the outbox, in place of one with its id.
func (s *Store) PutNote(ctx context.Context, n store.Note) error {
	err := s.noted(ctx, []store.Note{n}, func(*sql.Tx) error { return nil })
	if err != nil {
		return fmt.Errorf("put audit event %s into the outbox: %w", n.ID, err)
	}
	return nil
}

// Outbox lists notes that are due at now, in the order in which they were put
// there.
func (s *Store) Outbox(ctx context.Context, now time.Time, limit int) ([]store.Note, error) {
	return s.notes(ctx, sqlOutbox, now.UTC().Format(ourTime), limit)
}

// Notes lists all notes of the outbox.
func (s *Store) Notes(ctx context.Context) ([]store.Note, error) {
	return s.notes(ctx, sqlAllNotes)
}

func (s *Store) notes(ctx context.Context, query string, args ...any) ([]store.Note, error) {
	notes, err := collect(ctx, s.reader, func(rows *sql.Rows) (store.Note, error) {
		var id, data string
		var due sql.NullString
		if err := rows.Scan(&id, &data, &due); err != nil {
			return store.Note{}, err
		}
		var at time.Time
		if t := parseTime(due); t != nil {
			at = *t
		}
		return store.DecodeNote(id, data, at), nil
	}, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read the outbox: %w", explain(err))
	}
	return notes, nil
}

// DropNotes takes notes out of the outbox.
func (s *Store) DropNotes(ctx context.Context, ids ...string) error {
	err := s.transact(ctx, func(tx *sql.Tx) error {
		for _, id := range ids {
			if _, err := tx.ExecContext(ctx, sqlDropNote, id); err != nil {
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
	err := s.transact(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, sqlPostpone, due.UTC().Format(ourTime), id)
		return err
	})
	if err != nil {
		return fmt.Errorf("postpone audit event %s of the outbox: %w", id, err)
	}
	return nil
}

// ParkedNotes lists the ids of the notes that are parked.
func (s *Store) ParkedNotes(ctx context.Context) ([]string, error) {
	ids, err := collect(ctx, s.reader, func(rows *sql.Rows) (id string, err error) {
		err = rows.Scan(&id)
		return id, err
	}, sqlParked, store.Parked().Format(ourTime))
	if err != nil {
		return nil, fmt.Errorf("read what is parked in the outbox: %w", explain(err))
	}
	return ids, nil
}

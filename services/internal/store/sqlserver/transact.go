package sqlserver

import (
	"context"
	"database/sql"
	"errors"
)

// repeats is how often a transaction is tried again that another one came
// between.
const repeats = 5

// errRepeat says that another transaction has written the same row at the same
// moment: tried again, it is there to be read.
var errRepeat = errors.New("another transaction came between")

// transact runs f in a transaction, and again where it was ended for the sake
// of another one: after a deadlock, and after errRepeat.
func (s *Store) transact(ctx context.Context, f func(*sql.Tx) error) error {
	for try := 1; ; try++ {
		err := s.transactOnce(ctx, f)
		if err == nil || try == repeats || !errors.Is(err, errRepeat) && !is(err, numberDeadlock) {
			return explain(err)
		}
	}
}

func (s *Store) transactOnce(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		return errors.Join(err, rollback(tx))
	}
	if err := tx.Commit(); err != nil {
		return errors.Join(err, rollback(tx))
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

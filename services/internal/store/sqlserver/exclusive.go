package sqlserver

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	mssql "github.com/microsoft/go-mssqldb"
)

// An application lock belongs to a session and ends with it, so a process that
// dies leaves none behind. Source: Transact-SQL reference, sp_getapplock: 0 and
// 1 are granted, -1 is the time-out.
const (
	lockName       = "backup-monitor migration"
	lockWait       = 2000 // ms of one try
	lockExpired    = -1
	sqlUnlock      = `EXEC sp_releaseapplock @Resource = @name, @LockOwner = 'Session'`
	lockPause      = 100 * time.Millisecond
	releaseTimeout = 5 * time.Second
)

// Exclusive runs f while no other process migrates the database or is in
// Exclusive; it waits for one that is.
func (s *Store) Exclusive(ctx context.Context, f func(context.Context) error) error {
	return s.exclusive(ctx, f)
}

func (s *Store) exclusive(ctx context.Context, f func(context.Context) error) (err error) {
	c, err := s.writer.Conn(ctx)
	if err != nil {
		return fmt.Errorf("take the migration lock: %w", explain(err))
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	for {
		var granted mssql.ReturnStatus
		_, err := c.ExecContext(ctx, "sp_getapplock", sql.Named("Resource", s.lock), sql.Named("LockMode", "Exclusive"),
			sql.Named("LockOwner", "Session"), sql.Named("LockTimeout", 0), &granted)
		switch {
		case err != nil:
			return fmt.Errorf("take the migration lock: %w", explain(err))
		case granted >= 0:
			return errors.Join(f(ctx), s.release(ctx, c))
		case granted != lockExpired:
			return fmt.Errorf("take the migration lock: the server answered %d", granted)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the migration lock: %w", ctx.Err())
		case <-time.After(lockPause):
		}
	}
}

func (s *Store) release(ctx context.Context, c *sql.Conn) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	if _, err := c.ExecContext(ctx, sqlUnlock, sql.Named("name", s.lock)); err != nil {
		return fmt.Errorf("release the migration lock: %w", explain(err))
	}
	return nil
}

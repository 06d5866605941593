package sqlserver

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"
	"time"

	mssql "github.com/microsoft/go-mssqldb"
)

// An application lock belongs to a session and ends with it, so a process that
// dies leaves none behind. Source: Transact-SQL reference, sp_getapplock: 0 and
// 1 are granted, -1 is the time-out.
const (
	lockName    = "backup-monitor migration of " // and the database: not every server keeps their locks apart
	lockWait    = 1000                           // ms of one try
	lockExpired = -1
	sqlUnlock   = `EXEC sp_releaseapplock @Resource = @name, @LockOwner = 'Session'`

	releaseTimeout = 5 * time.Second
	// lockCheck is how often a session is asked whether it is there still.
	lockCheck = 30 * time.Second
)

// errUnlocked says that the session with the lock has ended, as after a restart
// of the server, so that another process may be at work too.
var errUnlocked = errors.New("the migration lock is lost")

// Exclusive runs f while no other process migrates the database or is in
// Exclusive; it waits for one that is. Where the lock is lost f's context ends.
func (s *Store) Exclusive(ctx context.Context, f func(context.Context) error) error {
	return s.exclusive(ctx, f)
}

func (s *Store) exclusive(ctx context.Context, f func(context.Context) error) error {
	for {
		c, err := s.acquire(ctx)
		if err != nil {
			return fmt.Errorf("take the migration lock: %w", explain(err))
		}
		if c != nil {
			return s.holding(ctx, c, f)
		}
	}
}

// holding runs f for as long as the session c is there.
func (s *Store) holding(ctx context.Context, c *sql.Conn, f func(context.Context) error) error {
	held, lose := context.WithCancelCause(ctx)
	defer lose(nil)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(lockCheck)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			if err := answers(ctx, c); err != nil && ctx.Err() == nil {
				lose(errors.Join(errUnlocked, explain(err)))
				return
			}
		}
	})
	err := f(held)
	close(done)
	wg.Wait()
	if lost := context.Cause(held); errors.Is(lost, errUnlocked) {
		return errors.Join(lost, err, discard(c))
	}
	return errors.Join(err, s.release(ctx, c))
}

func answers(ctx context.Context, c *sql.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return c.PingContext(ctx)
}

// acquire waits a while for the lock. It returns the session that has it, or
// nil where another one keeps it.
func (s *Store) acquire(ctx context.Context) (*sql.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	c, err := s.writer.Conn(ctx)
	if err != nil {
		return nil, err
	}
	var granted mssql.ReturnStatus
	_, err = c.ExecContext(ctx, "sp_getapplock", sql.Named("Resource", s.lock), sql.Named("LockMode", "Exclusive"),
		sql.Named("LockOwner", "Session"), sql.Named("LockTimeout", lockWait), &granted)
	switch {
	case err != nil:
	case granted >= 0:
		return c, nil
	case granted != lockExpired:
		err = fmt.Errorf("the server answered %d", granted)
	}
	return nil, errors.Join(err, discard(c))
}

// discard ends the session rather than give it back: what a failed try leaves
// in it is the server's affair.
func discard(c *sql.Conn) error {
	err := c.Raw(func(any) error { return driver.ErrBadConn })
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) {
		err = nil
	}
	if cerr := c.Close(); !errors.Is(cerr, sql.ErrConnDone) {
		err = errors.Join(err, cerr)
	}
	return err
}

func (s *Store) release(ctx context.Context, c *sql.Conn) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	if _, err := c.ExecContext(ctx, sqlUnlock, sql.Named("name", s.lock)); err != nil {
		return errors.Join(fmt.Errorf("release the migration lock: %w", explain(err)), discard(c))
	}
	return c.Close()
}

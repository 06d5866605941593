package sqlserver

import (
	"context"
	"database/sql/driver"
	"fmt"
	"sync"
	"time"

	"backupmonitor/services/internal/store"
)

const (
	refusedFirst = 15 * time.Second
	refusedMost  = 30 * time.Minute
)

// signIn keeps a wrong password from being tried over and over: each try counts
// towards locking the account. While it waits, whoever asks is told the server's
// last word.
type signIn struct {
	driver.Connector
	now func() time.Time

	mu    sync.Mutex
	last  error
	pause time.Duration
	until time.Time
}

// Connect implements driver.Connector.
func (s *signIn) Connect(ctx context.Context) (driver.Conn, error) {
	if err := s.refused(); err != nil {
		return nil, err
	}
	c, err := s.Connector.Connect(ctx)
	s.note(err)
	return c, err
}

func (s *signIn) refused() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil || !s.now().Before(s.until) {
		return nil
	}
	return fmt.Errorf("no try before %s: %w", s.until.UTC().Format(time.RFC3339), s.last)
}

func (s *signIn) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok := explain(err).(*store.Trouble); !ok || !t.Refused { //nolint:errorlint // explain has just made it
		s.last, s.pause = nil, 0
		return
	}
	s.pause = min(max(2*s.pause, refusedFirst), refusedMost)
	s.last, s.until = err, s.now().Add(s.pause)
}

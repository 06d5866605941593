package sqlserver

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"backupmonitor/services/internal/store"
)

const (
	refusedFirst = 15 * time.Second
	refusedMost  = 30 * time.Minute
	// signInTimeout bounds a sign-in, from the connection on.
	signInTimeout = 30 * time.Second
	keepAlive     = 30 * time.Second
)

// signIn is a connector that goes by a guard.
type signIn struct {
	driver.Connector
	guard *guard
}

// Connect implements driver.Connector.
func (s *signIn) Connect(ctx context.Context) (driver.Conn, error) {
	d := &dialled{}
	conn, err := s.guard.connect(context.WithValue(ctx, dialledKey{}, d), s.Connector)
	if err == nil {
		err = d.free()
	}
	return conn, err
}

// dialer gives a connection its time until it is signed in: the driver waits for
// the first answers of a server without end, and everybody waits for the driver.
type dialer struct {
	net.Dialer
	timeout time.Duration
}

// DialContext implements mssql.Dialer.
func (d *dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := d.Dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if of, ok := ctx.Value(dialledKey{}).(*dialled); ok {
		if err := of.add(c, time.Now().Add(d.timeout)); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	return c, nil
}

type dialledKey struct{}

// dialled are the connections that one sign-in has made.
type dialled struct {
	mu    sync.Mutex
	conns []net.Conn
}

func (d *dialled) add(c net.Conn, until time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conns = append(d.conns, c)
	return c.SetDeadline(until)
}

// free lets what is signed in last as long as it likes.
func (d *dialled) free() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.conns {
		if err := c.SetDeadline(time.Time{}); err != nil && !errors.Is(err, net.ErrClosed) { // another may have won
			return err
		}
	}
	return nil
}

// guard keeps a wrong password from being tried over and over: each try counts
// towards locking the account. Until a sign-in has succeeded there is one try at
// a time, and whoever wants to sign in meanwhile gets what comes of it; while it
// waits after a refusal, whoever asks is told the server's last word. All pools
// of one login have the same guard.
type guard struct {
	now func() time.Time

	mu     sync.Mutex
	proven bool     // the last answer about the password was a yes
	trying *attempt // nil: none
	last   error
	pause  time.Duration
	until  time.Time
}

// attempt is a try that others wait for.
type attempt struct {
	done chan struct{} // closed when err stands
	err  error
	left bool // whoever made it did not wait for the answer
}

func newGuard(now func() time.Time) *guard { return &guard{now: now} }

func (g *guard) connect(ctx context.Context, c driver.Connector) (driver.Conn, error) {
	for {
		mine, others, err := g.begin()
		switch {
		case err != nil:
			return nil, err
		case others == nil:
			conn, err := c.Connect(ctx)
			g.end(ctx, mine, err)
			return conn, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for another sign-in: %w", ctx.Err())
		case <-others.done:
		}
		if others.err != nil && !others.left {
			return nil, others.err
		}
	}
}

// begin tells whether to sign in now: as the one try that others wait for, or,
// where the password is known to be right, beside others; or whom to wait for.
func (g *guard) begin() (mine, others *attempt, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.last != nil && g.now().Before(g.until):
		return nil, nil, fmt.Errorf("no try before %s: %w", g.until.UTC().Format(time.RFC3339), g.last)
	case g.proven:
		return nil, nil, nil
	case g.trying != nil:
		return nil, g.trying, nil
	}
	g.trying = &attempt{done: make(chan struct{})}
	return g.trying, nil, nil
}

// end notes what came of a try. Only a sign-in that succeeds ends the doubling
// of the pauses: a line that fails in between says nothing of the password.
func (g *guard) end(ctx context.Context, mine *attempt, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err == nil {
		g.proven, g.last, g.pause = true, nil, 0
	} else if t, ok := explain(err).(*store.Trouble); ok && t.Refused { //nolint:errorlint // explain has just made it
		if again := g.last == nil || !g.now().Before(g.until); again { // of several at once the first counts
			g.pause = min(max(2*g.pause, refusedFirst), refusedMost)
			g.until = g.now().Add(g.pause)
		}
		g.proven, g.last = false, err
	}
	if mine != nil {
		mine.err, mine.left = err, ctx.Err() != nil
		g.trying = nil
		close(mine.done)
	}
}

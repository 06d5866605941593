package sqlserver

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	mssql "github.com/microsoft/go-mssqldb"
)

// slowly is a server that answers a sign-in after a second.
type slowly struct {
	driver.Connector
	tries atomic.Int32
	err   error
}

func (s *slowly) Connect(ctx context.Context) (driver.Conn, error) {
	s.tries.Add(1)
	t := time.NewTimer(time.Second)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-t.C:
		return answeringConn{&answering{}}, s.err
	}
}

// crowd signs in through both pools many times at once, and returns how many
// failed.
func crowd(ctx context.Context, pools ...*signIn) int {
	var failed atomic.Int32
	var wg sync.WaitGroup
	for range connections {
		for _, p := range pools {
			wg.Go(func() {
				if _, err := p.Connect(ctx); err != nil {
					failed.Add(1)
				}
			})
		}
	}
	wg.Wait()
	return int(failed.Load())
}

// TestOneWrongPasswordIsOneTry, however many ask at once and of which pool.
func TestOneWrongPasswordIsOneTry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, g := &slowly{err: answer(18456)}, newGuard(time.Now)
		writer, snap := &signIn{a, g}, &signIn{a, g}
		if n := crowd(t.Context(), writer, snap); n != 2*connections || a.tries.Load() != 1 {
			t.Errorf("%d of %d failed with %d tries, want all with one", n, 2*connections, a.tries.Load())
		}
		timer := time.NewTimer(refusedFirst)
		<-timer.C
		a.err = io.EOF // the line, which says nothing of the password
		if _, err := writer.Connect(t.Context()); !errors.Is(err, io.EOF) {
			t.Fatalf("error %v, want that of the line", err)
		}
		a.err = answer(18456)
		_, _ = writer.Connect(t.Context())
		timer.Reset(refusedFirst)
		<-timer.C
		if _, err := snap.Connect(t.Context()); err == nil || a.tries.Load() != 3 {
			t.Errorf("%d tries, %v; want that the pause was doubled all the same", a.tries.Load(), err)
		}
		timer.Reset(refusedFirst)
		<-timer.C
		a.err = nil
		if n := crowd(t.Context(), writer, snap); n != 0 {
			t.Errorf("%d failed with the right password", n)
		}
	})
}

// TestSignInsAtOnce: with the right password the first goes alone and the
// others together; and one who goes away takes nobody along.
func TestSignInsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &slowly{}
		c := &signIn{a, newGuard(time.Now)}
		impatient, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := c.Connect(impatient); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v, want that its time was up", err)
			}
		})
		synctest.Wait()
		begin := time.Now()
		if n := crowd(t.Context(), c); n != 0 {
			t.Errorf("%d failed", n)
		}
		if d := time.Since(begin); d > 3*time.Second {
			t.Errorf("it took %s, want that all but the first went together", d)
		}
		wg.Wait()
	})
}

// TestOneLockHoweverSpelled: the name of a database is one in any case.
func TestOneLockHoweverSpelled(t *testing.T) {
	t.Parallel()
	var locks [2][2]string
	for i, name := range []string{"DBBAK", "dbbak"} {
		s, err := OpenDSN("sqlserver://sa:hunter2@db.example?database=" + name)
		if err != nil {
			t.Fatal(err)
		}
		locks[i] = [2]string{s.lock, s.users}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if locks[0] != locks[1] {
		t.Errorf("locks %q and %q", locks[0], locks[1])
	}
}

// TestSilentServer: a server that takes the connection and says nothing keeps
// nobody waiting without end.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	var listen net.ListenConfig
	l, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	c, err := mssql.NewConnector("sqlserver://sa:x@" + l.Addr().String() + "?encrypt=disable")
	if err != nil {
		t.Fatal(err)
	}
	c.Dialer = &dialer{timeout: 50 * time.Millisecond}
	s := &signIn{c, newGuard(time.Now)}
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(func() {
			if conn, err := s.Connect(t.Context()); err == nil {
				t.Error("signed in to nobody", conn.Close())
			}
		})
	}
	asking.Wait()
	if s.guard.trying != nil {
		t.Error("somebody is still trying")
	}
}

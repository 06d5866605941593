package projector

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"backupmonitor/services/internal/store"
	"backupmonitor/services/internal/store/sqlserver/sqlservertest"
)

// Faults of a real SQL Server and of the line to it. Whatever it is, the log
// takes events meanwhile, and in the end every one is in the tables once.

func TestSQLServerAwayAtTheStart(t *testing.T) {
	t.Parallel()
	w, dsn := onSQLServer(t)
	line, over := sqlservertest.NewLine(t, dsn)
	line.Cut()
	p := w.projector(opened(t, over))
	running(t, p)
	last := w.story(t, 0, 5)
	until(t, "it says why", func() bool {
		detail, err := p.Check(t.Context())
		return err != nil && strings.Contains(detail, "cannot be reached")
	})
	line.Mend(t)
	w.reached(t, last)
	w.agrees(t)
	until(t, "it is well again", func() bool { _, err := p.Check(t.Context()); return err == nil })
}

func TestSQLServerGoesAwayAtWork(t *testing.T) {
	t.Parallel()
	w, dsn := onSQLServer(t)
	line, over := sqlservertest.NewLine(t, dsn)
	running(t, w.projector(opened(t, over)))
	var last uint64
	for scan := range 4 {
		last = w.story(t, scan, 10)
		line.Cut() // amid whatever is under way
		w.story(t, scan+100, 2)
		line.Mend(t)
	}
	last = max(last, w.story(t, 4, 5))
	w.reached(t, last)
	w.agrees(t)
}

// TestSQLServerLosesCommits: of some transactions the server never hears the
// COMMIT, of others we never hear that it was done.
func TestSQLServerLosesCommits(t *testing.T) {
	t.Parallel()
	w, dsn := onSQLServer(t)
	commits, over := sqlservertest.NewCommits(t, dsn, func(n int) bool { return n%4 == 2 }, func(n int) bool { return n%4 == 3 })
	running(t, w.projector(opened(t, over)))
	var last uint64
	for scan := range 6 {
		last = w.story(t, scan, 10)
	}
	w.reached(t, last)
	for scan := 6; scan < 12; scan++ { // each a transaction of its own
		last = w.story(t, scan, 1)
		w.reached(t, last)
	}
	w.agrees(t)
	if n := commits.Lost(); n < 3 {
		t.Errorf("%d COMMITs went wrong, want more", n)
	}
}

// TestSQLServerIsSlow: an answer that takes a second is waited for.
func TestSQLServerIsSlow(t *testing.T) {
	t.Parallel()
	w, dsn := onSQLServer(t)
	line, over := sqlservertest.NewLine(t, dsn)
	running(t, w.projector(opened(t, over)))
	line.Poison(t, sqlservertest.Toxic{Name: "slow", Type: "latency", Stream: "downstream", Attributes: map[string]any{"latency": 500}})
	w.story(t, 0, 3)
	line.Cure(t, "slow")
	w.reached(t, w.story(t, 1, 3))
	w.agrees(t)
}

// TestSQLServerRefusesTheSignIn: a wrong password is tried seldom, because each
// try counts towards locking the account, and stands in the readiness.
func TestSQLServerRefusesTheSignIn(t *testing.T) {
	t.Parallel()
	w, dsn := onSQLServer(t)
	wrong := sqlservertest.With(t, dsn, func(u *url.URL) { u.User = url.UserPassword(u.User.Username(), "wrong") })
	db := opened(t, wrong)
	p := w.projector(db)
	running(t, p)
	until(t, "it says why", func() bool {
		detail, err := p.Check(t.Context())
		return err != nil && strings.Contains(detail, "the sign-in was refused")
	})
	if err := db.Ping(t.Context()); !errors.Is(err, store.ErrRefused) || !strings.Contains(err.Error(), "no try before") {
		t.Errorf("a second try: %v, want that there was none", err)
	}
	if s := p.Status().Error; strings.Contains(s, "wrong") && strings.Contains(s, "password") {
		t.Errorf("the password is in %q", s)
	}
}

// TestSQLServerTableRefuses: a trigger of another program refuses whatever comes
// into one table. What is for it waits, and goes in when the trigger is gone.
func TestSQLServerTableRefuses(t *testing.T) {
	t.Parallel()
	w, dsn := onSQLServer(t)
	sqlservertest.Exec(t, dsn, "CREATE TABLE dbo.Copy (Outlet NVARCHAR(3) NOT NULL)",
		"CREATE TRIGGER dbo.KeepCopy ON dbo.IB_Storage_Backup_Stat AFTER INSERT, UPDATE AS INSERT INTO dbo.Copy (Outlet) SELECT OutletServer FROM inserted")
	var last uint64
	for scan := range 3 {
		last = w.story(t, scan, 2*mostRefused)
	}
	for range 2 { // the second is started where the first has stopped
		p := w.projector(opened(t, dsn))
		stop := running(t, p)
		until(t, "it stops", func() bool { return strings.Contains(p.Status().Error, "did not fit either") })
		if detail, err := p.Check(t.Context()); err == nil || !strings.HasPrefix(detail, "the database refuses so much of the looks at USB drives") {
			t.Errorf("readiness %q, %v", detail, err)
		}
		if q := w.quarantine(t); len(q) != mostRefused {
			t.Errorf("%d events were set aside, want %d", len(q), mostRefused)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
	running(t, w.projector(opened(t, dsn)))
	sqlservertest.Exec(t, dsn, "DROP TRIGGER dbo.KeepCopy")
	w.reached(t, last)
	if q := w.quarantine(t); len(q) != mostRefused {
		t.Errorf("%d events were set aside, want %d", len(q), mostRefused)
	}
}

// TestRefusedIsTriedSeldom: whoever is refused pauses longer than after an
// error that passes.
func TestRefusedIsTriedSeldom(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.story(t, 0, 1)
	calls := make(chan time.Time, 100)
	cfg := quick()
	cfg.Refused = 300 * time.Millisecond
	p := w.projector(&scripted{Store: w.db, answer: func(call int, apply func() error) error {
		calls <- time.Now()
		if call <= 3 {
			return &store.Trouble{Reason: "the sign-in was refused", Refused: true, Err: errors.New("18456")}
		}
		return apply()
	}})
	p.cfg = cfg.withDefaults()
	running(t, p)
	until(t, "the reason shows", func() bool {
		detail, err := p.Check(t.Context())
		return err != nil && strings.HasPrefix(detail, "the sign-in was refused; ")
	})
	before := <-calls
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		select {
		case now := <-calls:
			if d := now.Sub(before); d < cfg.Refused {
				t.Errorf("tried again after %s, want %s at least", d, cfg.Refused)
			}
			before = now
		case <-ctx.Done():
			t.Fatal("it was not tried again")
		}
		cancel()
	}
	until(t, "the reason is gone", func() bool { _, err := p.Check(t.Context()); return err == nil })
	w.agrees(t)
}

package scheduler_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"backupmonitor/events"
)

// TestConnectionClosedForGood: a scheduler that can never take a request again
// ends, so that it is started anew: at work, and before it has begun.
func TestConnectionClosedForGood(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.register(1)
	s := f.schedule()
	f.request(request("left", events.DDrive))
	f.until("the command is offered", func() bool { return f.queued() == 1 })
	s.conn.Close()
	select {
	case err := <-s.ended:
		s.ended <- err
		if !errors.Is(err, nats.ErrConnectionClosed) {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(patience):
		t.Error("it did not end")
	}
	conn, _, log := f.Client(t, "scheduler")
	conn.Close()
	if err := f.make(f.config(), log).Run(f.ctx); !errors.Is(err, nats.ErrConnectionClosed) {
		t.Errorf("without a connection it ended with %v", err)
	}
}

// TestStopWithoutTheLog: a scheduler whose log is gone stops all the same.
func TestStopWithoutTheLog(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.register(3)
	s := f.schedule()
	f.request(request("left", events.Modes()...))
	f.until("the commands are offered", func() bool { return f.queued() == 3 })
	f.Stop()
	began := time.Now()
	s.stop()
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it took %v to stop", took)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	idle := f.make(f.config(), f.Log)
	if detail, err := idle.Check(f.ctx); err == nil {
		t.Errorf("before it runs it is ready: %s", detail)
	}
	f.register(4)
	s := f.schedule()
	s.until("it is ready", func() bool { _, err := s.Check(f.ctx); return err == nil })
	s.detail("no scan running; nothing scheduled")
	f.request(request("one", events.Modes()...))
	s.detail("1 scan running, 0 of 8 looks; nothing scheduled")
	other := request("other", events.DDrive)
	other.ScanDate = "2026-02-21"
	f.request(other)
	s.detail("2 scans running, 0 of 12 looks; nothing scheduled")
	f.changeSchedule(hourly())
	s.until("the next slot is known", func() bool {
		detail, _ := s.Check(f.ctx)
		return strings.Contains(detail, "; next one scheduled for "+time.Now().UTC().Truncate(time.Hour).Add(time.Hour).Format("2006-01-02T"))
	})
}

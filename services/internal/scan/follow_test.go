package scan_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/natstest"
	"backupmonitor/services/internal/scan"
)

// follower follows a scan and hands on what it is told, as short texts.
type follower struct {
	steps chan string
	err   chan error
}

func follow(ctx context.Context, log *events.Log, id string, only ...events.Mode) follower {
	f := follower{steps: make(chan string, 100), err: make(chan error, 1)}
	go func() {
		f.err <- scan.Follow(ctx, log, id, func(u scan.Update) error {
			switch {
			case u.Completed != nil:
				f.steps <- "completed"
			case u.Look != nil:
				f.steps <- u.Progress.Last() + " " + string(u.Look.Mode)
			default:
				f.steps <- "started"
			}
			return nil
		}, only...)
	}()
	return f
}

func (f follower) expect(t *testing.T, want ...string) {
	t.Helper()
	for _, w := range want {
		select {
		case got := <-f.steps:
			if got != w {
				t.Fatalf("step is %q, want %q", got, w)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("step %q does not come", w)
		}
	}
}

func (f follower) expectEnd(t *testing.T, want error) {
	t.Helper()
	select {
	case err := <-f.err:
		if !errors.Is(err, want) {
			t.Fatalf("ended with %v, want %v", err, want)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("does not end")
	}
	if len(f.steps) > 0 {
		t.Errorf("more steps: %q", <-f.steps)
	}
}

type logbook struct {
	t   *testing.T
	ctx context.Context
	log *events.Log
}

func newLogbook(t *testing.T) logbook {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return logbook{t, ctx, natstest.Start(t).Log}
}

func (l logbook) write(payloads ...events.Payload) (last uint64) {
	l.t.Helper()
	for _, p := range payloads {
		var err error
		if last, _, err = l.log.Append(l.ctx, p); err != nil {
			l.t.Fatal(err)
		}
	}
	return last
}

func (l logbook) start(id string, outlets ...string) events.ScanStarted {
	l.t.Helper()
	s := started(outlets...)
	s.ScanID, s.RequestPosition = id, l.write(requested(id))
	l.write(s)
	return s
}

func lookOf(s events.ScanStarted, outlet string, m events.Mode) events.BackupObserved {
	o := look(outlet, m, s.RequestPosition, events.CauseOK)
	o.ScanID = s.ScanID
	return o
}

func TestFollowLive(t *testing.T) {
	t.Parallel()
	l := newLogbook(t)
	position := l.write(requested("live"))
	f := follow(l.ctx, l.log, "live")
	one := follow(l.ctx, l.log, "live", events.IBStorage)
	s := started("A1", "A2")
	s.ScanID, s.RequestPosition = "live", position
	l.write(s)
	f.expect(t, "started")
	one.expect(t, "started")
	l.write(lookOf(s, "A2", events.DDrive), lookOf(s, "A2", events.IBStorage))
	f.expect(t, "A2 d_drive", "A2 ib_storage")
	one.expect(t, "A2 ib_storage")
	late := follow(l.ctx, l.log, "live")
	late.expect(t, "started", "A2 d_drive", "A2 ib_storage")
	stale := lookOf(s, "A1", events.DDrive)
	stale.ScanID, stale.RequestPosition = "before", position-1
	l.write(stale, lookOf(s, "A1", events.DDrive), events.ScanCompleted{ScanID: "live"})
	f.expect(t, "A1 d_drive", "completed")
	f.expectEnd(t, nil)
	late.expect(t, "A1 d_drive", "completed")
	late.expectEnd(t, nil)
	one.expect(t, "completed")
	one.expectEnd(t, nil)
}

func TestFollowAttached(t *testing.T) {
	t.Parallel()
	l := newLogbook(t)
	host := l.start("host", "A1")
	l.write(lookOf(host, "A1", events.DDrive))
	guest := started("A1")
	guest.ScanID, guest.RequestPosition = "guest", l.write(requested("guest"))
	guest.AttachedTo, guest.HostPosition = "host", host.RequestPosition
	l.write(guest)
	f := follow(l.ctx, l.log, "guest")
	f.expect(t, "started", "A1 d_drive")
	l.write(lookOf(host, "A1", events.IBStorage), events.ScanCompleted{ScanID: "host"}, events.ScanCompleted{ScanID: "guest"})
	f.expect(t, "A1 ib_storage", "completed")
	f.expectEnd(t, nil)
}

// TestFollowEnded: whoever comes late is told everything all the same.
func TestFollowEnded(t *testing.T) {
	t.Parallel()
	l := newLogbook(t)
	s := l.start("ended", "A1", "A2")
	l.write(lookOf(s, "A1", events.DDrive), lookOf(s, "A2", events.IBStorage),
		events.ScanCompleted{ScanID: "ended"}, lookOf(s, "A2", events.DDrive))
	f := follow(l.ctx, l.log, "ended")
	f.expect(t, "started", "A1 d_drive", "A2 ib_storage", "completed")
	f.expectEnd(t, nil)
	one := follow(l.ctx, l.log, "ended", events.DDrive)
	one.expect(t, "started", "A1 d_drive", "completed")
	one.expectEnd(t, nil)
	if c, err := scan.Completed(l.ctx, l.log, "ended"); err != nil || c.ScanID != "ended" {
		t.Errorf("completed is %+v (%v)", c, err)
	}
	if got, err := scan.Started(l.ctx, l.log, "ended"); err != nil || !slices.Equal(got.Outlets, s.Outlets) {
		t.Errorf("started is %+v (%v)", got, err)
	}
}

func TestFollowCancelledBeforeItsStart(t *testing.T) {
	t.Parallel()
	l := newLogbook(t)
	l.write(requested("early"))
	f := follow(l.ctx, l.log, "early")
	l.write(events.ScanCompleted{ScanID: "early", Cancelled: true})
	late := follow(l.ctx, l.log, "early")
	for _, f := range []follower{f, late} {
		f.expect(t, "completed")
		f.expectEnd(t, nil)
	}
}

func TestFollowEndsWithItsContextOrCaller(t *testing.T) {
	t.Parallel()
	l := newLogbook(t)
	follow(l.ctx, l.log, "unknown").expectEnd(t, events.ErrNotFound)
	l.write(requested("waiting"))
	l.start("running", "A1")
	for _, id := range []string{"waiting", "running"} {
		ctx, cancel := context.WithCancel(l.ctx)
		f := follow(ctx, l.log, id)
		if id == "running" {
			f.expect(t, "started")
		}
		cancel()
		f.expectEnd(t, context.Canceled)
	}
	enough := errors.New("enough")
	if err := scan.Follow(l.ctx, l.log, "running", func(scan.Update) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("ended with %v, want the caller's error", err)
	}
}

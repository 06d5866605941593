package prober

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"backupmonitor/events"
	"backupmonitor/services/internal/lifeline"
	"backupmonitor/services/internal/ops"
	"backupmonitor/services/internal/verdict"
)

const (
	// moreDeliveries than attempts end a command without a look: something
	// about it may kill those who try.
	moreDeliveries = 10
	// publishTimeout bounds the publishing of what a command ended in. Later
	// than that the command has been delivered to somebody else.
	publishTimeout = 2 * events.AckWait
	ackTimeout     = 5 * time.Second
	// lastTimeout bounds each of what is still said to the queue when the work
	// has ended.
	lastTimeout = 750 * time.Millisecond
)

// handle carries out one delivery. When work ends, it gives the command back.
// It calls quiet while it only waits for the outlet.
func (p *Prober) handle(work context.Context, m jetstream.Msg, ackWait time.Duration, quiet func()) {
	c, err := readCommand(m)
	if err != nil {
		p.logger.Error("a message in the queue of commands is none: it is thrown away",
			slog.String("subject", m.Subject()), slog.Any("error", err))
		if err := m.TermWithReason("malformed command"); err != nil {
			p.logger.Error("cannot throw it away", slog.Any("error", err))
		}
		return
	}
	c.attempt = max(1, c.delivered-p.holds.of(c))
	stop := p.keep(m, ackWait)
	retry, err := p.carryOut(work, c, quiet)
	stop()
	switch {
	case work.Err() != nil && (err != nil || retry > 0):
		p.giveBack(m, events.GiveBackDelay, "the prober is stopping")
	case err != nil:
		p.holds.add(c)
		p.logger.Error("a command is put off: the log fails", slog.String("outlet", c.Outlet), slog.Any("error", err))
		p.giveBack(m, p.cfg.LogDelay, "the log fails")
	case retry > 0:
		p.giveBack(m, retry, "a fault that may pass")
	default:
		p.holds.forget(c)
		p.acknowledge(work, c, m)
	}
}

// carryOut brings every mode of a command to its event. retry tells after
// which time to deliver the command again for the modes still without one; an
// error says that the log failed, or that work has ended.
func (p *Prober) carryOut(work context.Context, c command, quiet func()) (retry time.Duration, err error) {
	now := p.cfg.Now()
	open := c.Modes
	if c.delivered > 1 || c.expired(now) {
		if open, err = p.openModes(work, c); err != nil {
			return 0, err
		}
	}
	looks, open := p.holds.unsaid(c, open)
	hold := false
	switch {
	case len(open) == 0:
	case c.expired(now):
		looks = append(looks, p.without(c, open, verdict.Expired(c.ProbeCommand))...)
	case c.attempt > p.cfg.Attempts+moreDeliveries:
		looks = append(looks, p.without(c, open, givenUp(c.attempt-1))...)
	default:
		var seen []events.BackupObserved
		seen, hold = p.look(work, c, open, quiet)
		looks = append(looks, seen...)
	}
	if err := work.Err(); err != nil {
		return 0, err // what a look that was broken off saw is worth nothing
	}
	if hold {
		p.holds.add(c)
		p.logger.Info("a look that says nothing of its outlet: the command goes back",
			slog.String("outlet", c.Outlet), slog.String("scan", c.ScanID))
		retry = p.cfg.RetryDelay
	}
	next := p.cfg.Now().Add(p.cfg.RetryDelay)
	final := looks[:0]
	for _, l := range looks {
		if c.mayRetry(l.Verdict.Cause, p.cfg.Attempts, next) {
			p.tell(work, l, "to be tried again")
			retry = p.cfg.RetryDelay
			continue
		}
		final = append(final, l)
	}
	for i, l := range final {
		if err := p.publish(work, l); err != nil {
			p.holds.keep(c, final[i:])
			return 0, err
		}
	}
	return retry, nil
}

// givenUp is the reason of a command that came too often. The queue does not tell
// whether those who had it died of it, or gave it back as they may, and of the
// outlet none of that says anything.
func givenUp(tries int) events.LookError {
	return events.LookError{
		Code: events.CauseExpired,
		Detail: fmt.Sprintf("given up after %d tries that came to nothing: probers stopped on the way, could reach nothing at all, "+
			"had no turn to sign in, or could not write to the log", tries),
	}
}

// openModes are the modes of a command that have no event yet. Of an outlet's
// events in a mode only the last can be this command's: another command for the
// outlet cannot exist. Only what the scheduler says of later scans, which expired
// meanwhile, may come after it, and this command has then expired, too: what it
// ends in has the id of the event that is there already.
func (p *Prober) openModes(ctx context.Context, c command) ([]events.Mode, error) {
	var open []events.Mode
	for _, mode := range c.Modes {
		last, err := p.log.Last(ctx, events.ObservedSubject(mode, c.Outlet))
		switch {
		case errors.Is(err, events.ErrNotFound):
			open = append(open, mode)
		case err != nil:
			return nil, err
		case events.ID(last.Header) != events.LookID(c.ScanID, c.Outlet, mode):
			open = append(open, mode)
		}
	}
	return open, nil
}

// publish stores a look. That it is stored already is as good.
func (p *Prober) publish(ctx context.Context, l events.BackupObserved) error {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	_, duplicate, err := p.log.Append(ctx, l)
	if err != nil {
		return err
	}
	if duplicate {
		p.tell(ctx, l, "stored before")
	} else {
		p.tell(ctx, l, "stored")
	}
	return nil
}

// acknowledge takes the command out of the queue. Should it stay there, the
// next to get it finds every mode done.
func (p *Prober) acknowledge(work context.Context, c command, m jetstream.Msg) {
	ctx, cancel := lifeline.Outlive(work, ackTimeout, lastTimeout)
	defer cancel()
	if err := m.DoubleAck(ctx); err != nil {
		p.logger.Warn("a command is done and could not be acknowledged", slog.String("outlet", c.Outlet), slog.Any("error", err))
	}
}

// giveBack makes the queue deliver a command again, after a delay. If the
// queue cannot be reached it does so by itself, after events.AckWait.
func (p *Prober) giveBack(m jetstream.Msg, delay time.Duration, why string) {
	err := m.NakWithDelay(delay)
	if err != nil {
		p.logger.Warn("cannot give a command back", slog.String("subject", m.Subject()), slog.String("because", why), slog.Any("error", err))
	}
}

// keep renews the command three times in ackWait, so that nobody else gets it
// while we are at it, until the returned function is called.
func (p *Prober) keep(m jetstream.Msg, ackWait time.Duration) (stop func()) {
	done := make(chan struct{})
	var renewing sync.WaitGroup
	renewing.Go(func() {
		tick := time.NewTicker(ackWait / 3)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				if err := m.InProgress(); err != nil {
					p.logger.Warn("cannot renew a command", slog.String("subject", m.Subject()), slog.Any("error", err))
				}
			}
		}
	})
	return func() { close(done); renewing.Wait() }
}

// flush waits until what was given back has reached the server.
func (p *Prober) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lastTimeout)
	defer cancel()
	if err := p.log.JetStream().Conn().FlushWithContext(ctx); err != nil {
		p.logger.Warn("cannot flush the connection", slog.Any("error", err))
	}
}

// tell logs a look and what became of it.
func (p *Prober) tell(ctx context.Context, l events.BackupObserved, outcome string) {
	attrs := []slog.Attr{
		slog.String("outcome", outcome),
		slog.String(ops.KeyMode, string(l.Mode)), slog.String("outlet", l.Outlet), slog.String("server", l.Server),
		slog.String("scan", l.ScanID), slog.String("scan_date", string(l.ScanDate)), slog.Int("attempt", l.Attempt),
		slog.String("status", string(l.Verdict.Status)), slog.String("cause", string(l.Verdict.Cause)),
		slog.Float64("duration_ms", l.DurationMS),
	}
	if f := l.Verdict.File; f != nil {
		attrs = append(attrs, slog.String("file", f.Name), slog.Int64("bytes", f.Bytes), slog.Time("modified", f.Modified))
	}
	if l.Verdict.Detail != "" {
		attrs = append(attrs, slog.String("detail", l.Verdict.Detail))
	}
	p.logger.LogAttrs(ctx, slog.LevelInfo, "looked at an outlet", attrs...)
}

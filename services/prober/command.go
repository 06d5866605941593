package prober

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"backupmonitor/events"
)

// command is one delivery of a command.
type command struct {
	events.ProbeCommand
	delivered int // how many times, this one included
	attempt   int // of the looks that count, this one included
}

// readCommand reads a delivery. The error says why it is no command.
func readCommand(m jetstream.Msg) (command, error) {
	var c command
	meta, err := m.Metadata()
	if err != nil {
		return c, fmt.Errorf("read the delivery: %w", err)
	}
	c.delivered = int(meta.NumDelivered)
	e, err := events.Decode(m.Headers(), m.Data())
	if err != nil {
		return c, err
	}
	p, ok := e.Data.(events.ProbeCommand)
	if !ok {
		return c, fmt.Errorf("a %s is no command", e.Data.Type())
	}
	c.ProbeCommand = p
	return c, c.check(m.Subject())
}

// check tells whether a command can be carried out: whatever it ends in must
// have an id, a subject and a cutoff.
func (c command) check(subject string) error {
	if c.ScanID == "" {
		return errors.New("it has no scan id")
	}
	if _, err := events.CleanCode(c.Outlet); err != nil {
		return err
	}
	if want := c.Subject(); subject != want {
		return fmt.Errorf("it came on %s and belongs on %s", subject, want)
	}
	if _, err := events.ParseDate(string(c.ScanDate)); err != nil {
		return err
	}
	if c.Deadline.IsZero() {
		return errors.New("it has no deadline")
	}
	if len(c.Modes) == 0 {
		return errors.New("it names no mode")
	}
	for i, m := range c.Modes {
		if _, err := events.ParseMode(string(m)); err != nil {
			return err
		}
		if slices.Contains(c.Modes[:i], m) {
			return fmt.Errorf("it names %s twice", m)
		}
	}
	return nil
}

// expired tells whether the command may no longer be carried out.
func (c command) expired(now time.Time) bool { return !now.Before(c.Deadline) }

// mayRetry tells whether a look that met cause is tried again, a delay from
// now.
func (c command) mayRetry(cause events.Cause, attempts int, next time.Time) bool {
	if c.attempt >= attempts || c.expired(next) {
		return false
	}
	switch cause {
	case events.CauseUnreachable, events.CauseTimeout, events.CauseProtocolError:
		return true
	}
	return false
}

// Package audit is the trail of who did what: on its way to the log through an
// outbox in the database, so that a committed change always has its event, and
// as read back from the log.
package audit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

const (
	// atOnce is how many notes are delivered between two looks at the outbox.
	atOnce = 100
	// lookEvery is how often the outbox is looked at unasked: for notes of
	// other gateways, and of processes that ended before they delivered them.
	lookEvery = 2 * time.Second
	// deliverTimeout bounds the delivery of one note; the log tries again by
	// itself until then.
	deliverTimeout = 5 * time.Second
	retryMost      = 30 * time.Second
	// flushTimeout is how long, at the end, what waits may take to be
	// delivered. What is left is delivered by another gateway or after the next
	// start.
	flushTimeout = time.Second
	// settleTimeout bounds noting what became of an action, also when its
	// client has gone.
	settleTimeout = 5 * time.Second
	// unsettledFor is after which time an action of which nobody noted what
	// became is told with an unknown outcome. Every action ends well before.
	unsettledFor = 2 * time.Minute
)

// ErrOutbox says that the outbox did not take a note, so that nothing was done.
var ErrOutbox = errors.New("the outbox does not take notes")

// Outcome is the detail that an event has only where it is not known whether
// what it tells of was done.
const (
	Outcome        = "outcome"
	OutcomeUnknown = "unknown"
)

// Outbox is the part of the store that the trail uses; see store.Access.
type Outbox interface {
	PutNote(ctx context.Context, n store.Note) error
	Outbox(ctx context.Context, now time.Time, limit int) ([]store.Note, error)
	DropNotes(ctx context.Context, ids ...string) error
	PostponeNote(ctx context.Context, id string, due time.Time) error
	ParkedNotes(ctx context.Context) ([]string, error)
}

// Trail delivers notes from the outbox to the log. Any number of processes may
// deliver from one outbox: a note has the same id each time, so that the log
// stores it once.
type Trail struct {
	log    *events.Log
	outbox Outbox
	now    func() time.Time
	logger *slog.Logger
	ration *ration
	kicked chan struct{}
}

// New returns a trail; Run has it deliver.
func New(log *events.Log, outbox Outbox, now func() time.Time, logger *slog.Logger) *Trail {
	return &Trail{log: log, outbox: outbox, now: now, logger: logger, ration: newRation(now), kicked: make(chan struct{}, 1)}
}

// Note completes an event: its id, and the time where it has none. It is to be
// committed with what it tells of, and Committed called then.
func (t *Trail) Note(e events.Audited) store.Note {
	e.ID = rand.Text()
	if e.At.IsZero() {
		e.At = t.now().UTC()
	}
	return store.Note{Audited: e}
}

// Committed has the outbox looked at now. It does not wait.
func (t *Trail) Committed() {
	select {
	case t.kicked <- struct{}{}:
	default:
	}
}

// Stranger notes what changed nothing and anybody can cause, as a sign-in that was
// not even looked at. The log forgets nothing, so of those a burst and then one each
// so often is kept; the rest only stands in the service log, and the next one kept
// tells how many.
func (t *Trail) Stranger(ctx context.Context, e events.Audited) {
	_, _ = t.keep(ctx, e) // it stands in the service log at least
}

// Refused notes a sign-in as Stranger does. One that is not kept asks for a
// transaction all the same: how long that takes, and whether it can be had, must not
// tell it from a failure that is counted. Errors: the outbox's.
func (t *Trail) Refused(ctx context.Context, e events.Audited) error {
	kept, err := t.keep(ctx, e)
	if !kept {
		err = t.outbox.DropNotes(ctx, noNote)
	}
	return err
}

// noNote is the id of no note: to drop it is a transaction that changes nothing.
const noNote = "none has this id"

func (t *Trail) keep(ctx context.Context, e events.Audited) (kept bool, err error) {
	e, ok := t.ration.take(e)
	if !ok {
		t.logger.WarnContext(ctx, "A refused try is not in the audit trail, because there are too many.", attrs(e)...)
		return false, nil
	}
	if err := t.outbox.PutNote(ctx, t.Note(e)); err != nil {
		t.logger.ErrorContext(ctx, "A refused try is missing in the audit trail.", append(attrs(e), slog.Any("error", err))...)
		return true, err
	}
	t.Committed()
	return true, nil
}

// Around does something that commits elsewhere, in the log, and has it told of
// exactly when it was done. First a note that says the outcome is unknown is
// put into the outbox, to be delivered only after a time; when do has succeeded
// it is replaced by the event itself, and when do has surely done nothing it is
// taken out. So what was done is always told of, also when the process ends in
// between, and what was not is never told of as done. undone tells whether an
// error of do says surely that nothing was done. by is who does it, see
// store.Note.By. Errors: do's; ErrOutbox, also with store.ErrActor.
func (t *Trail) Around(ctx context.Context, by *store.User, e events.Audited, undone func(error) bool, do func(context.Context) error) error {
	settled := t.Note(e)
	open := settled
	open.By = by
	open.Details = maps.Clone(e.Details)
	if open.Details == nil {
		open.Details = map[string]string{}
	}
	open.Details[Outcome] = OutcomeUnknown
	open.Due = t.now().Add(unsettledFor)
	if err := t.outbox.PutNote(ctx, open); err != nil {
		return fmt.Errorf("%w: %w", ErrOutbox, err)
	}
	err := do(ctx)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	var noted error
	switch {
	case err == nil:
		noted = t.outbox.PutNote(ctx, settled)
		t.Committed()
	case undone(err):
		noted = t.outbox.DropNotes(ctx, settled.ID)
	}
	if noted != nil {
		t.logger.ErrorContext(ctx, "The audit trail will tell of an action with an unknown outcome.", append(attrs(e), slog.Any("error", noted))...)
	}
	return err
}

// Run delivers until ctx ends, and then what waits, within flushTimeout.
func (t *Trail) Run(ctx context.Context) {
	patience, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	unwatch := context.AfterFunc(ctx, func() { time.AfterFunc(flushTimeout, end) })
	defer unwatch()
	t.retryParked(ctx)
	wait := time.NewTimer(0)
	defer wait.Stop()
	pause := lookEvery
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-t.kicked:
		case <-wait.C:
		}
		err := t.Deliver(patience)
		pause = t.pauseAfter(ctx, err, pause)
		wait.Reset(pause)
		if err != nil { // a kick must not make it try without a pause
			select {
			case <-ctx.Done():
			case <-wait.C:
				wait.Reset(0)
			}
		}
	}
	if err := t.Deliver(patience); err != nil {
		t.logger.WarnContext(ctx, "Audit events stay in the outbox until the next start.", slog.Any("error", err))
	}
}

func (t *Trail) pauseAfter(ctx context.Context, err error, pause time.Duration) time.Duration {
	if err == nil {
		return lookEvery
	}
	if ctx.Err() == nil {
		t.logger.ErrorContext(ctx, "Audit events wait in the outbox.", slog.Any("error", err))
	}
	return min(2*pause, retryMost)
}

// Deliver delivers what is due, and returns when nothing is left. A note is
// taken out only after the log has it; a process that ends in between leaves it
// to be delivered again under the same id. One that cannot be read is parked, so
// that the others go on.
func (t *Trail) Deliver(ctx context.Context) error {
	for {
		notes, err := t.outbox.Outbox(ctx, t.now(), atOnce)
		if err != nil || len(notes) == 0 {
			return err
		}
		var done []string
		var failed error
		for _, n := range notes {
			if n.Unreadable != nil {
				failed = t.park(ctx, n)
			} else if failed = t.deliver(ctx, n); failed == nil {
				done = append(done, n.ID)
			}
			if failed != nil {
				break
			}
		}
		if len(done) > 0 {
			failed = errors.Join(failed, t.outbox.DropNotes(ctx, done...))
		}
		if failed != nil {
			return failed
		}
	}
}

// park keeps what cannot be read where it is, as due never: only somebody who
// looks at it can tell what it was, and until then readiness is red.
func (t *Trail) park(ctx context.Context, n store.Note) error {
	t.logger.ErrorContext(ctx, "An audit event in the outbox cannot be read and is parked.", slog.String("id", n.ID), slog.Any("error", n.Unreadable))
	return t.outbox.PostponeNote(ctx, n.ID, store.Parked())
}

// Check tells, for readiness, that audit events are parked: what they say is not
// in the log.
func (t *Trail) Check(ctx context.Context) (detail string, err error) {
	parked, err := t.outbox.ParkedNotes(ctx)
	if err != nil {
		return "unknown: the database does not answer", err
	}
	if len(parked) == 0 {
		return "", nil
	}
	return fmt.Sprintf("%d audit events in the table MonitorOutbox cannot be read; see the README, \"Who did what\"", len(parked)),
		fmt.Errorf("audit event %s of the outbox, and maybe others, cannot be read", parked[0])
}

// retryParked has what is parked tried again: this version may be one that can
// read it, or somebody has mended it.
func (t *Trail) retryParked(ctx context.Context) {
	parked, err := t.outbox.ParkedNotes(ctx)
	for _, id := range parked {
		err = errors.Join(err, t.outbox.PostponeNote(ctx, id, time.Time{}))
	}
	if err != nil && ctx.Err() == nil {
		t.logger.WarnContext(ctx, "Parked audit events are not tried again before the next start.", slog.Any("error", err))
	}
}

func (t *Trail) deliver(ctx context.Context, n store.Note) error {
	ctx, cancel := context.WithTimeout(ctx, deliverTimeout)
	defer cancel()
	if _, _, err := t.log.Append(ctx, n.Audited); err != nil {
		return fmt.Errorf("deliver audit event %s: %w", n.ID, err)
	}
	return nil
}

func attrs(e events.Audited) []any {
	return []any{
		slog.String("kind", string(e.Kind)), slog.String("actor", e.Actor), slog.String("object", e.Object),
		slog.String("address", e.Address), slog.Time("at", e.At),
	}
}

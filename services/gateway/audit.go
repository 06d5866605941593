package gateway

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"backupmonitor/events"
)

const (
	auditQueue   = 256
	auditTimeout = 5 * time.Second
	// flushTimeout is how long, at the end, everything that waits may take to
	// be written.
	flushTimeout = time.Second

	// Anybody can cause the events of strangers, and the log forgets nothing:
	// of those, a burst and then one each so often is kept.
	strangersBurst = 30
	strangersEvery = 10 * time.Second
)

// auditor writes to the log who did what, without making them wait for it.
type auditor struct {
	log    *events.Log
	now    func() time.Time
	logger *slog.Logger
	queue  chan events.Audited

	mu         sync.Mutex
	budget     float64
	counted    time.Time // when budget was brought up to date
	suppressed int
}

func newAuditor(log *events.Log, now func() time.Time, logger *slog.Logger) *auditor {
	return &auditor{
		log: log, now: now, logger: logger, queue: make(chan events.Audited, auditQueue),
		budget: strangersBurst, counted: now(),
	}
}

// record takes an event. What cannot be kept is at least logged here.
func (a *auditor) record(e events.Audited) {
	if e.Kind == events.SignInFailed && e.Details["reason"] != "wrong password" {
		var ok bool
		if e, ok = a.ration(e); !ok {
			a.logger.Warn("A failed sign-in is not in the audit trail, because there are too many.", auditAttrs(e)...)
			return
		}
	}
	select {
	case a.queue <- e:
	default:
		a.logger.Error("An action is missing in the audit trail: its queue is full.", auditAttrs(e)...)
	}
}

// ration counts the event against the budget of strangers.
func (a *auditor) ration(e events.Audited) (events.Audited, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	if passed := now.Sub(a.counted); passed > 0 {
		a.budget = min(strangersBurst, a.budget+passed.Seconds()/strangersEvery.Seconds())
		a.counted = now
	}
	if a.budget < 1 {
		a.suppressed++
		return e, false
	}
	a.budget--
	if a.suppressed > 0 {
		e.Details["notRecordedBefore"] = strconv.Itoa(a.suppressed)
		a.suppressed = 0
	}
	return e, true
}

// run writes until ctx ends, and then what is waiting, all of it within
// flushTimeout: a log that does not answer must not keep the process from
// ending.
func (a *auditor) run(ctx context.Context) {
	patience, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	unwatch := context.AfterFunc(ctx, func() { time.AfterFunc(flushTimeout, end) })
	defer unwatch()
	lost := 0
	write := func(e events.Audited) {
		if !a.write(patience, e) && ctx.Err() != nil {
			lost++
		}
	}
	for ctx.Err() == nil {
		select {
		case e := <-a.queue:
			write(e)
		case <-ctx.Done():
		}
	}
	for len(a.queue) > 0 { // nobody else takes from it
		write(<-a.queue)
	}
	if lost > 0 {
		a.logger.ErrorContext(ctx, "The audit trail lacks actions: the log did not take them before the end.", slog.Int("count", lost))
	}
}

// write tells whether the log took the event.
func (a *auditor) write(ctx context.Context, e events.Audited) bool {
	ctx, cancel := context.WithTimeout(ctx, auditTimeout)
	defer cancel()
	err := ctx.Err()
	if err == nil {
		_, _, err = a.log.Append(ctx, e)
	}
	if err != nil {
		a.logger.ErrorContext(ctx, "An action is missing in the audit trail: the log did not take it.", append(auditAttrs(e), slog.Any("error", err))...)
	}
	return err == nil
}

func auditAttrs(e events.Audited) []any {
	return []any{slog.String("kind", string(e.Kind)), slog.String("actor", e.Actor), slog.String("object", e.Object), slog.String("address", e.Address), slog.Time("at", e.At)}
}

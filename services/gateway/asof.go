package gateway

import (
	"context"
	"net/http"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/registry"
	"backupmonitor/services/internal/store"
)

// moment is the past that a request asks for; nil is now.
type moment struct {
	at     time.Time
	seq    uint64 // of the last look that was stored by then
	stored uint64 // of the last event
}

const (
	paramAsOf = "as_of"
	// lastYear is the last one that a time in JSON has. Source: RFC 3339, 1.
	lastYear = 9999
)

// asOf reads the moment, and waits until the tables know all that the log had
// stored by then: what they show is never half of it. It asks the log, so that who
// calls it has the caller's turn.
func (g *Gateway) asOf(r *request) (*moment, error) {
	s := r.param(paramAsOf)
	if s == "" {
		return nil, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	switch now := g.cfg.Now(); {
	case err != nil:
		return nil, badRequest("Parameter %q: %q is not a moment as 2026-02-21T08:00:00Z or 2026-02-21T08:00:00%%2B02:00.", paramAsOf, s)
	case t.UTC().Year() < 1:
		return nil, badRequest("Parameter %q: there is no log of before the year 1.", paramAsOf)
	case t.After(now):
		return nil, badRequest("Parameter %q: %s is in the future; the clock here says %s.", paramAsOf, s, now.UTC().Format(time.RFC3339))
	}
	ctx, cancel := context.WithTimeout(r.Context(), g.cfg.VisibleWait)
	defer cancel()
	stored, err := g.log.SequenceAt(ctx, t)
	if err != nil {
		return nil, logProblem(err)
	}
	if !g.visible(ctx, stored) {
		if err := r.Context().Err(); err != nil {
			return nil, err
		}
		return nil, &problem{
			status: http.StatusServiceUnavailable, retryAfter: 5 * time.Second,
			message: "The tables do not know yet all that had been seen by then. Try again.",
		}
	}
	m := &moment{at: t.UTC(), stored: stored}
	if m.seq, err = g.store.SequenceAt(r.Context(), t); err != nil {
		return nil, unavailable("The database", err)
	}
	return m, nil
}

// then bounds a query to what was known at a moment. No look is for a day
// after its own, whatever the zone.
func (m *moment) then(q *store.Query) {
	if m == nil {
		return
	}
	q.AsOf = &m.seq
	if last := m.lastDate(); q.To == "" || q.To > last {
		q.To = last
	}
}

func (m *moment) lastDate() events.Date { return events.DateOf(m.at.AddDate(0, 0, 1), time.UTC) }

// today is the day that it is, or was at a moment. No scan is for a later one, but
// the log may hold a look that says so, and old tables a row: in a list that names
// no last day it would stand before what is seen today, for good.
func (g *Gateway) today(at *moment) events.Date {
	now := g.cfg.Now()
	if at != nil {
		now = at.at
	}
	return events.DateOf(now, g.cfg.Zone)
}

// untilToday ends a selection that has no last day, and bounds it to what was
// known at a moment.
func (g *Gateway) untilToday(q *store.Query, at *moment) {
	if q.To == "" {
		q.To = g.today(at)
	}
	at.then(q)
}

// latestScanDate is the latest until today that is known, or was known at a moment.
func (g *Gateway) latestScanDate(ctx context.Context, m events.Mode, at *moment) (events.Date, error) {
	if at == nil {
		return g.store.LatestScanDate(ctx, m, g.today(nil))
	}
	return g.store.LatestScanDateAsOf(ctx, m, at.seq, g.today(at))
}

// countActive is how many outlets are active, or were at a moment.
func (g *Gateway) countActive(ctx context.Context, at *moment) (int, error) {
	if at == nil {
		outlets, err := g.store.ActiveOutlets(ctx)
		if err != nil {
			return 0, unavailable("The database", err)
		}
		return len(outlets), nil
	}
	if at.stored == 0 {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, g.cfg.VisibleWait)
	defer cancel()
	then, err := registry.Load(ctx, g.log, at.stored)
	if err != nil {
		return 0, logProblem(err)
	}
	n := 0
	for _, o := range then.All() {
		if o.Active {
			n++
		}
	}
	return n, nil
}

// stamp is the moment in answers.
func (m *moment) stamp() *time.Time {
	if m == nil {
		return nil
	}
	return &m.at
}

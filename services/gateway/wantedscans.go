package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/gateway/scans"
	"backupmonitor/services/internal/registry"
	"backupmonitor/services/internal/scan"
	"backupmonitor/services/internal/schedule"
)

// beginsWithin is how long after its time a full scan may take to be asked for,
// and to begin.
const beginsWithin = 2 * time.Minute

// checkScans asks whether the full scans that are wanted are run: the schedule's,
// and those that somebody asked for. It goes by what the log has, so that it sees
// whatever keeps a scan from being run, in whichever scheduler; the next full scan
// that is run is the end of it.
func (g *Gateway) checkScans(ctx context.Context) (string, error) {
	if identity, _ := g.hub.Position(); identity == "" {
		return "unknown: the live feed is catching up", nil // which has a check of its own
	}
	s, _, err := registry.Settings(ctx, g.log, 0)
	if err != nil && !errors.Is(err, events.ErrNotFound) { // without any there is no schedule
		return "unknown: the event log does not answer", err
	}
	if err := schedule.Check(s.Schedule); err != nil {
		return "the schedule cannot be kept, and no scan starts by itself: set another", err
	}
	now := g.cfg.Now()
	slot := g.dueSlot(s, now)
	why, of := unrun(g.scans.List(), now)
	if of.Before(slot) { // nothing has come of that slot's scan so far
		own, err := g.scans.Find(ctx, g.log, scan.CronID(slot))
		switch {
		case errors.Is(err, events.ErrNotFound):
			why = fmt.Sprintf("no full scan was asked for at %s, when one was due: the scheduler's log says why", slot.UTC().Format(time.RFC3339))
		case err != nil:
			return "unknown: the event log does not answer", err
		default:
			if w, decided := fate(own, nil, now); decided {
				why = w
			}
		}
	}
	if why != "" {
		return why + "; start a full scan when it is mended", errors.New(why)
	}
	return "", nil
}

// dueSlot is the last slot of the schedule for which a scan must have been asked
// for by now, zero for none. For one before the gateway began, or before the
// schedule was set, that is so only where a scheduler makes up for it.
func (g *Gateway) dueSlot(s events.SettingsChanged, now time.Time) time.Time {
	slot, ok := schedule.Last(s.Schedule, now.Add(-beginsWithin), g.cfg.Zone)
	if !ok || slot.Before(s.ChangedAt.Add(beginsWithin)) {
		return time.Time{}
	}
	if slot.Before(g.began) {
		current, _ := schedule.Current(s.Schedule, now, g.cfg.Zone)
		if !slot.Equal(current) || now.Sub(g.began) < beginsWithin {
			return time.Time{}
		}
	}
	return slot
}

// unrun tells why the last full scan of which it can be told was not run, "" where
// it was, and when it was asked for, zero where there is none.
func unrun(list []scans.State, now time.Time) (why string, of time.Time) {
	busy := map[string]bool{} // callers whose scans run: more of theirs may have to wait
	for _, s := range list {
		if s.Phase == scans.Running {
			busy[scan.Caller(s.Request)] = true
		}
	}
	for _, s := range list { // the newest first
		if !s.Request.Full() {
			continue
		}
		if why, decided := fate(s, busy, now); decided {
			return why, s.Request.RequestedAt
		}
	}
	return "", time.Time{}
}

// fate tells whether it is decided what has come of a scan, and if it was not run,
// why.
func fate(s scans.State, busy map[string]bool, now time.Time) (why string, decided bool) {
	reason, givenUp := strings.CutPrefix(s.CancelledBy, scan.GivenUp)
	switch {
	case givenUp:
		return "the last full scan could not be run: " + reason, true
	case s.StartedAt != nil:
		return "", true
	case !s.Phase.Ended() && now.Sub(s.Request.RequestedAt) >= beginsWithin && !busy[scan.Caller(s.Request)]:
		return fmt.Sprintf("the full scan asked for at %s has not begun: see that a scheduler runs, and its log",
			s.Request.RequestedAt.UTC().Format(time.RFC3339)), true
	}
	return "", false
}

package gateway

import (
	"context"
	"errors"
	"math"
	"net/http"
	"slices"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/gateway/scans"
	"backupmonitor/services/internal/scan"
)

const (
	// publicEvery is how often strangers may start a scan, all together.
	publicEvery = time.Minute
	// publicDaily is how many they may start in 24 hours: each stays in the log for
	// good.
	publicDaily = 100
)

// publicScan is scanStream for somebody who did not sign in, where the scan
// streams are public as in the original system. Whoever asks while such a scan
// runs follows that one.
func (g *Gateway) publicScan(w *response, r *request, m events.Mode, date events.Date) error {
	if err := g.caughtUp(r.Context()); err != nil {
		return err
	}
	now := g.cfg.Now().UTC()
	today := events.DateOf(now, g.cfg.Zone)
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		s, ok := g.scans.Get(id)
		if !ok || !s.Request.Full() || !slices.Contains(s.Request.Modes, m) || !isPublic(s, today) {
			return notFound("There is no such scan in this mode.")
		}
		return g.followScan(w, r, s, false, m)
	}
	if date == "" {
		date = today
	}
	if date != today {
		return &problem{status: http.StatusForbidden, message: "Sign in to scan for another date than today's."}
	}
	if s, ok := joinable(g.scans.List(), m, date); ok {
		return g.followScan(w, r, s, false, m)
	}
	if wait := publicRest(g.scans.List(), now); wait > 0 {
		return tooManyPublic(wait)
	}
	wait, err := g.publicWait(r.Context(), now)
	if err != nil {
		return err
	}
	if wait > 0 {
		return tooManyPublic(wait)
	}
	asked, err := g.ask(w, r, wish{id: publicID(now), trigger: events.TriggerPublic, modes: []events.Mode{m}, date: date})
	if errors.Is(err, events.ErrConflict) {
		return tooManyPublic(publicEvery)
	}
	if err != nil {
		return err
	}
	return g.followScan(w, r, scans.State{Request: asked, Phase: scans.Requested}, false, m)
}

// isPublic tells whether strangers may follow a scan: one of today's date, or one
// of theirs that midnight has overtaken. That they know its id says nothing, as
// those of the schedule are times.
func isPublic(s scans.State, today events.Date) bool {
	return s.Request.ScanDate == today || s.Request.Trigger == events.TriggerPublic && !s.Phase.Ended()
}

// publicID is the id of the scan that strangers may start in a minute, so that
// the log takes one from all gateways.
func publicID(at time.Time) string {
	return "public-" + at.UTC().Truncate(publicEvery).Format("20060102T150405Z")
}

// publicWait is how long strangers have to wait because of the scan of this
// minute or of the one before. The log is asked: another gateway may have
// started it just now.
func (g *Gateway) publicWait(ctx context.Context, now time.Time) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, logTimeout)
	defer cancel()
	for _, at := range []time.Time{now, now.Add(-publicEvery)} {
		req, _, err := scan.Requested(ctx, g.log, publicID(at))
		if err == nil {
			return max(0, publicEvery-now.Sub(req.RequestedAt)), nil
		}
		if !errors.Is(err, events.ErrNotFound) {
			return 0, logProblem(err)
		}
	}
	return 0, nil
}

// publicRest is how long strangers have to wait because of all that they have
// started, as the log has it.
func publicRest(list []scans.State, now time.Time) time.Duration {
	var since []time.Time
	for _, s := range list {
		if s.Request.Trigger == events.TriggerPublic && now.Sub(s.Request.RequestedAt) < 24*time.Hour {
			since = append(since, s.Request.RequestedAt)
		}
	}
	if len(since) < publicDaily {
		return 0
	}
	slices.SortFunc(since, time.Time.Compare)
	return since[len(since)-publicDaily].Add(24 * time.Hour).Sub(now)
}

func tooManyPublic(wait time.Duration) error {
	return &problem{
		status: http.StatusTooManyRequests, message: "A scan was started just now. Wait a moment, or sign in.",
		retryAfter: time.Duration(math.Ceil(wait.Seconds())) * time.Second,
	}
}

// joinable is a full scan of that mode and date that is under way.
func joinable(list []scans.State, m events.Mode, date events.Date) (scans.State, bool) {
	for _, s := range list {
		if !s.Phase.Ended() && s.Request.Full() && s.Request.ScanDate == date && slices.Contains(s.Request.Modes, m) {
			return s, true
		}
	}
	return scans.State{}, false
}

package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/registry"
	"backupmonitor/services/internal/scan"
)

const (
	// logTimeout bounds what a request waits for the log.
	logTimeout = 10 * time.Second
	// maxNamed is how many outlets an error names.
	maxNamed = 20
	// maxOpenScans is how many scans and re-syncs of one user's may be under way,
	// and of all strangers together: the scheduler runs as many side by side.
	maxOpenScans = 20
	// earliest is the first scan date there can be: what is before it is a
	// slip of the pen, and its row would stay.
	earliest events.Date = "2000-01-01"
)

// wish is a scan that somebody asks for. outlets nil means a full scan; date ""
// means today; one before earliest is an error.
type wish struct {
	id      string // "": a new one
	trigger string
	modes   []events.Mode
	date    events.Date
	outlets []string
}

// ask requests a scan in the caller's name. Errors: problems, of which one is that
// the caller has too many scans open; and events.ErrConflict where a wish names the
// id of another scan.
func (g *Gateway) ask(w *response, r *request, is wish) (events.ScanRequested, error) {
	if is.date != "" && is.date < earliest { // dates of this form sort as text
		return events.ScanRequested{}, badRequest("The scan date %s is before %s, the first that can be.", is.date, earliest)
	}
	ctx, cancel := context.WithTimeout(r.Context(), logTimeout)
	defer cancel()
	if err := g.caughtUp(ctx); err != nil { // or there is nothing to count
		return events.ScanRequested{}, err
	}
	now := g.cfg.Now().UTC()
	req := events.ScanRequested{
		ScanID: cmp.Or(is.id, scan.NewID(now)), ScanDate: cmp.Or(is.date, events.DateOf(now, g.cfg.Zone)), Modes: is.modes,
		Trigger: is.trigger, RequestedBy: r.caller.User.ID, RequestedAt: now, Deadline: now.Add(g.cfg.ScanDeadline),
	}
	if !g.scans.Admit(req, maxOpenScans) {
		return req, &problem{
			status: http.StatusTooManyRequests, retryAfter: 10 * time.Second,
			message: fmt.Sprintf("%d scans of yours are under way. Wait for some to end, or cancel them.", maxOpenScans),
		}
	}
	req, err := g.askAdmitted(ctx, w, r, req, is.outlets)
	if err != nil {
		g.scans.Withdraw(req.ScanID)
	}
	return req, err
}

// askAdmitted is ask, of the given outlets, for somebody who may.
func (g *Gateway) askAdmitted(
	ctx context.Context, w *response, r *request, req events.ScanRequested, outlets []string,
) (events.ScanRequested, error) {
	if outlets != nil {
		var err error
		if req.Outlets, err = g.registered(ctx, outlets); err != nil {
			return req, err
		}
	}
	if err := scan.Validate(req, g.cfg.Zone); err != nil {
		return req, badRequest("The scan cannot be: %s.", reason(err, scan.ErrInvalid))
	}
	undone := func(err error) bool { return unwritten(err) || errors.Is(err, scan.ErrLogNearlyFull) }
	err := g.audit.Around(ctx, r.by(), scanAsked(w, req), undone, func(ctx context.Context) error {
		_, err := scan.Request(ctx, g.log, g.cfg.Zone, req)
		return err
	})
	if errors.Is(err, events.ErrConflict) {
		return req, err
	}
	return req, logProblem(err)
}

// scanAsked tells the audit trail of a scan or a re-sync.
func scanAsked(w *response, req events.ScanRequested) events.Audited {
	e := events.Audited{
		Kind: events.ScanAsked, Actor: req.RequestedBy, Address: w.address, Object: req.ScanID,
		Details: map[string]string{"scanDate": string(req.ScanDate), "trigger": req.Trigger, "outlets": "all"},
	}
	if req.Trigger == events.TriggerSync {
		e.Kind = events.SyncAsked
	}
	modes := make([]string, len(req.Modes))
	for i, m := range req.Modes {
		modes[i] = string(m)
	}
	e.Details["modes"] = strings.Join(modes, ",")
	if !req.Full() {
		e.Details["outlets"] = fmt.Sprint(len(req.Outlets))
	}
	return e
}

// registered gives the codes as they are registered, each once. Unknown and
// inactive outlets are an error that names them, as the caller spelt them.
func (g *Gateway) registered(ctx context.Context, codes []string) ([]string, error) {
	all, err := registry.Load(ctx, g.log, 0)
	if err != nil {
		return nil, logProblem(err)
	}
	var found, bad []string
	seen := map[string]bool{}
	for _, code := range codes {
		if seen[events.Key(code)] {
			continue
		}
		seen[events.Key(code)] = true
		if e, ok := all.Get(code); ok && e.Active {
			found = append(found, e.Code)
		} else {
			bad = append(bad, fmt.Sprintf("%q", strings.TrimSpace(code)))
		}
	}
	if len(bad) > 0 {
		more := ""
		if n := len(bad) - maxNamed; n > 0 {
			bad, more = bad[:maxNamed], fmt.Sprintf(" and %d more", n)
		}
		return nil, badRequest("There are no such active outlets: %s%s. Nothing was started.", strings.Join(bad, ", "), more)
	}
	return found, nil
}

// visible waits until the tables show what the log holds up to seq, and tells
// whether they do.
func (g *Gateway) visible(ctx context.Context, seq uint64) bool {
	const first, most = 10 * time.Millisecond, 200 * time.Millisecond
	wait := time.NewTimer(0)
	defer wait.Stop()
	for pause := first; ; pause = min(pause*3/2, most) {
		select {
		case <-ctx.Done():
			return false
		case <-wait.C:
		}
		cp, err := g.store.Checkpoint(ctx)
		identity, _ := g.hub.Position()
		if err == nil && cp.Stream == identity && cp.Seq >= seq {
			return true
		}
		wait.Reset(pause)
	}
}

package gateway

import (
	"context"
	"errors"
	"fmt"
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
	// earliest is the first scan date there can be: what is before it is a
	// slip of the pen, and its row would stay.
	earliest events.Date = "2000-01-01"
)

// ask requests a scan in the caller's name. outlets nil means a full scan;
// date "" means today; one before earliest is an error.
func (g *Gateway) ask(r *request, trigger string, modes []events.Mode, date events.Date, outlets []string) (events.ScanRequested, error) {
	if date != "" && date < earliest { // dates of this form sort as text
		return events.ScanRequested{}, badRequest("The scan date %s is before %s, the first that can be.", date, earliest)
	}
	ctx, cancel := context.WithTimeout(r.Context(), logTimeout)
	defer cancel()
	now := g.cfg.Now().UTC()
	if date == "" {
		date = events.DateOf(now, g.cfg.Zone)
	}
	if outlets != nil {
		var err error
		if outlets, err = g.registered(ctx, outlets); err != nil {
			return events.ScanRequested{}, err
		}
	}
	req := events.ScanRequested{
		ScanID: scan.NewID(now), ScanDate: date, Modes: modes, Outlets: outlets, Trigger: trigger,
		RequestedBy: r.caller.User.ID, RequestedAt: now, Deadline: now.Add(g.cfg.ScanDeadline),
	}
	_, err := scan.Request(ctx, g.log, g.cfg.Zone, req)
	if errors.Is(err, scan.ErrInvalid) {
		why := strings.TrimPrefix(err.Error(), scan.ErrInvalid.Error()+": ")
		return req, badRequest("The scan cannot be: %s.", why)
	}
	return req, logProblem(err)
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

package gateway

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/gateway/scans"
)

// scanBody is a scan as clients get it. The counts without a mode are sums: an
// outlet counts once in each mode.
type scanBody struct {
	ScanID      string                           `json:"scanId"`
	State       scans.Phase                      `json:"state"`
	ScanDate    events.Date                      `json:"scanDate"`
	Modes       []events.Mode                    `json:"modes"`
	Full        bool                             `json:"full"`    // of every active outlet
	Outlets     int                              `json:"outlets"` // 0 before it has started
	Trigger     string                           `json:"trigger"`
	RequestedBy string                           `json:"requestedBy"`
	RequestedAt time.Time                        `json:"requestedAt"`
	StartedAt   *time.Time                       `json:"startedAt"`
	CompletedAt *time.Time                       `json:"completedAt"`
	Deadline    time.Time                        `json:"deadline"`
	EndsBy      *time.Time                       `json:"endsBy"` // at the latest; null when it has ended
	AttachedTo  string                           `json:"attachedTo,omitempty"`
	CancelledBy string                           `json:"cancelledBy,omitempty"`
	Total       int                              `json:"total"`
	Completed   int                              `json:"completed"`
	Success     int                              `json:"success"`
	Failed      int                              `json:"failed"` // includes notObserved
	NotObserved int                              `json:"notObserved"`
	Unobserved  int                              `json:"unobserved"` // looks that never came
	Counts      map[events.Mode]events.ModeCount `json:"counts"`
	Current     string                           `json:"current,omitempty"` // the outlet looked at last
}

// scanBody is one of the scans that the tracker knows.
func (g *Gateway) scanBody(s scans.State) scanBody {
	return scanBodyOf(s, g.bounds(g.scans.List())(s))
}

func scanBodyOf(s scans.State, endsBy *time.Time) scanBody {
	sum := s.Sum()
	return scanBody{
		ScanID: s.Request.ScanID, State: s.Phase, ScanDate: s.Request.ScanDate, Modes: s.Request.Modes, Full: s.Request.Full(),
		Outlets: s.Outlets, Trigger: s.Request.Trigger, RequestedBy: s.Request.RequestedBy, RequestedAt: s.Request.RequestedAt,
		StartedAt: s.StartedAt, CompletedAt: s.CompletedAt, Deadline: s.Request.Deadline, EndsBy: endsBy, AttachedTo: s.AttachedTo, CancelledBy: s.CancelledBy,
		Total: sum.Total, Completed: sum.Completed(), Success: sum.Successful, Failed: sum.Failed, NotObserved: sum.NotObserved,
		Unobserved: s.Unobserved, Counts: s.Counts, Current: s.Last,
	}
}

func (g *Gateway) listScans(w *response, r *request) error {
	which, err := oneOf(r, "state", "running", "completed", "all")
	if err != nil {
		return err
	}
	if err := g.caughtUp(r.Context()); err != nil {
		return err
	}
	list, all := []scanBody{}, g.scans.List()
	endsBy := g.bounds(all)
	for _, s := range all {
		if which == "running" && s.Phase.Ended() || which == "completed" && !s.Phase.Ended() {
			continue
		}
		list = append(list, scanBodyOf(s, endsBy(s)))
	}
	return writeList(w, list, g.cfg.Now())
}

// caughtUp waits until the fold of the scans is not behind the log.
func (g *Gateway) caughtUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, logTimeout)
	defer cancel()
	return logProblem(g.hub.Ready(ctx))
}

func (g *Gateway) postScan(w *response, r *request) error {
	var in struct {
		Modes    []string    `json:"modes"`
		ScanDate events.Date `json:"scanDate"`
		Outlets  []string    `json:"outlets"`
	}
	if r.ContentLength != 0 {
		if err := g.readOutlets(w, r, &in); err != nil {
			return err
		}
	}
	modes, err := modesOf(in.Modes)
	if err != nil {
		return err
	}
	if in.ScanDate != "" {
		if _, err := events.ParseDate(string(in.ScanDate)); err != nil {
			return badRequest(`Field "scanDate" of the body: %v.`, err)
		}
	}
	if in.Outlets != nil && len(in.Outlets) == 0 {
		return badRequest(`Field "outlets" of the body is empty: leave it out to scan every outlet.`)
	}
	asked, err := g.ask(w, r, wish{trigger: events.TriggerAPI, modes: modes, date: in.ScanDate, outlets: in.Outlets})
	if err != nil {
		return err
	}
	w.Header().Set("Location", apiPrefix+"/scans/"+asked.ScanID)
	return writeJSON(w, http.StatusAccepted, struct {
		Status    string        `json:"status"`
		ScanID    string        `json:"scanId"`
		ScanDate  events.Date   `json:"scanDate"`
		Modes     []events.Mode `json:"modes"`
		Outlets   []string      `json:"outlets,omitempty"`
		Deadline  time.Time     `json:"deadline"`
		Timestamp time.Time     `json:"timestamp"`
	}{success, asked.ScanID, asked.ScanDate, asked.Modes, asked.Outlets, asked.Deadline, g.cfg.Now().UTC()})
}

// modesOf reads modes; none, and "both", are both.
func modesOf(names []string) ([]events.Mode, error) {
	if len(names) == 0 || len(names) == 1 && names[0] == "both" {
		return events.Modes(), nil
	}
	var modes []events.Mode
	for _, n := range names {
		m, err := events.ParseMode(n)
		if err != nil || slices.Contains(modes, m) {
			return nil, badRequest(`Field "modes" of the body: use d_drive and ib_storage, each once, or both.`)
		}
		modes = append(modes, m)
	}
	return modes, nil
}

// longestScanID is more than an id has. The log need not be asked for others.
const longestScanID = 200

func (g *Gateway) findScan(r *request, id string) (scans.State, error) {
	if len(id) > longestScanID {
		return scans.State{}, notFound("There is no such scan.")
	}
	ctx, cancel := context.WithTimeout(r.Context(), logTimeout)
	defer cancel()
	if err := g.caughtUp(ctx); err != nil {
		return scans.State{}, err
	}
	s, err := g.scans.Find(ctx, g.log, id)
	if errors.Is(err, events.ErrNotFound) {
		return s, notFound("There is no scan %q.", id)
	}
	return s, logProblem(err)
}

// getScan follows a scan, or tells of it once to who asks for JSON.
func (g *Gateway) getScan(w *response, r *request) error {
	s, err := g.findScan(r, r.vars["id"])
	if err != nil {
		return err
	}
	w.Header().Set("Vary", "Accept")
	accept := r.Header.Get("Accept")
	if !strings.Contains(accept, "application/json") || strings.Contains(accept, "text/event-stream") {
		return g.followScan(w, r, s, true)
	}
	return writeJSON(w, http.StatusOK, struct {
		Status    string    `json:"status"`
		Scan      scanBody  `json:"scan"`
		Timestamp time.Time `json:"timestamp"`
	}{success, g.scanBody(s), g.cfg.Now().UTC()})
}

// cancelScan declares the scan ended. Looks that probers have accepted are
// still made, and recorded.
func (g *Gateway) cancelScan(w *response, r *request) error {
	s, err := g.findScan(r, r.vars["id"])
	if err != nil {
		return err
	}
	over := &problem{status: http.StatusConflict, message: "The scan has ended already."}
	if s.Phase.Ended() {
		return over
	}
	ctx, cancel := context.WithTimeout(r.Context(), logTimeout)
	defer cancel()
	sum := s.Sum()
	end := events.ScanCompleted{
		ScanID: s.Request.ScanID, ScanDate: s.Request.ScanDate, Modes: s.Request.Modes, Counts: s.Counts,
		Unobserved: sum.Total - sum.Completed(), Cancelled: true, CancelledBy: r.caller.User.ID, CompletedAt: g.cfg.Now().UTC(),
	}
	e := events.Audited{Kind: events.ScanCancelled, Actor: r.caller.User.ID, Address: w.address, Object: end.ScanID}
	err = g.audit.Around(ctx, r.by(), e, unwritten, func(ctx context.Context) error {
		_, err := g.log.Write(ctx, end, 0)
		return err
	})
	if errors.Is(err, events.ErrConflict) {
		return over
	}
	if err != nil {
		return logProblem(err)
	}
	s, err = g.awaitEnd(ctx, s.Request.ScanID)
	if err != nil {
		return logProblem(err)
	}
	return writeJSON(w, http.StatusOK, struct {
		Status    string    `json:"status"`
		Scan      scanBody  `json:"scan"`
		Timestamp time.Time `json:"timestamp"`
	}{success, g.scanBody(s), g.cfg.Now().UTC()})
}

// awaitEnd waits for the end of a scan that has one in the log, so that who
// ended it sees it ended.
func (g *Gateway) awaitEnd(ctx context.Context, id string) (scans.State, error) {
	watcher := g.scans.Watch(id)
	defer watcher.Close()
	for {
		if s, ok := g.scans.Get(id); !ok {
			return g.scans.Find(ctx, g.log, id)
		} else if s.Phase.Ended() {
			return s, nil
		}
		select {
		case <-watcher.States():
		case <-ctx.Done():
			return scans.State{}, ctx.Err()
		}
	}
}

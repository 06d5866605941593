package gateway

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/registry"
)

type outletBody struct {
	OutletCode    string     `json:"outletCode"`
	IPAddress     string     `json:"ipAddress"`
	OutletName    string     `json:"outletName"`
	Group         string     `json:"group"`
	Active        bool       `json:"active"`
	PausedUntil   *time.Time `json:"pausedUntil"`
	MaxAgeSeconds *int64     `json:"maxAgeSeconds"` // null: the policy's
	Source        string     `json:"source"`
	Version       uint64     `json:"version"` // what a change may name, so that none is lost
	ChangedBy     string     `json:"changedBy"`
	ChangedAt     time.Time  `json:"changedAt"`
}

func outletBodyOf(e registry.Entry) outletBody {
	return outletBody{
		e.Code, e.Address, e.Name, e.Group, e.Active, e.PausedUntil, e.MaxAgeSeconds, e.Source, e.Seq, e.ChangedBy, e.ChangedAt,
	}
}

func answerOutlet(w *response, status int, e registry.Entry) error {
	return writeJSON(w, status, struct {
		Status string     `json:"status"`
		Outlet outletBody `json:"outlet"`
	}{success, outletBodyOf(e)})
}

// unwritten tells the errors after which surely nothing was written.
func unwritten(err error) bool {
	return errors.Is(err, events.ErrConflict) || errors.Is(err, events.ErrFull)
}

func (g *Gateway) currentOutlet(ctx context.Context, code string) (registry.Entry, error) {
	code, err := events.CleanCode(code)
	if err != nil {
		return registry.Entry{}, badRequest("This can be no outlet's code: %s.", reason(err, events.ErrBadCode))
	}
	e, err := registry.Current(ctx, g.log, code)
	if errors.Is(err, events.ErrNotFound) {
		return e, notFound("There is no outlet %q.", code)
	}
	return e, logProblem(err)
}

func (g *Gateway) getOutlet(w *response, r *request) error {
	ctx, cancel := context.WithTimeout(r.Context(), logTimeout)
	defer cancel()
	e, err := g.currentOutlet(ctx, r.vars["code"])
	if err != nil {
		return err
	}
	return answerOutlet(w, http.StatusOK, e)
}

// putOutlet makes an outlet or replaces its state.
func (g *Gateway) putOutlet(w *response, r *request) error {
	var in struct {
		IPAddress     string     `json:"ipAddress"`
		OutletName    string     `json:"outletName"`
		Group         string     `json:"group"`
		Active        *bool      `json:"active"`
		PausedUntil   *time.Time `json:"pausedUntil"`
		MaxAgeSeconds *int64     `json:"maxAgeSeconds"`
		Version       *uint64    `json:"version"`
	}
	if err := g.readJSON(w, r, &in); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), logTimeout)
	defer cancel()
	was, err := g.currentOutlet(ctx, r.vars["code"])
	status := http.StatusOK
	if p, ok := errors.AsType[*problem](err); ok && p.status == http.StatusNotFound {
		status, was = http.StatusCreated, registry.Entry{OutletChanged: events.OutletChanged{Code: r.vars["code"], Source: events.SourceUser}}
	} else if err != nil {
		return err
	}
	if in.Version != nil && *in.Version != was.Seq {
		return changedMeanwhile(nil)
	}
	next := was.OutletChanged
	next.Address, next.Name, next.Group = in.IPAddress, in.OutletName, in.Group
	next.Active = in.Active == nil || *in.Active
	next.PausedUntil, next.MaxAgeSeconds = in.PausedUntil, in.MaxAgeSeconds
	return g.writeOutlet(ctx, w, r, status, was, next)
}

// retireOutlet has the outlet left out of scans. Its rows stay, and so does
// what the log says of it.
func (g *Gateway) retireOutlet(w *response, r *request) error {
	ctx, cancel := context.WithTimeout(r.Context(), logTimeout)
	defer cancel()
	was, err := g.currentOutlet(ctx, r.vars["code"])
	if err != nil {
		return err
	}
	if !was.Active {
		return answerOutlet(w, http.StatusOK, was)
	}
	next := was.OutletChanged
	next.Active = false
	return g.writeOutlet(ctx, w, r, http.StatusOK, was, next)
}

func (g *Gateway) writeOutlet(ctx context.Context, w *response, r *request, status int, was registry.Entry, next events.OutletChanged) error {
	if was.Source == events.SourceFile {
		return &problem{status: http.StatusConflict, message: "This outlet belongs to OUTLETS_FILE: change it there, or take it out of that file."}
	}
	next, err := registry.Clean(next)
	if err != nil {
		return badRequest("The outlet cannot be: %s.", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	if next.Active && !was.Active {
		if err := g.fits(ctx, next); err != nil {
			return err
		}
	}
	next.Source, next.Previous = events.SourceUser, was.Seq
	next.ChangedBy, next.ChangedAt = r.caller.User.ID, g.cfg.Now().UTC()
	change := map[bool]string{true: "changed", false: "made"}[was.Seq > 0]
	if was.Active && !next.Active {
		change = "retired"
	}
	e := events.Audited{
		Kind: events.OutletEdited, Actor: r.caller.User.ID, Address: w.address, Object: next.Code, Details: map[string]string{"change": change},
	}
	var seq uint64
	err = g.audit.Around(ctx, r.by(), e, unwritten, func(ctx context.Context) (err error) {
		seq, err = g.log.Write(ctx, next, was.Seq)
		return err
	})
	if errors.Is(err, events.ErrConflict) {
		return changedMeanwhile(err)
	}
	if err != nil {
		return logProblem(err)
	}
	return answerOutlet(w, status, registry.Entry{OutletChanged: next, Seq: seq})
}

// tooManyOutlets is the problem of outlets that no full scan could name.
func tooManyOutlets(err error) error {
	return badRequest("Nothing was changed, because there would be too many outlets: %s. Retire some, or give them shorter codes.", reason(err, registry.ErrTooMany))
}

func changedMeanwhile(cause error) error {
	return &problem{status: http.StatusConflict, message: "Somebody else changed this meanwhile. Look again and repeat.", cause: cause}
}

package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/registry"
)

// maxImport is how large an outlets file may be: some 50,000 outlets.
const maxImport = 4 << 20

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
		all, err := registry.Load(ctx, g.log, 0)
		if err != nil {
			return logProblem(err)
		}
		if err := all.Fit(registry.Made(next)); err != nil {
			return tooManyOutlets(err)
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

type importedBody struct {
	Change     registry.Kind `json:"change"`
	OutletCode string        `json:"outletCode"`
	IPAddress  string        `json:"ipAddress"`
	OutletName string        `json:"outletName"`
	Active     bool          `json:"active"`
}

// importOutlets takes an outlets file. Only differences are written.
func (g *Gateway) importOutlets(w *response, r *request) error {
	dry, err := oneOf(r, "dry_run", "true", "false")
	if err != nil {
		return err
	}
	rows, err := g.readOutletsFile(w, r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), 3*logTimeout)
	defer cancel()
	current, err := registry.Load(ctx, g.log, 0)
	if err != nil {
		return logProblem(err)
	}
	changes := registry.Diff(current, rows, events.SourceUser)
	if err := current.Fit(changes...); err != nil {
		return tooManyOutlets(err)
	}
	if dry != "true" {
		if changes, err = g.applyImport(ctx, w, r, changes); err != nil {
			return err
		}
	}
	data, count := []importedBody{}, map[registry.Kind]int{}
	for _, c := range changes {
		count[c.Kind]++
		if c.Kind != registry.Unchanged {
			data = append(data, importedBody{c.Kind, c.Outlet.Code, c.Outlet.Address, c.Outlet.Name, c.Outlet.Active})
		}
	}
	return writeJSON(w, http.StatusOK, struct {
		Status    string         `json:"status"`
		DryRun    bool           `json:"dryRun"`
		Added     int            `json:"added"`
		Changed   int            `json:"changed"`
		Unchanged int            `json:"unchanged"`
		ReadOnly  int            `json:"readOnly"` // left alone, because OUTLETS_FILE owns them
		Data      []importedBody `json:"data"`
	}{success, dry == "true", count[registry.Added], count[registry.Changed], count[registry.Unchanged], count[registry.ReadOnly], data})
}

// importChunk is how many changes of a file are made before it is asked again
// whether who sent it still may: some hundred milliseconds.
const importChunk = 256

func (g *Gateway) applyImport(ctx context.Context, w *response, r *request, changes []registry.Change) (done []registry.Change, err error) {
	writes := 0
	for _, c := range changes {
		if c.Writes() {
			writes++
		}
	}
	if writes == 0 {
		return changes, nil
	}
	e := events.Audited{
		Kind: events.OutletsImported, Actor: r.caller.User.ID, Address: w.address,
		Details: map[string]string{"outlets": fmt.Sprint(writes)},
	}
	// Of an import that failed some outlets may be written.
	err = g.audit.Around(ctx, r.by(), e, func(error) bool { return false }, func(ctx context.Context) error {
		for chunk := range slices.Chunk(changes, importChunk) {
			if len(done) > 0 {
				if err := g.still(ctx, r); err != nil {
					return err
				}
			}
			made, err := registry.Apply(ctx, g.log, chunk, r.caller.User.ID, g.cfg.Now().UTC())
			if err != nil {
				return logProblem(err)
			}
			done = append(done, made...)
		}
		return nil
	})
	if p, ok := errors.AsType[*problem](err); ok && len(done) > 0 {
		own := *p
		own.message += fmt.Sprintf(" The first %d of the file's %d outlets are done: send it again for the rest.", len(done), len(changes))
		return done, &own
	}
	return done, logProblem(err)
}

// readOutletsFile reads the body as an outlets file and names its first faults.
func (g *Gateway) readOutletsFile(w *response, r *request) ([]registry.OutletRow, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "text/csv" {
		return nil, badRequest("The body must be an outlets file, with Content-Type: text/csv.")
	}
	back, err := g.uploads.take(r.Context(), r.caller.Name())
	if err != nil {
		return nil, err
	}
	defer back()
	if err := w.rc.SetReadDeadline(time.Now().Add(g.cfg.BodyTimeout)); err != nil {
		return nil, fmt.Errorf("bound reading the body: %w", err)
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxImport))
	if err != nil {
		if p := g.unreadable(err); p != nil {
			return nil, p
		}
		return nil, &problem{status: http.StatusBadRequest, message: "The body broke off.", cause: err}
	}
	if err := w.rc.SetReadDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("bound reading the body: %w", err)
	}
	if err := g.still(r.Context(), r); err != nil {
		return nil, err
	}
	rows, err := registry.ParseFile(bytes.NewReader(data))
	if err == nil {
		return rows, nil
	}
	faults := strings.Split(err.Error(), "\n")
	more := ""
	if n := len(faults) - maxNamed; n > 0 {
		faults, more = faults[:maxNamed], fmt.Sprintf("; and %d more", n)
	}
	return nil, badRequest("Nothing was changed. %s%s.", strings.Join(faults, "; "), more)
}

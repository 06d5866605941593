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
	all := registry.Writing(changes)
	if all == 0 {
		return changes, nil
	}
	e := events.Audited{
		Kind: events.OutletsImported, Actor: r.caller.User.ID, Address: w.address, Details: map[string]string{"outlets": fmt.Sprint(all)},
	}
	undone := func(err error) bool { return unwritten(err) && registry.Writing(done) == 0 }
	err = g.audit.Around(ctx, r.by(), e, undone, func(ctx context.Context) error {
		for chunk := range slices.Chunk(changes, importChunk) {
			var err error
			if len(done) > 0 {
				err = g.still(ctx, r)
			}
			if err == nil {
				var made []registry.Change
				made, err = registry.Apply(ctx, g.log, chunk, r.caller.User.ID, g.cfg.Now().UTC())
				done = append(done, made...)
			}
			if err != nil {
				return brokenOff(err, registry.Writing(done), all)
			}
		}
		return nil
	})
	return done, logProblem(err)
}

// brokenOff is the problem of an import of which only a part is surely written.
func brokenOff(err error, written, all int) error {
	if errors.Is(err, events.ErrConflict) {
		err = changedMeanwhile(err)
	}
	p, ok := errors.AsType[*problem](logProblem(err))
	if !ok {
		return err
	}
	own := *p
	own.message += fmt.Sprintf(" Surely written: %d of the %d outlets that the file changes. Send it again for the rest.", written, all)
	return &own
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

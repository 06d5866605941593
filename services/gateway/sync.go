package gateway

import (
	"context"
	"net/http"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/gateway/scans"
	"backupmonitor/services/internal/store"
)

// syncTail is what follows the records of a re-sync. The counts are of the
// looks that it made; a record may rest on an earlier, better look.
type syncTail struct {
	envelopeTail
	SyncedCount      int    `json:"syncedCount"`
	SyncSuccessCount int    `json:"syncSuccessCount"`
	SyncFailedCount  int    `json:"syncFailedCount"`
	ScanID           string `json:"scanId"`
}

// sync has some outlets looked at again, and answers when they were and the
// tables show it; with 202 and what there is, when that takes too long.
func (g *Gateway) sync(w *response, r *request, m events.Mode) error {
	began := time.Now()
	outlets, date, err := g.readSync(w, r)
	if err != nil {
		return err
	}
	asked, err := g.ask(w, r, wish{trigger: events.TriggerSync, modes: []events.Mode{m}, date: date, outlets: outlets})
	if err != nil {
		return err
	}
	state, done := g.awaitLooks(r.Context(), asked.ScanID)
	if err := r.Context().Err(); err != nil {
		return err
	}
	if err := g.still(r.Context(), r); err != nil {
		return err
	}
	if state.Phase == scans.Cancelled {
		return &problem{status: http.StatusConflict, message: "The scan was cancelled by " + state.CancelledBy + "."}
	}
	active, err := g.store.ActiveOutlets(r.Context())
	if err != nil {
		return unavailable("The database", err)
	}
	status := http.StatusOK
	if !done {
		status = http.StatusAccepted
		w.Header().Set("Location", apiPrefix+"/scans/"+asked.ScanID)
	}
	q := store.Query{Mode: m, From: asked.ScanDate, To: asked.ScanDate}
	only := make(map[string]bool, len(asked.Outlets))
	for _, code := range asked.Outlets {
		only[events.Key(code)] = true
	}
	if len(asked.Outlets) == 1 {
		q.Outlet = asked.Outlets[0]
	}
	sum := state.Sum(m)
	return g.writeEnvelope(r.Context(), w, status, q, only, func(e envelopeTail) any {
		e.Outlets = len(active)
		return syncTail{e.at(began, g.cfg.Now()), sum.Completed(), sum.Successful, sum.Failed, asked.ScanID}
	})
}

func (g *Gateway) readSync(w *response, r *request) (outlets []string, date events.Date, err error) {
	var in struct {
		Outlets  []string `json:"outlets"`
		ScanDate string   `json:"scan_date"`
	}
	if err := g.readOutlets(w, r, &in); err != nil {
		return nil, "", err
	}
	if len(in.Outlets) == 0 {
		return nil, "", badRequest(`The body needs "outlets": the codes of the outlets to look at.`)
	}
	if date, err = r.date("scan_date"); err != nil || in.ScanDate == "" {
		return in.Outlets, date, err
	}
	own, err := events.ParseDate(in.ScanDate)
	if err != nil {
		return nil, "", badRequest(`Field "scan_date" of the body: %v.`, err)
	}
	if date != "" && own != date {
		return nil, "", badRequest(`"scan_date" is %s in the query and %s in the body.`, date, own)
	}
	return in.Outlets, own, nil
}

// awaitLooks waits until a scan's looks are made and the tables show them, and
// tells whether that was so within SyncWait.
func (g *Gateway) awaitLooks(ctx context.Context, id string) (state scans.State, done bool) {
	ctx, cancel := context.WithTimeout(ctx, g.cfg.SyncWait)
	defer cancel()
	ctx, release := g.untilClosing(ctx)
	defer release()
	watcher := g.scans.Watch(id)
	defer watcher.Close()
	for {
		select {
		case <-ctx.Done():
			return state, false
		case state = <-watcher.States():
		}
		if state.Looked || state.Phase.Ended() {
			return state, g.visible(ctx, state.Seq)
		}
	}
}

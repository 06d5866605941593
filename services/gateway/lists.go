package gateway

import (
	"context"
	"net/http"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/gateway/answers"
	"backupmonitor/services/internal/store"
)

// defaultDays is how many days a summary has.
const defaultDays = 30

type dayBody struct {
	ScanDate    events.Date `json:"scanDate"`
	Total       int         `json:"total"`
	Successful  int         `json:"successful"`
	Failed      int         `json:"failed"`      // includes notObserved
	NotObserved int         `json:"notObserved"` // nobody could look
}

func (g *Gateway) dailySummary(w *response, r *request, m events.Mode) error {
	q := store.Query{Mode: m, Outlet: r.param("outlet")}
	var err error
	if q.From, q.To, err = r.dates(); err != nil {
		return err
	}
	if q.Limit, err = r.number("limit", 1, defaultDays); err != nil {
		return err
	}
	back, err := g.lists.take(r.Context(), r.caller.Name())
	if err != nil {
		return err
	}
	defer back()
	at, err := g.asOf(r)
	if err != nil {
		return err
	}
	g.untilToday(&q, at)
	if at != nil { // of now the counts are kept, and wait for nobody's long list
		g.inParts(&q, r)
	}
	days, err := g.store.Summary(r.Context(), q)
	if err != nil {
		return listProblem(err)
	}
	data := make([]dayBody, len(days))
	for i, d := range days {
		data[i] = dayBody(d)
	}
	return writeList(w, data, g.cfg.Now())
}

func (g *Gateway) outlets(w *response, r *request) error {
	seen, err := g.store.Checkpoint(r.Context())
	if err != nil {
		return unavailable("The database", err)
	}
	codes, err := g.codes.Get(r.Context(), struct{}{}, seen, g.activeCodes)
	if err != nil {
		return err
	}
	return writeList(w, codes, g.cfg.Now())
}

// activeCodes reads the checkpoint before the table, so that the codes are of
// that checkpoint or later.
func (g *Gateway) activeCodes(ctx context.Context) (a answers.Answer[[]string], err error) {
	if a.Checkpoint, err = g.store.Checkpoint(ctx); err != nil {
		return a, unavailable("The database", err)
	}
	active, err := g.store.ActiveOutlets(ctx)
	if err != nil {
		return a, unavailable("The database", err)
	}
	a.Value, a.Size = make([]string, len(active)), 1
	for i, o := range active {
		a.Value[i] = o.Code
	}
	return a, nil
}

func writeList[T any](w *response, data []T, now time.Time) error {
	return writeJSON(w, http.StatusOK, struct {
		Status    string    `json:"status"`
		Data      []T       `json:"data"`
		Count     int       `json:"count"`
		Timestamp time.Time `json:"timestamp"`
	}{success, data, len(data), now.UTC()})
}

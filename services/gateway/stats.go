package gateway

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// chunk is how much of an answer is gathered before it is sent. An error
// before that is still an answer of its own.
const chunk = 64 << 10

// maxOffset is how many records may be passed over, which the database reads all
// the same: more than a year of 1,000 outlets.
const maxOffset = 500_000

func (g *Gateway) stats(w *response, r *request, m events.Mode) error {
	began := time.Now()
	q, err := g.statsQuery(r, m)
	if err != nil {
		return err
	}
	format, err := oneOf(r, "format", "json", "csv")
	if err != nil {
		return err
	}
	if r.param(paramAsOf) == "" && format != "csv" {
		if sent, err := g.keptStats(w, r, q, began); sent || err != nil {
			return err
		}
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
	if q, err = g.withDates(r.Context(), q, at); err != nil {
		return err
	}
	g.inParts(&q, r)
	if format == "csv" {
		return g.writeCSV(r.Context(), w, q)
	}
	outlets, err := g.countActive(r.Context(), at)
	if err != nil {
		return err
	}
	return g.writeEnvelope(r.Context(), w, http.StatusOK, q, nil, func(e envelopeTail) any {
		e.Outlets, e.AsOf = outlets, at.stamp()
		return e.at(began, g.cfg.Now())
	})
}

// statsQuery reads the selection.
func (g *Gateway) statsQuery(r *request, m events.Mode) (store.Query, error) {
	q := store.Query{Mode: m, Outlet: r.param("outlet")}
	var err error
	if q.From, q.To, err = r.dates(); err != nil {
		return q, err
	}
	if q.Status, err = oneOf(r, "status", events.Successful, events.Failed); err != nil {
		return q, err
	}
	if q.Cause, err = oneOf(r, "cause", events.Causes()...); err != nil {
		return q, err
	}
	if q.Limit, err = r.number("limit", 1, 0); err != nil {
		return q, err
	}
	if q.Offset, err = r.number("offset", 0, 0); err != nil {
		return q, err
	}
	if q.Offset > maxOffset {
		return q, badRequest("Parameter %q: %d is over %d. Narrow the dates instead.", "offset", q.Offset, maxOffset)
	}
	return q, nil
}

// withDates gives a selection without dates the latest scan date, as of a
// moment.
func (g *Gateway) withDates(ctx context.Context, q store.Query, at *moment) (store.Query, error) {
	if q.From != "" || q.To != "" {
		g.untilToday(&q, at)
		return q, nil
	}
	latest, err := g.latestScanDate(ctx, q.Mode, at)
	if err != nil {
		return q, unavailable("The database", err)
	}
	q.From, q.To = latest, latest
	if latest != "" {
		at.then(&q)
	}
	return q, nil
}

func (r *request) dates() (from, to events.Date, err error) {
	if from, err = r.date("date_from"); err != nil {
		return "", "", err
	}
	if to, err = r.date("date_to"); err != nil {
		return "", "", err
	}
	if from != "" && to != "" && from > to {
		return "", "", badRequest(`Parameter "date_from": %s is after "date_to", %s.`, from, to)
	}
	return from, to, nil
}

// envelopeTail is what follows the records in the original system's envelope,
// and ours beside it: how much was looked at, and when.
type envelopeTail struct {
	Count             int     `json:"count"`
	AdvancedDateCount int     `json:"advancedDateCount"`
	ProcessingTime    float64 `json:"processingTime"` // seconds
	Timestamp         string  `json:"timestamp"`

	NotObserved    int        `json:"notObserved"`    // rows, of both lists, that say nobody could look
	LastObservedAt *time.Time `json:"lastObservedAt"` // of the newest look among the rows
	Outlets        int        `json:"outlets"`        // active ones there are, or were
	AsOf           *time.Time `json:"asOf,omitempty"` // the moment that was asked for
}

func (e envelopeTail) at(began, now time.Time) envelopeTail {
	e.ProcessingTime = float64(time.Since(began).Milliseconds()) / 1000
	e.Timestamp = now.UTC().Format(time.RFC3339)
	return e
}

func (e *envelopeTail) add(r store.Row) {
	if r.Evidence == events.EvidenceNone {
		e.NotObserved++
	}
	if r.ObservedAt != nil && (e.LastObservedAt == nil || r.ObservedAt.After(*e.LastObservedAt)) {
		e.LastObservedAt = r.ObservedAt
	}
}

// writeEnvelope streams the original system's envelope: memory holds a chunk
// of it and the rows of advancedDate, however many rows there are. only, where
// not nil, selects outlets by events.Key. tail completes what follows the
// records.
func (g *Gateway) writeEnvelope(
	ctx context.Context, w *response, status int, q store.Query, only map[string]bool, tail func(envelopeTail) any,
) error {
	jsonHeader(w)
	out := bufio.NewWriterSize(statusWriter{w, status}, chunk)
	e, err := g.writeRecords(ctx, out, q, only)
	if err != nil {
		return err
	}
	rest, err := encodeTail(tail(e))
	if err == nil {
		_, err = out.Write(rest)
	}
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		return fmt.Errorf("send the answer: %w", err)
	}
	return nil
}

func jsonHeader(w *response) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
}

// writeRecords writes the envelope up to what follows the records.
func (g *Gateway) writeRecords(ctx context.Context, out *bufio.Writer, q store.Query, only map[string]bool) (e envelopeTail, err error) {
	list := jsonList{out: out}
	advanced := []record{}
	sort := sorter{zone: g.cfg.Zone}
	if _, err := out.WriteString(`{"status":"success","data":[`); err != nil {
		return e, err
	}
	err = g.rows(ctx, q, func(r store.Row) error {
		if only != nil && !only[events.Key(r.Outlet)] {
			return nil
		}
		e.add(r)
		if sort.advanced(r) {
			advanced = append(advanced, recordOf(r))
			return nil
		}
		e.Count++
		return list.add(recordOf(r))
	})
	if err != nil {
		return e, err
	}
	e.AdvancedDateCount = len(advanced)
	rest, err := json.Marshal(advanced)
	if err != nil {
		return e, fmt.Errorf("encode the answer: %w", err)
	}
	for _, part := range [][]byte{[]byte(`],"advancedDate":`), rest, []byte(",")} {
		if _, err := out.Write(part); err != nil {
			return e, fmt.Errorf("send the answer: %w", err)
		}
	}
	return e, nil
}

// encodeTail is what follows writeRecords: the object, opened.
func encodeTail(tail any) ([]byte, error) {
	rest, err := json.Marshal(tail)
	if err != nil {
		return nil, fmt.Errorf("encode the answer: %w", err)
	}
	return append(rest[1:], '\n'), nil
}

// rows reads nothing where there is no scan date yet.
func (g *Gateway) rows(ctx context.Context, q store.Query, each func(store.Row) error) error {
	if q.From == "" && q.To == "" {
		return nil
	}
	var own error
	err := g.store.Rows(ctx, q, func(r store.Row) error {
		if own = ctx.Err(); own == nil {
			own = each(r)
		}
		return own
	})
	switch {
	case own != nil:
		return own
	case err != nil:
		return listProblem(err)
	}
	return nil
}

// inParts has the rest of a list wait for those of others between its parts,
// where it is a long one: of more than one day, and of more than one outlet.
func (g *Gateway) inParts(q *store.Query, r *request) {
	if q.Outlet == "" && (q.From != q.To || q.From == "") {
		q.Turns = &ofCaller{g.parts, r.caller.Name()}
	}
}

// listProblem is what a client is told of a list that cannot be read.
func listProblem(err error) error {
	if _, ok := errors.AsType[*problem](err); ok {
		return err // no turn came
	}
	return unavailable("The database", err)
}

// jsonList writes the elements of an array, one after the other.
type jsonList struct {
	out *bufio.Writer
	any bool
}

func (l *jsonList) add(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	if l.any {
		if err := l.out.WriteByte(','); err != nil {
			return fmt.Errorf("send the answer: %w", err)
		}
	}
	l.any = true
	if _, err := l.out.Write(b); err != nil {
		return fmt.Errorf("send the answer: %w", err)
	}
	return nil
}

// statusWriter sends the status with the first chunk, not before.
type statusWriter struct {
	w      *response
	status int
}

func (s statusWriter) Write(b []byte) (int, error) {
	if s.w.status == 0 {
		s.w.WriteHeader(s.status)
	}
	return s.w.Write(b)
}

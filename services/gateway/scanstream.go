package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/gateway/scans"
	"backupmonitor/services/gateway/sse"
)

// The messages of a scan's stream, as the original system has them. NotObserved
// and Counts are ours, and only on our own path.
type (
	startMessage struct {
		Type  string `json:"type"`
		Total int    `json:"total"`
	}
	progressMessage struct {
		Type      string `json:"type"`
		Completed int    `json:"completed"`
		Total     int    `json:"total"`
		Success   int    `json:"success"`
		Failed    int    `json:"failed"`
		Current   string `json:"current"`
		*ourCounts
	}
	completeMessage struct {
		Type    string `json:"type"`
		Total   int    `json:"total"`
		Success int    `json:"success"`
		Failed  int    `json:"failed"`
		*ourCounts
	}
	errorMessage struct {
		Type    string `json:"type"`
		Message string `json:"message"`
	}
	ourCounts struct {
		NotObserved int                              `json:"notObserved"`
		Counts      map[events.Mode]events.ModeCount `json:"counts"`
	}
)

// scanStream starts a full scan in one mode and follows it. Who comes back
// with the id of a scan follows that one, or hears that it has ended, and
// starts nothing.
func (g *Gateway) scanStream(w *response, r *request, m events.Mode) error {
	date, err := r.date("scan_date")
	if err != nil {
		return err
	}
	if r.stranger {
		return g.publicScan(w, r, m, date)
	}
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		s, err := g.findScan(r, id)
		if err != nil {
			return err
		}
		if !slices.Contains(s.Request.Modes, m) {
			return notFound("There is no scan %q in this mode.", id)
		}
		return g.followScan(w, r, s, false, m)
	}
	asked, err := g.ask(w, r, wish{trigger: events.TriggerAPI, modes: []events.Mode{m}, date: date})
	if err != nil {
		return err
	}
	return g.followScan(w, r, scans.State{Request: asked, Phase: scans.Requested}, false, m)
}

// followScan streams a scan, in the given modes or all of its own, to its end.
func (g *Gateway) followScan(w *response, r *request, s scans.State, ours bool, only ...events.Mode) error {
	id := s.Request.ScanID
	return g.stream(w, r, func(ctx context.Context, out *stream) error {
		teller := teller{id: id, ours: ours, discreet: r.stranger, only: only, fresh: !s.Phase.Ended(), sent: -1}
		if s.Phase.Ended() {
			return g.tellEnd(ctx, out, &teller, s)
		}
		if g.cfg.Now().Sub(s.Request.Deadline) > time.Hour {
			return out.send(teller.message(errorMessage{"error", "The scan never ended: no scheduler declared it complete."}))
		}
		watcher := g.scans.Watch(id)
		defer watcher.Close()
		return each(ctx, out, watcher.States(), func(s scans.State) (bool, error) {
			if s.Phase.Ended() {
				return true, g.tellEnd(ctx, out, &teller, s)
			}
			if ms := teller.running(s); len(ms) > 0 {
				return false, out.send(ms...)
			}
			return false, nil
		})
	})
}

// tellEnd waits a while for the tables, so that whoever reads them at the end
// of the stream sees the scan in them.
func (g *Gateway) tellEnd(ctx context.Context, out *stream, t *teller, s scans.State) error {
	if err := out.open(); err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, g.cfg.VisibleWait)
	defer cancel()
	g.visible(bounded, s.Seq)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return out.send(t.ended(s)...)
}

// teller makes the messages of a scan's stream.
type teller struct {
	id   string
	ours bool
	// discreet leaves out who did what: a stranger listens.
	discreet bool
	only     []events.Mode
	fresh    bool // the client has not heard of the scan's start
	started  bool
	sent     int // looks told of, -1 before any
}

func (t *teller) message(v any) sse.Message {
	data, err := json.Marshal(v)
	if err != nil {
		data = fmt.Appendf(nil, `{"type":"error","message":%q}`, "The message could not be encoded.")
	}
	return sse.Message{ID: t.id, Data: data}
}

func (t *teller) counts(s scans.State) *ourCounts {
	if !t.ours {
		return nil
	}
	return &ourCounts{NotObserved: s.Sum(t.only...).NotObserved, Counts: s.Counts}
}

// running tells what is new in a scan that has not ended.
func (t *teller) running(s scans.State) (ms []sse.Message) {
	if s.Phase == scans.Requested {
		return nil
	}
	sum := s.Sum(t.only...)
	if !t.started {
		t.started, t.sent = true, 0
		ms = append(ms, t.message(startMessage{"start", sum.Total}))
	}
	if sum.Completed() > t.sent {
		t.sent = sum.Completed()
		ms = append(ms, t.message(progressMessage{"progress", sum.Completed(), sum.Total, sum.Successful, sum.Failed, s.Last, t.counts(s)}))
	}
	return ms
}

func (t *teller) ended(s scans.State) []sse.Message {
	sum := s.Sum(t.only...)
	if s.Phase == scans.Cancelled && t.discreet {
		return []sse.Message{t.message(errorMessage{"error", "The scan was cancelled."})}
	}
	if s.Phase == scans.Cancelled {
		return []sse.Message{t.message(errorMessage{"error", fmt.Sprintf(
			"The scan was cancelled by %s after %d of %d looks.", s.CancelledBy, sum.Completed(), sum.Total)})}
	}
	complete := t.message(completeMessage{"complete", sum.Total, sum.Successful, sum.Failed, t.counts(s)})
	if t.fresh && !t.started {
		return []sse.Message{t.message(startMessage{"start", sum.Total}), complete}
	}
	return []sse.Message{complete}
}

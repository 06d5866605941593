package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"

	"backupmonitor/events"
	"backupmonitor/services/gateway/auth"
	"backupmonitor/services/gateway/live"
	"backupmonitor/services/gateway/sse"
)

// atOnce is how many waiting frames leave together.
const atOnce = 64

// events is the live feed.
func (g *Gateway) events(w *response, r *request) error {
	selected, err := selection(r)
	if err != nil {
		return err
	}
	from := r.param("from")
	if from != "" {
		if _, err := live.ParsePosition(from); err != nil {
			return badRequest("Parameter %q: %v.", "from", err)
		}
	}
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		from = id // a browser that reconnects repeats the query as it was
	}
	whole := readsWhole(r)
	return g.stream(w, r, func(ctx context.Context, s *stream) error {
		client, err := g.enter(ctx, s, from, selected, whole)
		if p, ok := errors.AsType[*problem](err); ok {
			return p
		}
		if err != nil {
			return logProblem(err)
		}
		defer client.Close()
		return each(ctx, s, client.Frames(), func(f *live.Frame) (bool, error) {
			var frames [][]byte
			for ; f != nil; f = next(client) {
				if client.New(f) {
					frames = append(frames, f.For(whole))
				}
				if len(frames) == atOnce {
					break
				}
			}
			if len(frames) == 0 {
				return false, nil
			}
			return false, s.write(ctx, frames...)
		})
	})
}

// next is a frame that waits already, nil without one.
func next(c *live.Client) *live.Frame {
	select {
	case f := <-c.Frames():
		return f
	default:
		return nil
	}
}

// enter begins the feed: after the position that the client has, or now.
func (g *Gateway) enter(
	ctx context.Context, s *stream, from string, selected live.Selection, whole bool,
) (*live.Client, error) {
	event, reason := "ready", ""
	if from != "" {
		p, err := live.ParsePosition(from)
		if err == nil {
			back, terr := g.replays.take(ctx, s.r.caller.Name())
			if terr != nil {
				return nil, terr
			}
			c, rerr := g.hub.Resume(ctx, p, selected, func(f *live.Frame) error { return s.write(ctx, f.For(whole)) })
			back()
			if rerr == nil || !errors.Is(rerr, live.ErrGone) {
				return c, rerr
			}
			err = rerr
		}
		event, reason = "reset", err.Error()
		g.logger.InfoContext(ctx, "A client of the live feed has to begin anew.", slog.String("requestId", s.w.id), slog.Any("error", err))
	}
	c, err := g.hub.Join(ctx, selected.Wants)
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(struct {
		Position string `json:"position"`
		Reason   string `json:"reason,omitempty"`
	}{c.Start.String(), reason})
	if err == nil {
		err = s.send(sse.Message{ID: c.Start.String(), Event: event, Data: data})
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// readsWhole tells whether the caller may read what the events hold.
func readsWhole(r *request) bool {
	return r.caller.APIToken == nil || r.caller.Scope.May(auth.ScopeRead)
}

// selection is what the caller may see and asked for.
func selection(r *request) (live.Selection, error) {
	admin := r.caller.Role.May(auth.Admin)
	var types []string
	if s := r.param("types"); s != "" {
		types = strings.Split(s, ",")
		for _, t := range types {
			if !slices.Contains(eventTypes(), t) {
				return live.Selection{}, badRequest("Parameter %q: %q is not one of %s.", "types", t, strings.Join(eventTypes(), ", "))
			}
		}
	}
	outlet := events.Key(r.param("outlet"))
	return live.Selection{Subjects: selectedSubjects(types, outlet), Wants: func(f *live.Frame) bool {
		switch {
		case f.Audit && !admin:
			return false
		case types != nil && !slices.Contains(types, f.Type):
			return false
		case outlet != "":
			return f.About == outlet && slices.Contains(aboutOutlets(), f.Type)
		}
		return true
	}}, nil
}

// selectedSubjects are those on which events of the types, and about the outlet,
// are, as live.Selection has them; types nil: of all.
func selectedSubjects(types []string, outlet string) []string {
	if types == nil && outlet == "" {
		return nil
	}
	if types == nil {
		types = aboutOutlets()
	}
	subjects := []string{}
	for _, t := range types {
		if outlet == "" || slices.Contains(aboutOutlets(), t) {
			subjects = append(subjects, events.SubjectsOf(t, outlet)...)
		}
	}
	slices.Sort(subjects)
	return slices.Compact(subjects)
}

func aboutOutlets() []string {
	return []string{events.TypeBackupObserved, events.TypeOutletChanged, events.TypeHistoryImported}
}

func eventTypes() []string {
	types := []string{
		events.TypeScanRequested, events.TypeScanStarted, events.TypeScanCompleted, events.TypeBackupObserved,
		events.TypeOutletChanged, events.TypeSettingsChanged, events.TypeHistoryImported,
		events.TypeCredentialChanged, events.TypeProberChanged, events.TypeLogArchived, events.TypeLogDismissed, events.TypeLogRestored,
	}
	for _, k := range events.AuditKinds() {
		types = append(types, events.Audited{Kind: k}.Type())
	}
	return types
}

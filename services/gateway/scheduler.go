package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"backupmonitor/events"
	"backupmonitor/services/internal/registry"
	"backupmonitor/services/internal/schedule"
)

// What a policy may be made of.
const (
	maxPatterns      = 20
	maxPatternLength = 100
)

type configBody struct {
	Schedule  events.Schedule `json:"schedule"`
	Policy    events.Policy   `json:"policy"`
	Version   uint64          `json:"version"` // what a change may name, so that none is lost
	ChangedBy string          `json:"changedBy"`
	ChangedAt time.Time       `json:"changedAt"`
}

func answerConfig(w *response, s events.SettingsChanged, seq uint64) error {
	return writeJSON(w, http.StatusOK, struct {
		Status string     `json:"status"`
		Config configBody `json:"config"`
	}{success, configBody{s.Schedule, s.Policy, seq, s.ChangedBy, s.ChangedAt}})
}

// settings are those in force. A log without any is at its very beginning.
func (g *Gateway) settings(ctx context.Context) (events.SettingsChanged, uint64, error) {
	s, seq, err := registry.Settings(ctx, g.log, 0)
	if errors.Is(err, events.ErrNotFound) {
		return s, 0, &problem{
			status: http.StatusServiceUnavailable, message: "No settings are stored yet: a scheduler stores the first. Try again.",
			retryAfter: 5 * time.Second, cause: err,
		}
	}
	return s, seq, logProblem(err)
}

func (g *Gateway) schedulerConfig(w *response, r *request) error {
	ctx, cancel := context.WithTimeout(r.Context(), logTimeout)
	defer cancel()
	s, seq, err := g.settings(ctx)
	if err != nil {
		return err
	}
	return answerConfig(w, s, seq)
}

// putSchedulerConfig replaces the schedule, the policy, or both. They hold for
// scans requested from then on; what has been judged stays as it is.
func (g *Gateway) putSchedulerConfig(w *response, r *request) error {
	var in struct {
		Schedule *events.Schedule `json:"schedule"`
		Policy   *events.Policy   `json:"policy"`
		Version  *uint64          `json:"version"`
	}
	if err := g.readJSON(w, r, &in); err != nil {
		return err
	}
	if in.Schedule == nil && in.Policy == nil {
		return badRequest(`The body needs "schedule" or "policy".`)
	}
	ctx, cancel := context.WithTimeout(r.Context(), logTimeout)
	defer cancel()
	next, seq, err := g.settings(ctx)
	if err != nil {
		return err
	}
	if in.Version != nil && *in.Version != seq {
		return changedMeanwhile(nil)
	}
	var what []string
	if in.Schedule != nil {
		if err := schedule.Check(*in.Schedule); err != nil {
			return badRequest("The schedule cannot be: %v.", err)
		}
		next.Schedule, what = *in.Schedule, append(what, "schedule")
	}
	if in.Policy != nil {
		if err := checkPolicy(*in.Policy); err != nil {
			return badRequest("The policy cannot be: %v.", err)
		}
		next.Policy, what = *in.Policy, append(what, "policy")
	}
	next.Previous, next.ChangedBy, next.ChangedAt = seq, r.caller.User.ID, g.cfg.Now().UTC()
	e := events.Audited{
		Kind: events.SettingsReplaced, Actor: r.caller.User.ID, Address: w.address, Object: "settings",
		Details: map[string]string{"change": strings.Join(what, ", ")},
	}
	err = g.audit.Around(ctx, r.by(), e, unwritten, func(ctx context.Context) (err error) {
		seq, err = g.log.Write(ctx, next, seq)
		return err
	})
	if errors.Is(err, events.ErrConflict) {
		return changedMeanwhile(err)
	}
	if err != nil {
		return logProblem(err)
	}
	return answerConfig(w, next, seq)
}

func checkPolicy(p events.Policy) error {
	switch {
	case p.MaxAgeSeconds < 0:
		return errors.New("the maximum age is negative; 0 turns the rule off")
	case p.MaxAgeSeconds > events.MostMaxAgeSeconds:
		return fmt.Errorf("the maximum age is over %d seconds; 0 turns the rule off", events.MostMaxAgeSeconds)
	case p.MinSizeBytes < 0:
		return errors.New("the minimum size is negative")
	case len(p.Patterns) == 0 || len(p.Patterns) > maxPatterns:
		return errors.New("name 1 to 20 file name patterns, as *.bak")
	}
	for _, s := range p.Patterns {
		if s == "" || len(s) > maxPatternLength || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
			return errors.New("a file name pattern has 1 to 100 printable characters, as *.bak")
		}
	}
	return nil
}

// schedulerStatus tells what the schedule does next and what runs now.
func (g *Gateway) schedulerStatus(w *response, r *request) error {
	ctx, cancel := context.WithTimeout(r.Context(), logTimeout)
	defer cancel()
	s, _, err := g.settings(ctx)
	if err != nil {
		return err
	}
	if err := g.caughtUp(ctx); err != nil {
		return err
	}
	running, last := []string{}, (*scanBody)(nil)
	for _, st := range g.scans.List() { // the newest first
		if !st.Phase.Ended() {
			running = append(running, st.Request.ScanID)
		} else if last == nil {
			b := scanBodyOf(st, nil) // it has ended
			last = &b
		}
	}
	now := g.cfg.Now()
	var next *time.Time
	if at, ok := schedule.Next(s.Schedule, now, g.cfg.Zone); ok {
		at = at.UTC()
		next = &at
	}
	return writeJSON(w, http.StatusOK, struct {
		Status    string          `json:"status"`
		Enabled   bool            `json:"enabled"`
		NextScan  *time.Time      `json:"nextScan"`
		TimeZone  string          `json:"timeZone"`
		Schedule  events.Schedule `json:"schedule"`
		Running   []string        `json:"running"`  // scan ids
		LastScan  *scanBody       `json:"lastScan"` // the newest that has ended, of the last 25 hours
		Timestamp time.Time       `json:"timestamp"`
	}{success, next != nil, next, g.cfg.Zone.String(), s.Schedule, running, last, now.UTC()})
}

package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"backupmonitor/events"
	"backupmonitor/services/internal/registry"
	"backupmonitor/services/internal/scan"
)

// start is the scan's ScanStarted: the one that is stored, or the one that
// this expands and stores, whoever of several schedulers is first.
func (r *run) start(ctx context.Context) (events.ScanStarted, error) {
	started, err := scan.Started(ctx, r.log, r.req.ScanID)
	if !errors.Is(err, events.ErrNotFound) {
		return started, err
	}
	if started, err = r.expand(ctx, r.req); err != nil {
		return started, err
	}
	if _, err := r.log.Write(ctx, started, 0); err != nil && !errors.Is(err, events.ErrConflict) {
		return started, err
	}
	return scan.Started(ctx, r.log, r.req.ScanID)
}

// expand says what a scan consists of, by what the log said up to its request
// and nothing later, but for which other scans have started.
func (s *Scheduler) expand(ctx context.Context, req request) (events.ScanStarted, error) {
	started := events.ScanStarted{
		ScanID: req.ScanID, ScanDate: req.ScanDate, Modes: req.Modes, RequestPosition: req.seq,
		StartedAt: s.cfg.Now().UTC(), Deadline: req.Deadline,
	}
	if req.Full() {
		host, found, err := s.findHost(ctx, req)
		if err != nil {
			return started, fmt.Errorf("look for a scan to attach to: %w", err)
		}
		if found {
			started.AttachedTo, started.HostPosition = host.ScanID, host.RequestPosition
			started.Outlets, started.Policy = host.Outlets, host.Policy
			return started, nil
		}
	}
	settings, _, err := registry.Settings(ctx, s.log, req.seq)
	switch {
	case errors.Is(err, events.ErrNotFound):
		settings = s.cfg.Settings
	case err != nil:
		return started, err
	}
	started.Policy = settings.Policy
	outlets, err := registry.Load(ctx, s.log, req.seq)
	if err != nil {
		return started, err
	}
	s.warnUnreadable(outlets)
	if req.Full() {
		started.Outlets = allOf(outlets, req)
	} else {
		started.Outlets = s.chosenOf(outlets, req)
	}
	return started, nil
}

// allOf lists what a full scan looks at: active outlets that were not paused
// when it was requested.
func allOf(outlets registry.Outlets, req request) []string {
	codes := []string{}
	for _, e := range outlets.All() {
		if e.Scannable(req.stored) {
			codes = append(codes, e.Code)
		}
	}
	return codes
}

// chosenOf lists the outlets that were asked for by name, in the registry's
// spelling; inactive and paused ones too, since somebody wants to know.
func (s *Scheduler) chosenOf(outlets registry.Outlets, req request) []string {
	codes, seen, unknown := []string{}, map[string]bool{}, []string{}
	for _, asked := range req.Outlets {
		key := events.Key(asked)
		e, ok := outlets.Get(asked)
		switch {
		case seen[key]:
		case ok:
			codes = append(codes, e.Code)
		default:
			unknown = append(unknown, asked)
		}
		seen[key] = true
	}
	if len(unknown) > 0 {
		s.logger.Warn("a scan asks for unknown outlets: they are left out",
			slog.String("scan", req.ScanID), slog.String("outlets", strings.Join(unknown, ", ")))
	}
	return codes
}

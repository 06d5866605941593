package prober

import (
	"context"
	"slices"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/verdict"
	"backupmonitor/services/prober/smb"
)

// look looks at an outlet in some modes of a command. hold says that in some of
// them, which are not among the looks, this tells nothing about the outlet:
// nothing answered, anywhere, or the turn to sign in did not come in time.
func (p *Prober) look(work context.Context, c command, modes []events.Mode, quiet func()) (looks []events.BackupObserved, hold bool) {
	ctx, cancel := context.WithTimeout(work, p.cfg.ProbeTimeout)
	defer cancel()
	began := p.cfg.Now()
	target := smb.Target{Address: c.Server}
	var unknown []events.Mode
	for _, mode := range modes {
		i := slices.IndexFunc(p.cfg.Places, func(place smb.Place) bool { return place.Mode == mode })
		if i < 0 {
			unknown = append(unknown, mode)
			continue
		}
		target.Places = append(target.Places, p.cfg.Places[i])
	}
	if len(target.Places) > 0 {
		request := smb.Request{ScanDate: c.ScanDate, Began: began, Zone: p.cfg.Zone, Policy: c.Policy, Quiet: quiet}
		results := p.cfg.Look(ctx, target, request)
		took := p.cfg.Now().Sub(began)
		reached := slices.ContainsFunc(results, func(r smb.Result) bool { return r.Reached })
		if work.Err() == nil && p.line.Report(c.Server, reached, began) {
			return nil, true
		}
		for _, r := range results {
			if r.NoTurn {
				hold = true
				continue
			}
			looks = append(looks, p.observed(c, r, began, took))
		}
	}
	looks = append(looks, p.without(c, unknown, events.LookError{
		Code: events.CauseProtocolError, Detail: "this prober does not know where such backups are kept",
	})...)
	return looks, hold
}

// without are the events of a command that ends in some modes without a look.
func (p *Prober) without(c command, modes []events.Mode, e events.LookError) []events.BackupObserved {
	var looks []events.BackupObserved
	now := p.cfg.Now()
	for _, mode := range modes {
		l := verdict.Unseen(c.ProbeCommand, mode, now, p.cfg.Zone, e)
		l.Attempt = c.attempt
		looks = append(looks, l)
	}
	return looks
}

// observed makes the event of what was seen in one mode, and judges it.
func (p *Prober) observed(c command, r smb.Result, began time.Time, took time.Duration) events.BackupObserved {
	l := events.BackupObserved{
		Outlet: c.Outlet, Server: c.Server, Mode: r.Mode,
		ScanID: c.ScanID, ScanDate: c.ScanDate, RequestPosition: c.RequestPosition,
		Attempt: c.attempt, StartedAt: began.UTC(), DurationMS: smb.Milliseconds(took),
		Today:  verdict.Today(c.ScanDate, began, p.cfg.Zone),
		Cutoff: r.Cutoff, Drives: r.Drives, Error: r.Error, Steps: r.Steps, Warnings: r.Warnings,
	}
	if r.Clock.Known() {
		server := r.Clock.Server
		l.ServerTime, l.ClockSkewMS = &server, smb.Milliseconds(r.Clock.Skew)
	}
	l.Verdict = verdict.Judge(l, c.Policy)
	return l
}

package prober

import (
	"context"
	"log/slog"

	"backupmonitor/events"
)

// LookOnce looks at one outlet as a prober with this configuration would, and
// returns what it would have stored. It writes nothing. cfg.SMB.Trace is told
// of each step.
func LookOnce(ctx context.Context, cfg Config, c events.ProbeCommand) []events.BackupObserved {
	p := New(cfg, nil, slog.New(slog.DiscardHandler))
	looks, _ := p.look(ctx, command{ProbeCommand: c, delivered: 1, attempt: 1}, c.Modes, nil)
	return looks
}

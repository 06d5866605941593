package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"backupmonitor/events"
)

// tell has the audit trail tell what a command has done. A command has no outbox:
// where the log does not take this either, whoever gave it is told.
func tell(ctx context.Context, log *events.Log, kind events.AuditKind, object string, details map[string]string) error {
	_, _, err := log.Append(ctx, events.Audited{
		ID: rand.Text(), Kind: kind, Actor: events.ActorCommandLine, Object: object, Details: details, At: time.Now().UTC(),
	})
	if err != nil {
		return fmt.Errorf("it was done, but the audit trail does not tell of it: %w", err)
	}
	return nil
}

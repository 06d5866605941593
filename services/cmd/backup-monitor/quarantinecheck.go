package main

import (
	"context"
	"fmt"
	"math"

	"backupmonitor/events"
	"backupmonitor/services/gateway"
	"backupmonitor/services/internal/store"
)

// quarantineCheck tells, for readiness, that events could not be read or stored, and
// nobody has dismissed them: what they say is in no table. Anybody may ask, so that it
// reads no events and holds nothing that the projector waits for.
func quarantineCheck(db store.Backend, log *events.Log) gateway.Check {
	return gateway.Check{Name: "quarantine", Run: func(ctx context.Context) (detail string, err error) {
		const away = "unknown: the database does not answer"
		newest, err := db.QuarantinedSeqs(ctx, math.MaxUint64, 1)
		if err != nil {
			return away, err
		}
		if len(newest) == 0 {
			return "", nil
		}
		state, _, err := log.Dismissed(ctx)
		if err != nil {
			return "unknown: the log does not answer", err
		}
		dismissed := state.Sequences()
		switch seqs, err := undismissed(ctx, db, dismissed, 1); {
		case err != nil:
			return away, err
		case len(seqs) > 0:
			return "events of the log could not be read or stored; see `backup-monitor quarantine list`",
				fmt.Errorf("event %d of the log, and maybe others, could not be read or stored: `backup-monitor quarantine show %d` says why", seqs[0], seqs[0])
		}
		return "events of the log that cannot be read or stored are dismissed", nil
	}}
}

// seqsRead is how many sequences are read at a time.
const seqsRead = 1000

// undismissed are the newest events in quarantine, at most limit, that are in no
// dismissal. It leaps over what is dismissed, a run at a time: a million of garbage
// costs as little as one piece.
func undismissed(ctx context.Context, db store.Backend, dismissed events.Runs, limit int) (found []uint64, err error) {
	for upTo := uint64(math.MaxUint64); ; {
		seqs, err := db.QuarantinedSeqs(ctx, upTo, seqsRead)
		if err != nil {
			return nil, err
		}
		for _, seq := range seqs {
			run, ok := dismissed.Find(seq)
			if !ok {
				run.First, found = seq, append(found, seq)
			}
			if len(found) == limit {
				return found, nil
			}
			upTo = run.First - 1
		}
		if len(seqs) < seqsRead {
			return found, nil
		}
	}
}

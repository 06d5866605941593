package projector

import (
	"context"
	"fmt"
	"math/bits"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

const (
	// recallBack is how far back from the checkpoint it is looked for events that
	// were set aside. The last 64 for a table are within it, as a rule.
	recallBack = 4096
	// recallMost is how many events of the quarantine are read for it.
	recallMost = 500
)

// recall puts the brakes where they were when the tables came to cp, by whichever
// projector, so that to start anew sets no more aside. What was set aside is in
// the quarantine, and what was taken in the log.
func (p *Projector) recall(ctx context.Context, cp store.Checkpoint) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	aside, err := p.asideBefore(ctx, cp.Seq)
	if err != nil {
		return fmt.Errorf("recall what was set aside: %w", err)
	}
	b := brakes{}
	if len(aside) > 0 {
		if err := b.repeat(ctx, p.log, aside, cp.Seq); err != nil {
			return fmt.Errorf("recall what was set aside: %w", err)
		}
	}
	p.brakes, p.recalled = b, true
	return nil
}

// asideBefore are the newest events up to a sequence that no column took.
func (p *Projector) asideBefore(ctx context.Context, seq uint64) (map[uint64]bool, error) {
	newest, err := p.db.Quarantine(ctx, seq, recallMost)
	if err != nil {
		return nil, err
	}
	aside := map[uint64]bool{}
	for _, q := range newest {
		if q.Unstorable() && seq-q.Seq < recallBack {
			aside[q.Seq] = true
		}
	}
	return aside, nil
}

// repeat notes again what became of the events from the first that was set aside
// up to a sequence. What was archived meanwhile counts for nothing.
func (s brakes) repeat(ctx context.Context, log *events.Log, aside map[uint64]bool, until uint64) error {
	first := until
	for seq := range aside {
		first = min(first, seq)
	}
	for r, err := range log.Read(ctx, events.FeedOptions{From: first}) {
		if err != nil {
			return err
		}
		if r.Seq > until {
			break
		}
		if b := batch([]events.Record{r}); aside[r.Seq] {
			s.refused(b)
		} else {
			s.took(b)
		}
		if r.Seq == until {
			break
		}
	}
	for _, k := range s {
		k.holds = bits.OnesCount64(k.recent) >= mostRefused
	}
	return nil
}

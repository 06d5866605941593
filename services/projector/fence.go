package projector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// Why a log is not the one that the tables were made from. Reading on would
// mix two truths, or leave a gap that nothing shows: the server starts a
// reader silently at the next event it has.
var (
	// ErrForeignLog says that the tables were made from another log, or from
	// one that has since been made anew.
	ErrForeignLog = errors.New("the log is not the one that the tables were made from")
	// ErrLogTruncated says that the log ends before the checkpoint, as one
	// restored from an older copy does.
	ErrLogTruncated = errors.New("the log ends before the checkpoint")
	// ErrLogPurged says that the log begins after the checkpoint: the events
	// between are gone.
	ErrLogPurged = errors.New("the log begins after the checkpoint")
	// ErrLogDamaged says that events are missing in the midst of the log, from
	// which nothing may ever be deleted.
	ErrLogDamaged = errors.New("events are missing in the log: its files are damaged")
)

func unfit(err error) bool {
	return errors.Is(err, ErrForeignLog) || errors.Is(err, ErrLogTruncated) || errors.Is(err, ErrLogPurged) ||
		errors.Is(err, ErrLogDamaged)
}

// verify tells whether the log is the one of the checkpoint and holds all that
// follows it.
func (p *Projector) verify(ctx context.Context, cp store.Checkpoint) (events.Identity, error) {
	id, err := p.log.Identity(ctx)
	if err != nil {
		return id, err
	}
	switch {
	case cp.Stream != "" && cp.Stream != id.ID():
		return id, fmt.Errorf("%w: they come from log %s, this is %s, created %s", ErrForeignLog, cp.Stream, id.ID(),
			id.Created.Format(time.RFC3339))
	case id.LastSeq < cp.Seq:
		return id, fmt.Errorf("%w: it ends at %d, the checkpoint is %d", ErrLogTruncated, id.LastSeq, cp.Seq)
	case id.FirstSeq > cp.Seq+1:
		return id, fmt.Errorf("%w: it begins at %d, the checkpoint is %d", ErrLogPurged, id.FirstSeq, cp.Seq)
	}
	if id.Missing > 0 {
		return id, fmt.Errorf("%w: %d of those from %d to %d are not there", ErrLogDamaged, id.Missing, id.FirstSeq, id.LastSeq)
	}
	p.status.set(func(s *Status) { s.LogSeq = id.LastSeq })
	return id, nil
}

// seamless tells whether records follow a sequence one after the other. The
// server hands out what it can read and says nothing of an event between that
// it cannot.
func seamless(after uint64, records []events.Record) error {
	for i, r := range records {
		if want := after + 1 + uint64(i); r.Seq != want {
			return fmt.Errorf("%w: event %d is not handed out, the next is %d", ErrLogDamaged, want, r.Seq)
		}
	}
	return nil
}

// standBy watches another projector at work. It returns nil when that one has
// let the log lie for the time of taking over.
func (p *Projector) standBy(ctx context.Context) error {
	p.logger.InfoContext(ctx, "another projector is at work: standing by")
	p.status.set(func(s *Status) { s.StandingBy, s.Error, s.Reason = true, "", "" })
	defer p.status.set(func(s *Status) { s.StandingBy = false })
	var last store.Checkpoint
	since := time.Now()
	for {
		cp, err := p.checkpoint(ctx)
		if err != nil {
			return err
		}
		id, err := p.verify(ctx, cp)
		if err != nil {
			return err
		}
		if cp != last || cp.Seq >= id.LastSeq {
			last, since = cp, time.Now()
		}
		if time.Since(since) >= p.cfg.TakeOver {
			p.logger.WarnContext(ctx, "the other projector has not moved: taking over", slog.Uint64("checkpoint", cp.Seq),
				slog.Uint64("behind", id.LastSeq-cp.Seq), slog.Duration("for", time.Since(since)))
			return nil
		}
		pause(ctx, p.cfg.TakeOver/10)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

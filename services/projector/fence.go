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
	// ErrLogTruncated says that the log ends before the checkpoint, or was
	// restored from a backup that does.
	ErrLogTruncated = errors.New("the log ends before the checkpoint")
	// ErrLogPurged says that the log begins after the checkpoint: the events
	// between are gone.
	ErrLogPurged = errors.New("the log begins after the checkpoint")
	// ErrLogDamaged says that events are missing in the log, from which nothing
	// may ever be deleted but what was archived.
	ErrLogDamaged = errors.New("events are missing in the log: its files are damaged")
)

func unfit(err error) bool {
	return errors.Is(err, ErrForeignLog) || errors.Is(err, ErrLogTruncated) || errors.Is(err, ErrLogPurged) ||
		errors.Is(err, ErrLogDamaged)
}

// verify tells whether the log is the one of the checkpoint, or was restored
// from it, and holds all that follows it, if need be in archives.
func (p *Projector) verify(ctx context.Context, cp store.Checkpoint) (events.Identity, error) {
	id, err := p.log.Identity(ctx)
	if err != nil {
		return id, err
	}
	if cp.Stream != "" && cp.Stream != id.ID() {
		if err := p.restored(ctx, cp, id); err != nil {
			return id, err
		}
	}
	switch {
	case id.LastSeq < cp.Seq:
		return id, fmt.Errorf("%w: it ends at %d, the checkpoint is %d", ErrLogTruncated, id.LastSeq, cp.Seq)
	case id.FirstSeq > max(cp.Seq, id.Archived)+1:
		return id, fmt.Errorf("%w: it begins at %d, the checkpoint is %d", ErrLogPurged, id.FirstSeq, cp.Seq)
	case id.Missing > 0:
		return id, fmt.Errorf("%w: %d of those up to %d are not there", ErrLogDamaged, id.Missing, id.LastSeq)
	}
	p.status.set(func(s *Status) { s.LogSeq = id.LastSeq })
	return id, nil
}

// restored tells whether a log of another identity was restored from the one of
// the checkpoint, with all that the tables have of it.
func (p *Projector) restored(ctx context.Context, cp store.Checkpoint, id events.Identity) error {
	state, _, err := p.log.Restored(ctx)
	if err != nil {
		return err
	}
	holds, known := state.Holds(cp.Stream, cp.Seq)
	switch {
	case !known:
		return fmt.Errorf("%w: they come from log %s, this is %s, created %s", ErrForeignLog, cp.Stream, id.ID(),
			id.Created.Format(time.RFC3339))
	case !holds:
		return fmt.Errorf("%w: it was restored from backup %s, which does not hold event %d of the tables",
			ErrLogTruncated, state.Backup, cp.Seq)
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

// Package projector folds the log into the tables: in order, from its own
// checkpoint, rows and checkpoint in one transaction. Nothing is lost while
// it, the database or the log are away: the log holds it all, and the
// checkpoint says what is missing.
package projector

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/adoption"
	"backupmonitor/services/internal/store"
)

// Store is the part of the database that a projector writes; see
// store.Backend. Its earlier rows are for as long as it has no checkpoint.
type Store interface {
	adoption.Source
	Migrate(ctx context.Context) error
	Exclusive(ctx context.Context, f func(context.Context) error) error
	Checkpoint(ctx context.Context) (store.Checkpoint, error)
	Apply(ctx context.Context, b store.Batch) error
	Quarantine(ctx context.Context, upTo uint64, limit int) ([]store.Quarantined, error)
}

// Config is how a projector works. The zero value is what production uses.
type Config struct {
	BatchSize  int           // most events of one transaction; 500
	BatchWait  time.Duration // longest wait for a batch that more events are coming for; 200 ms
	TakeOver   time.Duration // how long the checkpoint must lag unmoved until one who stands by takes over; 10 s
	CheckEvery time.Duration // how often the log's identity is checked while nothing happens; 10 s
	RetryFirst time.Duration // first pause after an error, doubling to RetryMost; 100 ms
	RetryMost  time.Duration // 5 s
	Refused    time.Duration // least pause after the database has refused us, because of the sign-in or a permission; 30 s
	Archives   string        // directory of the archives, needed by tables that do not reach beyond them; "": the working directory
	Grace      time.Duration // how long a running transaction may take once Run is to end; 2 s: a feed of a dead log takes 2 s more to stop, and a process ends in under 5
	// LegacyZone is that of the times in rows from before the log; nil: UTC.
	LegacyZone *time.Location
}

func (c Config) withDefaults() Config {
	or := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	if c.BatchSize <= 0 {
		c.BatchSize = 500
	}
	or(&c.BatchWait, 200*time.Millisecond)
	or(&c.TakeOver, 10*time.Second)
	or(&c.CheckEvery, 10*time.Second)
	or(&c.RetryFirst, 100*time.Millisecond)
	or(&c.RetryMost, 5*time.Second)
	or(&c.Refused, 30*time.Second)
	or(&c.Grace, 2*time.Second)
	return c
}

const (
	readTimeout  = 10 * time.Second // of reading the checkpoint
	applyTimeout = time.Minute      // of one transaction
)

// Projector is one projector. Any number may run: the checkpoint lets one of
// them write, the others stand by.
type Projector struct {
	cfg    Config
	log    *events.Log
	db     Store
	logger *slog.Logger
	status statusBox

	advised  bool // of what the operator should do for the database
	brakes   brakes
	recalled bool // what the brakes were when this projector began, or took over
}

// New makes a projector. Run starts it.
func New(cfg Config, log *events.Log, db Store, logger *slog.Logger) *Projector {
	return &Projector{cfg: cfg.withDefaults(), log: log, db: db, logger: logger, brakes: brakes{}}
}

// Run projects until ctx ends, and then returns nil after a running
// transaction has ended. It returns early only with ErrForeignLog,
// ErrLogTruncated, ErrLogPurged or ErrLogDamaged: then the tables do not belong to this log
// and an operator must decide. Every other error passes: it is logged, stands
// in Status, and is tried again.
func (p *Projector) Run(ctx context.Context) error {
	wait := p.cfg.RetryFirst
	for {
		before := p.Status().Checkpoint.Seq
		err := p.session(ctx)
		if ctx.Err() != nil {
			p.status.set(func(s *Status) { s.Running = false })
			return nil
		}
		if err == nil {
			continue // it has stood by and takes over
		}
		p.status.fail(err)
		if unfit(err) {
			p.status.set(func(s *Status) { s.Running = false })
			p.logger.ErrorContext(ctx, "the tables do not belong to this log: projecting has stopped",
				slog.String("error", err.Error()))
			return err
		}
		if p.Status().Checkpoint.Seq > before {
			wait = p.cfg.RetryFirst
		}
		now := wait
		if errors.Is(err, store.ErrRefused) {
			now = max(wait, p.cfg.Refused) // an operator must act
		}
		p.logger.WarnContext(ctx, "projecting is interrupted and will be tried again",
			slog.String("error", err.Error()), slog.Duration("pause", now))
		pause(ctx, now)
		wait = min(2*wait, p.cfg.RetryMost)
	}
}

// session projects from the checkpoint on, until something fails. It returns
// nil when another projector was at work and this one is to take over.
func (p *Projector) session(ctx context.Context) error {
	if err := p.db.Migrate(ctx); err != nil {
		return err
	}
	if err := p.advise(ctx); err != nil {
		return err
	}
	cp, err := p.checkpoint(ctx)
	if err != nil {
		return err
	}
	if cp == (store.Checkpoint{}) {
		if err := p.adopt(ctx); err != nil {
			return err
		}
	}
	id, err := p.verify(ctx, cp)
	if err != nil {
		return err
	}
	if !p.recalled {
		if err := p.recall(ctx, cp); err != nil {
			return err
		}
	}
	p.status.caughtUp(id.LastSeq == cp.Seq)
	r, err := p.read(ctx, cp.Seq+1)
	if err != nil {
		return err
	}
	defer r.stop()
	for {
		records, err := p.collect(ctx, r, store.Checkpoint{Stream: id.ID(), Seq: cp.Seq})
		if err != nil {
			return err
		}
		// Received before this and of the same log still: so it was of it.
		if _, err := p.verify(ctx, store.Checkpoint{Stream: id.ID(), Seq: records[len(records)-1].Seq}); err != nil {
			return err
		}
		cp, err = p.write(ctx, cp, id.ID(), records)
		if errors.Is(err, store.ErrFenced) {
			r.stop() // nothing is read while standing by
			p.recalled = false
			return p.standBy(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// batch projects records.
func batch(records []events.Record) store.Batch {
	var b store.Batch
	for _, r := range records {
		x := Project(r)
		switch {
		case x.Look != nil:
			b.Looks = append(b.Looks, *x.Look)
		case x.Outlet != nil:
			b.Outlets = append(b.Outlets, *x.Outlet)
		case x.Quarantined != nil:
			b.Quarantined = append(b.Quarantined, *x.Quarantined)
		}
	}
	return b
}

func (p *Projector) checkpoint(ctx context.Context) (store.Checkpoint, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	cp, err := p.db.Checkpoint(ctx)
	if err == nil {
		p.status.set(func(s *Status) { s.Checkpoint = cp })
	}
	return cp, err
}

// apply applies b, and says loudly what has gone into quarantine. Errors:
// store.ErrFenced where another projector has moved the checkpoint.
func (p *Projector) apply(ctx context.Context, b store.Batch) error {
	err := p.transact(ctx, b)
	if errors.Is(err, store.ErrFenced) {
		moved, cerr := p.checkpoint(ctx)
		if cerr != nil {
			return cerr
		}
		if moved == b.New {
			err = nil // the transaction was ours and its answer lost
		}
	}
	if err != nil {
		return err
	}
	p.tell(ctx, b.Quarantined)
	p.status.progress(b.New, len(b.Quarantined))
	return nil
}

// tell logs what has gone into quarantine: each event that a column did not take, and
// of those that cannot be read the first. A flood of them is not to fill the disk with
// this log, too; the quarantine has the reasons.
func (p *Projector) tell(ctx context.Context, aside []store.Quarantined) {
	unreadable := 0
	for _, q := range aside {
		if !q.Unstorable() {
			unreadable++
		}
	}
	told := false
	for _, q := range aside {
		attrs := []slog.Attr{
			slog.Uint64("seq", q.Seq), slog.String("subject", q.Subject), slog.String("type", q.Type), slog.String("reason", q.Reason),
		}
		if !q.Unstorable() {
			if told {
				continue
			}
			told = true
			attrs = append(attrs, slog.Int("unreadable_with_it", unreadable))
		}
		p.logger.LogAttrs(ctx, slog.LevelError, "an event cannot be used and is in quarantine", attrs...)
	}
}

// transact lets a transaction outlive ctx for the grace.
func (p *Projector) transact(ctx context.Context, b store.Batch) error {
	work, cancel := context.WithTimeout(context.WithoutCancel(ctx), applyTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		grace := time.NewTimer(p.cfg.Grace)
		defer grace.Stop()
		select {
		case <-work.Done():
		case <-grace.C:
			cancel()
		}
	})
	defer stop()
	return p.db.Apply(work, b)
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

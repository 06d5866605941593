package restore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"backupmonitor/events"
	"backupmonitor/services/cmd/backup-monitor/instance"
	"backupmonitor/services/internal/logfile"
)

// rehearsal stands before the names of the directories that Rehearse works in.
const rehearsal = ".rehearsal-"

// Tidy removes what a rehearsal that was killed has left under a directory: as
// much as a log.
func Tidy(under string) error {
	left, err := filepath.Glob(filepath.Join(under, rehearsal+"*"))
	for _, path := range left {
		err = errors.Join(err, os.RemoveAll(path))
	}
	if err != nil {
		return fmt.Errorf("remove what a killed rehearsal left: %w", err)
	}
	return nil
}

// Rehearse restores the log of a copy into a server of its own, in a directory
// under a given one that is removed at the end, and compares what comes out
// with what was copied. Errors: logfile's.
func Rehearse(ctx context.Context, copied, under string, logger *slog.Logger, progress func(done, total uint64)) (err error) {
	r, err := logfile.Open(copied)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	dir, err := os.MkdirTemp(under, rehearsal+"*")
	if err != nil {
		return fmt.Errorf("rehearse the restore: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	return load(ctx, dir, r, events.Limits{EventsMaxBytes: 1 << 50}, logger, progress)
}

// load makes the log of a directory from a copy, and reads it back from a
// server that has only its files to go by.
func load(ctx context.Context, dir string, r *logfile.Reader, l events.Limits, logger *slog.Logger, progress func(done, total uint64)) error {
	n, err := instance.Scratch(dir, logger)
	if err != nil {
		return err
	}
	total := 2 * r.Manifest.Records
	done := uint64(0)
	err = n.Load(l.Log(), instance.Contents{
		First: r.Manifest.First, Last: r.Manifest.Last, Records: r.Manifest.Records,
		Next: func() (events.Record, error) {
			rec, err := r.Next(ctx)
			if err == nil {
				done++
				step(progress, done, total)
			}
			return rec, err
		},
	})
	if err := errors.Join(err, n.Close()); err != nil {
		return err
	}
	return onLog(dir, logger, func(log *events.Log) error {
		return compare(ctx, log, r.Manifest, func(n uint64) { step(progress, done+n, total) })
	})
}

// stepEvery is how many records pass between two words about the progress.
const stepEvery = 1000

func step(progress func(done, total uint64), done, total uint64) {
	if progress != nil && (done%stepEvery == 0 || done == total) {
		progress(done, total)
	}
}

func compare(ctx context.Context, log *events.Log, m logfile.Manifest, said func(uint64)) error {
	feed, err := log.Feed(ctx, events.FeedOptions{})
	if err != nil {
		return err
	}
	defer feed.Stop()
	if id, err := log.Identity(ctx); err != nil || id.Messages != m.Records {
		return errors.Join(err, fmt.Errorf("%w: %d events were restored instead of %d", logfile.ErrDamaged, id.Messages, m.Records))
	}
	digest := logfile.NewDigest()
	for n := range m.Records {
		r, err := feed.Next(ctx)
		if err != nil {
			return err
		}
		digest.Add(r)
		said(n + 1)
	}
	if digest.String() != m.Digest {
		return fmt.Errorf("%w: what was restored is not what was copied", logfile.ErrDamaged)
	}
	return nil
}

// onLog runs f on the log of a directory.
func onLog(dir string, logger *slog.Logger, f func(*events.Log) error) (err error) {
	n, err := instance.Scratch(dir, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	closed := make(chan struct{})
	nc, err := n.ConnectKeeper("restore", nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	if err != nil {
		return err
	}
	defer func() { nc.Close(); <-closed }()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("open JetStream: %w", err)
	}
	return f(events.NewLog(js, "restore"))
}

package scheduler

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"

	"backupmonitor/events"
	"backupmonitor/services/internal/registry"
)

// fileActor is who changed what the outlets file changed.
const fileActor = events.ActorOutletsFile

// prepare brings the log to what the deployment says: the outlets of its file,
// and settings where there are none.
func (s *Scheduler) prepare(ctx context.Context) error {
	if s.cfg.OutletsFile != "" {
		if err := s.again(ctx, "import the outlets file", isFileFault, func() error { return s.importFile(ctx) }); err != nil {
			return fmt.Errorf("import %s: %w", s.cfg.OutletsFile, err)
		}
	}
	never := func(error) bool { return false }
	return s.again(ctx, "store the first settings", never, func() error { return s.firstSettings(ctx) })
}

func isFileFault(err error) bool {
	_, path := errors.AsType[*fs.PathError](err)
	return path || errors.Is(err, registry.ErrFile)
}

func (s *Scheduler) importFile(ctx context.Context) error {
	data, err := os.ReadFile(s.cfg.OutletsFile)
	if err != nil {
		return err
	}
	rows, err := registry.ParseFile(bytes.NewReader(data))
	if err != nil {
		return err
	}
	current, err := registry.Load(ctx, s.log, 0)
	if err != nil {
		return err
	}
	s.warnUnreadable(current)
	changes := registry.Diff(current, rows, events.SourceFile)
	if err := current.Fit(changes...); err != nil {
		return fmt.Errorf("%w: %w; retire some, or give them shorter codes", registry.ErrFile, err)
	}
	done, err := registry.Apply(ctx, s.log, changes, fileActor, s.cfg.Now())
	if err != nil {
		return err
	}
	n := map[registry.Kind]int{}
	for _, c := range done {
		n[c.Kind]++
	}
	s.logger.Info("outlets file imported", slog.String("file", s.cfg.OutletsFile),
		slog.Int("added", n[registry.Added]), slog.Int("changed", n[registry.Changed]),
		slog.Int("unchanged", n[registry.Unchanged]), slog.Int("released", n[registry.Released]))
	return nil
}

func (s *Scheduler) warnUnreadable(o registry.Outlets) {
	for _, err := range o.Unreadable {
		s.logger.Error("an outlet's state cannot be read: its last readable one is used", slog.Any("error", err))
	}
}

func (s *Scheduler) firstSettings(ctx context.Context) error {
	_, err := s.log.Last(ctx, events.SubjectSettings)
	if !errors.Is(err, events.ErrNotFound) {
		return err
	}
	first := s.cfg.Settings
	first.Previous, first.ChangedAt = 0, s.cfg.Now().UTC()
	_, err = s.log.Write(ctx, first, 0)
	if errors.Is(err, events.ErrConflict) {
		return nil // another scheduler's are there meanwhile
	}
	return err
}

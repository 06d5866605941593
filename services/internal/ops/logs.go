// Package ops is what every service has for those who operate it: its logs.
package ops

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"backupmonitor/events"
)

// KeyMode is the attribute that puts a log record into its mode's daily file.
const KeyMode = "mode"

// LogOptions say where records go.
type LogOptions struct {
	Console io.Writer
	JSON    bool // on the console; else text
	Level   slog.Leveler
	// Dir gets a file a day and mode, named as the original system named them.
	// Empty: none.
	Dir  string
	Zone *time.Location // decides which day it is
	Now  func() time.Time
}

// NewLogger returns a logger, and a closer for its files. What carries a mode
// goes to <Dir>/D_Drive_Backup_log_YYYY-MM-DD.log or
// <Dir>/IB_Storage_Backup_log_YYYY-MM-DD.log, and to the console only from
// warnings up or when debugging: thousands of looks would bury the rest.
// Everything else goes to the console. A directory that cannot be written is
// an error at once and not a silent loss later.
func NewLogger(o LogOptions) (*slog.Logger, io.Closer, error) {
	level := &slog.HandlerOptions{Level: o.Level}
	h := &handler{}
	if o.JSON {
		h.console = slog.NewJSONHandler(o.Console, level)
	} else {
		h.console = slog.NewTextHandler(o.Console, level)
	}
	if o.Dir == "" {
		return slog.New(h), closers{}, nil
	}
	if err := os.MkdirAll(o.Dir, 0o750); err != nil {
		return nil, nil, fmt.Errorf("make the log directory (LOG_DIR): %w", err)
	}
	var all closers
	h.files = map[string]slog.Handler{}
	for mode, prefix := range map[events.Mode]string{events.DDrive: "D_Drive_Backup_log_", events.IBStorage: "IB_Storage_Backup_log_"} {
		f := &dailyFile{dir: o.Dir, prefix: prefix, zone: o.Zone, now: o.Now}
		if err := f.open(); err != nil {
			return nil, nil, errors.Join(err, all.Close())
		}
		all = append(all, f)
		h.files[string(mode)] = slog.NewTextHandler(f, level)
	}
	return slog.New(h), all, nil
}

type closers []io.Closer

func (c closers) Close() error {
	var errs []error
	for _, x := range c {
		errs = append(errs, x.Close())
	}
	return errors.Join(errs...)
}

// handler sends a record to the console and, by its mode, to a file.
type handler struct {
	console slog.Handler
	files   map[string]slog.Handler // by mode
	mode    string                  // from With, "" for none
}

func (h *handler) Enabled(ctx context.Context, l slog.Level) bool { return h.console.Enabled(ctx, l) }

func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	mode := h.mode
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == KeyMode {
			mode = a.Value.String()
		}
		return true
	})
	f, ok := h.files[mode]
	if !ok {
		return h.console.Handle(ctx, r)
	}
	err := f.Handle(ctx, r)
	if r.Level >= slog.LevelWarn || h.console.Enabled(ctx, slog.LevelDebug) {
		err = errors.Join(err, h.console.Handle(ctx, r))
	}
	return err
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := h.derive(func(x slog.Handler) slog.Handler { return x.WithAttrs(attrs) })
	if i := slices.IndexFunc(attrs, func(a slog.Attr) bool { return a.Key == KeyMode }); i >= 0 {
		next.mode = attrs[i].Value.String()
	}
	return next
}

func (h *handler) WithGroup(name string) slog.Handler {
	return h.derive(func(x slog.Handler) slog.Handler { return x.WithGroup(name) })
}

func (h *handler) derive(f func(slog.Handler) slog.Handler) *handler {
	next := &handler{console: f(h.console), files: map[string]slog.Handler{}, mode: h.mode}
	for mode, x := range h.files {
		next.files[mode] = f(x)
	}
	return next
}

// dailyFile appends to <prefix><date>.log and goes on to the next date's file
// at the first write of a day.
type dailyFile struct {
	dir, prefix string
	zone        *time.Location
	now         func() time.Time

	mu   sync.Mutex
	date events.Date
	f    *os.File
}

func (d *dailyFile) open() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.roll()
}

// roll is called with the lock held.
func (d *dailyFile) roll() error {
	today := events.DateOf(d.now(), d.zone)
	if d.f != nil && d.date == today {
		return nil
	}
	path := filepath.Join(d.dir, d.prefix+string(today)+".log")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("open the log file: %w", err)
	}
	if d.f != nil {
		err = d.f.Close()
	}
	d.f, d.date = f, today
	return err
}

// Write implements io.Writer.
func (d *dailyFile) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.roll(); err != nil {
		return 0, err
	}
	return d.f.Write(p)
}

// Close implements io.Closer.
func (d *dailyFile) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.f == nil {
		return nil
	}
	err := d.f.Close()
	d.f = nil
	return err
}

// Package adoption enters into the log what a database of the original system
// holds from before the log: its outlets and its rows. Doing it again, or
// beginning anew after it was interrupted, does no harm: an outlet that the log
// knows stays as the log has it, and each row has one id for ever.
package adoption

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// Source is a database with tables of the original system; see store.Backend.
type Source interface {
	EarlierOutlets(ctx context.Context) ([]store.EarlierOutlet, error)
	EarlierDays(ctx context.Context, m events.Mode) ([]store.EarlierDay, error)
	EarlierRows(ctx context.Context, m events.Mode, from, to events.Date) ([]store.EarlierRow, error)
}

// Errors of Enter.
var (
	// ErrNoRoom says that the log has too little room for the rows.
	ErrNoRoom = errors.New("the log has too little room")
	// ErrSilent says that a reading of the source did not come to its end in
	// time.
	ErrSilent = errors.New("the older database did not answer in time: it is locked or very busy, or the line to it is dead")
)

// Options say how the tables are to be understood.
type Options struct {
	// Zone is that of the times in the tables, which have none; nil: UTC.
	Zone *time.Location
	Now  func() time.Time // nil: time.Now
	// RowsOnly leaves the outlets alone.
	RowsOnly bool
	// DryRun enters nothing: the report counts the rows that would be entered.
	DryRun bool
	// Registered, where set, tells whether an outlet is registered, by
	// events.Key; rows of others are counted in Report.Unregistered, and with
	// RegisteredOnly not entered.
	Registered     func(key string) bool
	RegisteredOnly bool
	// Until, where set, is the last scan date that is entered.
	Until events.Date
	// Room tells, with an error that is ErrNoRoom, that the log must not grow by
	// so many bytes now; nil: it is not asked. It is asked before anything is
	// entered, and again and again: others write the log too.
	Room func(ctx context.Context, bytes int64) error
	// ReadTimeout bounds one reading of the source; 0: 10 minutes, since its
	// tables may be large.
	ReadTimeout time.Duration
	// Progress is told how far it is, now and then, by one goroutine at a
	// time; nil: nobody.
	Progress func(Report)
}

const (
	writers = 64 // at once: each append waits for its fsync
	// appendTimeout bounds the writing of one event: a log that has gone away is
	// not waited for.
	appendTimeout = 30 * time.Second
	// chunkRows is about how many rows are read at a time.
	chunkRows = 20_000
	// tellRows is how many rows pass between two words about the progress.
	tellRows = 500
	// partRows is how many rows are entered between two looks at the room.
	partRows = 1000

	readTimeout = 10 * time.Minute
)

// Enter enters what src holds. Errors: ErrNoRoom, ErrSilent, the source's and the
// log's, as events.ErrFull; what was entered until then stays.
func Enter(ctx context.Context, src Source, log *events.Log, o Options) (Report, error) {
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.ReadTimeout = cmp.Or(o.ReadTimeout, readTimeout)
	e := &entering{src: src, log: log, options: o, at: o.Now().UTC()}
	err := e.run(ctx)
	return e.report, err
}

// entering is one run of Enter.
type entering struct {
	src     Source
	log     *events.Log
	options Options
	at      time.Time

	mu     sync.Mutex
	report Report
	bytes  int64 // that the rows of a dry run would take in the log
}

func (e *entering) count(change func(*Report)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change(&e.report)
	if done := e.report.Done(); done%tellRows == 0 && done > 0 && e.options.Progress != nil {
		e.options.Progress(e.report)
	}
}

func (e *entering) tell() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.options.Progress != nil {
		e.options.Progress(e.report)
	}
}

func (e *entering) run(ctx context.Context) error {
	if !e.options.RowsOnly && !e.options.DryRun {
		outlets, err := read(ctx, e, "outlets", e.src.EarlierOutlets)
		if err != nil {
			return err
		}
		if err := each(ctx, outlets, e.outlet); err != nil {
			return err
		}
	}
	days, err := e.days(ctx)
	if err != nil || e.report.Total == 0 {
		return err
	}
	known, err := knownRows(ctx, e.log)
	if err != nil {
		return err
	}
	// Those that are known may all be of this source, or all of others: what is
	// begun here may still end for want of room.
	if !e.options.DryRun && !e.options.RegisteredOnly {
		if err := e.room(ctx, int64(max(0, e.report.Total-known.len()))*leastBytes); err != nil {
			return err
		}
	}
	for _, m := range events.Modes() {
		for _, c := range chunks(days[m]) {
			err := e.chunk(ctx, m, c, known)
			e.tell()
			if err != nil {
				return err
			}
		}
	}
	if e.options.DryRun {
		return e.room(ctx, e.bytes)
	}
	return nil
}

// days counts the rows.
func (e *entering) days(ctx context.Context) (map[events.Mode][]store.EarlierDay, error) {
	days := map[events.Mode][]store.EarlierDay{}
	total := 0
	for _, m := range events.Modes() {
		var err error
		days[m], err = read(ctx, e, "scan dates", func(ctx context.Context) ([]store.EarlierDay, error) { return e.src.EarlierDays(ctx, m) })
		if err != nil {
			return nil, err
		}
		for _, d := range days[m] {
			total += d.Rows
		}
	}
	e.count(func(r *Report) { r.Total = total })
	e.tell()
	return days, nil
}

// outlet enters one registration. Of an outlet that the log has, also under
// another spelling, the log wins.
func (e *entering) outlet(ctx context.Context, o store.EarlierOutlet) error {
	code, err := events.CleanCode(o.Code)
	if err != nil {
		e.count(func(r *Report) { r.SkippedOutlets++; r.leave(fmt.Sprintf("outlet %q", o.Code), err) })
		return nil
	}
	changed := events.OutletChanged{
		Code: code, Address: strings.TrimSpace(safe(store.ReadText(o.Address))), Name: strings.TrimSpace(safe(store.ReadText(o.Name))), Active: o.Active,
		Source: events.SourceDB, ChangedBy: events.ActorDatabase, ChangedAt: e.at,
	}
	ctx, cancel := context.WithTimeout(ctx, appendTimeout)
	defer cancel()
	_, err = e.log.Write(ctx, changed, 0)
	switch {
	case err == nil:
		e.count(func(r *Report) { r.Outlets++ })
	case isConflict(err):
		e.count(func(r *Report) { r.KnownOutlets++ })
	default:
		return fmt.Errorf("enter outlet %s: %w", code, err)
	}
	return nil
}

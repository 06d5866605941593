// Package adoption enters into the log what a database of the original system
// holds from before the log: its outlets and its rows. Doing it again, or
// beginning anew after it was interrupted, does no harm: an outlet that the log
// knows stays as the log has it, and each row has one id for ever.
package adoption

import (
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

// ErrNoRoom says that the log has too little room for the rows.
var ErrNoRoom = errors.New("the log has too little room")

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
	// Room is how many bytes the log may grow by at most; 0: it is not looked
	// at.
	Room int64
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
	// rowBytes is about what a row takes in the log; measured: 638 with a file
	// name of 44 characters.
	rowBytes = 700
)

// Enter enters what src holds. Errors: the source's and the log's, as
// events.ErrFull, after which what was entered until then stays; ErrNoRoom,
// before anything was entered.
func Enter(ctx context.Context, src Source, log *events.Log, o Options) (Report, error) {
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Now == nil {
		o.Now = time.Now
	}
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
		outlets, err := e.src.EarlierOutlets(ctx)
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
	if need := int64(max(0, e.report.Total-known.len())) * rowBytes; e.options.Room > 0 && need > e.options.Room {
		return fmt.Errorf("%w: %d rows need up to %d bytes, and %d are left", ErrNoRoom, e.report.Total, need, e.options.Room)
	}
	for _, m := range events.Modes() {
		for _, c := range chunks(days[m]) {
			rows, err := e.src.EarlierRows(ctx, m, c.from, c.to)
			if err != nil {
				return err
			}
			err = each(ctx, rows, func(ctx context.Context, r store.EarlierRow) error { return e.row(ctx, m, r, known) })
			e.tell()
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// days counts the rows.
func (e *entering) days(ctx context.Context) (map[events.Mode][]store.EarlierDay, error) {
	days := map[events.Mode][]store.EarlierDay{}
	total := 0
	for _, m := range events.Modes() {
		var err error
		if days[m], err = e.src.EarlierDays(ctx, m); err != nil {
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
		Code: code, Address: strings.TrimSpace(store.ReadText(o.Address)), Name: strings.TrimSpace(store.ReadText(o.Name)), Active: o.Active,
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

var errFuture = errors.New("its scan date is in the future")

// row enters one row of a stat table.
func (e *entering) row(ctx context.Context, m events.Mode, r store.EarlierRow, known *rowSet) error {
	event, err := eventOf(m, r, e.options.Zone)
	if err == nil && e.options.Until != "" && event.ScanDate > e.options.Until {
		err = errFuture
	}
	if err != nil {
		what := fmt.Sprintf("row of outlet %q on %s", r.Outlet, r.ScanDate)
		e.count(func(r *Report) { r.Skipped++; r.leave(what, err) })
		return nil
	}
	if e.isStranger(event.Outlet) && e.options.RegisteredOnly {
		e.count(func(r *Report) { r.Strange++ })
		return nil
	}
	switch known.add(events.HistoryID(m, event.Outlet, event.ScanDate)) {
	case inLog:
		e.count(func(r *Report) { r.KnownRows++ })
		return nil
	case addedBefore:
		e.count(func(r *Report) { r.Twice++ })
		return nil
	}
	if !e.options.DryRun {
		ctx, cancel := context.WithTimeout(ctx, appendTimeout)
		defer cancel()
		event.ImportedAt = e.at
		if _, _, err := e.log.Append(ctx, event); err != nil {
			return fmt.Errorf("enter the row of outlet %s on %s: %w", event.Outlet, event.ScanDate, err)
		}
	}
	e.count(func(r *Report) { r.Rows++ })
	return nil
}

// isStranger tells whether an outlet is not registered, and counts its rows.
func (e *entering) isStranger(outlet string) bool {
	if e.options.Registered == nil || e.options.Registered(events.Key(outlet)) {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.report.Unregistered == nil {
		e.report.Unregistered = map[string]int{}
	}
	e.report.Unregistered[outlet]++
	return true
}

// eventOf is the event of a row. Its texts are the row's own; whoever reads
// the event understands the words of older versions.
func eventOf(m events.Mode, r store.EarlierRow, zone *time.Location) (events.HistoryImported, error) {
	code, err := events.CleanCode(r.Outlet)
	if err != nil {
		return events.HistoryImported{}, err
	}
	date, err := events.ParseDate(string(r.ScanDate))
	if err != nil {
		return events.HistoryImported{}, err
	}
	return events.HistoryImported{
		Outlet: code, Mode: m, ScanDate: date, Status: events.Status(strings.TrimSpace(r.Status)), LastBackupTaken: inZone(r.LastBackupTaken, zone),
		BackupFile: r.BackupFile, BackupFileSize: r.BackupFileSize, Duration: r.Duration, ErrorDetails: r.ErrorDetails, DriveLetter: r.DriveLetter,
	}, nil
}

// inZone reads the clock of a time that has no zone.
func inZone(t *time.Time, zone *time.Location) *time.Time {
	if t == nil {
		return nil
	}
	at := time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), zone).UTC()
	return &at
}

// chunk is a span of scan dates that is read at once.
type chunk struct{ from, to events.Date }

func chunks(days []store.EarlierDay) []chunk {
	var all []chunk
	rows := 0
	for _, d := range days {
		if len(all) == 0 || rows+d.Rows > chunkRows {
			all, rows = append(all, chunk{from: d.ScanDate}), 0
		}
		all[len(all)-1].to = d.ScanDate
		rows += d.Rows
	}
	return all
}

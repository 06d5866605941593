package adoption

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
	"backupmonitor/services/internal/verdict"
)

const (
	// leastBytes is less than any row takes in the log, and storeBytes more than
	// the log adds to a message; measured of a row without texts: 435, 64 of them
	// added.
	leastBytes = 400
	storeBytes = 100

	// longestText is more than any table shows of a text, and so little that a row
	// always fits into one message of the log.
	longestText = 4000
)

// read reads from the source within its time.
func read[T any](ctx context.Context, e *entering, what string, f func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, e.options.ReadTimeout, ErrSilent)
	defer cancel()
	v, err := f(ctx)
	if err != nil && errors.Is(context.Cause(ctx), ErrSilent) {
		err = fmt.Errorf("read its %s, for %s: %w: %w", what, e.options.ReadTimeout, ErrSilent, err)
	}
	return v, err
}

// room tells whether there is room for so many bytes. Errors: ErrNoRoom.
func (e *entering) room(ctx context.Context, bytes int64) error {
	if e.options.Room == nil {
		return nil
	}
	return e.options.Room(ctx, bytes)
}

// row is a row that the log has not, and what it takes there at most.
type row struct {
	events.HistoryImported
	bytes int64
}

// chunk enters the rows of a span that the log has not.
func (e *entering) chunk(ctx context.Context, m events.Mode, c chunk, known *rowSet) error {
	rows, err := read(ctx, e, "rows", func(ctx context.Context) ([]store.EarlierRow, error) { return e.src.EarlierRows(ctx, m, c.from, c.to) })
	if err != nil {
		return err
	}
	var missing []row
	for _, r := range rows {
		if one, ok := e.missing(m, r, known); ok {
			missing = append(missing, one)
		}
	}
	for part := range slices.Chunk(missing, partRows) {
		if err := e.part(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

// part enters rows if there is room for all of them.
func (e *entering) part(ctx context.Context, rows []row) error {
	var need int64
	for _, r := range rows {
		need += r.bytes
	}
	if e.options.DryRun {
		e.bytes += need
		e.count(func(r *Report) { r.Rows += len(rows) })
		return nil
	}
	if err := e.room(ctx, need); err != nil {
		return err
	}
	return each(ctx, rows, e.enter)
}

func (e *entering) enter(ctx context.Context, r row) error {
	ctx, cancel := context.WithTimeout(ctx, appendTimeout)
	defer cancel()
	if _, _, err := e.log.Append(ctx, r.HistoryImported); err != nil {
		return fmt.Errorf("enter the row of outlet %s on %s: %w", r.Outlet, r.ScanDate, err)
	}
	e.count(func(r *Report) { r.Rows++ })
	return nil
}

var (
	errFuture = errors.New("its scan date is in the future")
	errNoDay  = errors.New("it has no scan date that can be read")
)

// missing is a row of a stat table as it is to be entered; not ok: it is not to
// be, and was counted. What the log has is not encoded again to find that out.
func (e *entering) missing(m events.Mode, r store.EarlierRow, known *rowSet) (one row, ok bool) {
	event, err := eventOf(m, r, e.options.Zone)
	if err == nil && e.options.Until != "" && event.ScanDate > e.options.Until {
		err = errFuture
	}
	if err != nil {
		return e.skip(r, err)
	}
	if e.isStranger(event.Outlet) && e.options.RegisteredOnly {
		e.count(func(r *Report) { r.Strange++ })
		return row{}, false
	}
	switch known.add(events.HistoryID(m, event.Outlet, event.ScanDate)) {
	case inLog:
		e.count(func(r *Report) { r.KnownRows++ })
		return row{}, false
	case addedBefore:
		e.count(func(r *Report) { r.Twice++ })
		return row{}, false
	}
	event.ImportedAt = e.at
	message, err := events.Encode("/backup-monitor/command-line", e.at, event)
	if err != nil {
		return e.skip(r, err)
	}
	return row{event, int64(message.Size()) + storeBytes}, true
}

// skip counts a row that is left out, and why.
func (e *entering) skip(r store.EarlierRow, why error) (row, bool) {
	what := fmt.Sprintf("row of outlet %q", r.Outlet)
	if r.ScanDate != "" {
		what += " on " + string(r.ScanDate)
	}
	e.count(func(r *Report) { r.Skipped++; r.leave(what, why) })
	return row{}, false
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

// safe is a text as tables, files and terminals may show it: whoever wrote it may
// have had it from an outlet. A line break of it becomes a blank, and what is
// endless is cut.
func safe(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		return r
	}, text)
	return store.Fit(verdict.Printable(text), longestText)
}

// eventOf is the event of a row. Its texts are the row's own, made safe; whoever
// reads the event understands the words of older versions.
func eventOf(m events.Mode, r store.EarlierRow, zone *time.Location) (events.HistoryImported, error) {
	code, err := events.CleanCode(r.Outlet)
	if err != nil {
		return events.HistoryImported{}, err
	}
	if r.ScanDate == "" {
		return events.HistoryImported{}, errNoDay
	}
	date, err := events.ParseDate(string(r.ScanDate))
	if err != nil {
		return events.HistoryImported{}, err
	}
	return events.HistoryImported{
		Outlet: code, Mode: m, ScanDate: date, Status: events.Status(safe(strings.TrimSpace(r.Status))), LastBackupTaken: inZone(r.LastBackupTaken, zone),
		BackupFile: safe(r.BackupFile), BackupFileSize: safe(r.BackupFileSize), Duration: safe(r.Duration),
		ErrorDetails: safe(r.ErrorDetails), DriveLetter: safe(r.DriveLetter),
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

// chunk is a span of scan dates that is read at once. The rows of no day are
// a chunk of their own.
type chunk struct{ from, to events.Date }

func chunks(days []store.EarlierDay) []chunk {
	var all []chunk
	rows := 0
	for _, d := range days {
		if len(all) == 0 || d.ScanDate == "" || all[len(all)-1].to == "" || rows+d.Rows > chunkRows {
			all, rows = append(all, chunk{from: d.ScanDate}), 0
		}
		all[len(all)-1].to = d.ScanDate
		rows += d.Rows
	}
	return all
}

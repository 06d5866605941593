package store

import (
	"context"
	"time"

	"backupmonitor/events"
)

// Past is what a back end reads of its history: what was known at *q.AsOf,
// which never changes any more. So its methods may read at different moments.
type Past interface {
	// KeptDays are the scan dates of q.Mode from q.From to q.To, newest first,
	// with what is kept of their counts.
	KeptDays(ctx context.Context, q Query) ([]KeptDay, error)
	// DaysThen folds the history of q's mode, outlet and dates and counts it by
	// scan date, newest first.
	DaysThen(ctx context.Context, q Query) ([]DaySummary, error)
	// RowsThen folds it likewise, and gives the rows that q selects, in the
	// order of Backend.Rows, without regard to q.Limit and q.Offset.
	RowsThen(ctx context.Context, q Query) ([]Row, error)
}

// KeptDay is a scan date with its counts, where these are those of rows that
// all stand in the history so, and rest on sequences up to LastSeq. Each of them
// is the best of all looks, so that from LastSeq on it was the best already: the
// counts are those as of LastSeq and every later moment. A LastSeq of 0 says
// that nothing is kept.
type KeptDay struct {
	DaySummary
	LastSeq uint64
}

// spanRows is about how many rows of the past are read before the first is
// handed on. Days are not split.
const spanRows = 5000

// RowsAsOf hands on the rows as of *q.AsOf. Days that a page begins after are
// passed over by their counts.
func RowsAsOf(ctx context.Context, p Past, q Query, each func(Row) error) error {
	if *q.AsOf == 0 {
		return nil
	}
	s := span{past: p, query: q, offset: q.Offset, left: q.Limit, each: each}
	if q.Outlet != "" { // its rows are few
		s.from, s.to, s.open = q.From, q.To, true
		return s.read(ctx)
	}
	every := q
	every.Limit = 0
	err := daysAsOf(ctx, p, every, func(d DaySummary) (bool, error) {
		n := q.rowsOf(d)
		if n == 0 {
			return true, nil
		}
		if q.Cause == "" && !s.open && n <= s.offset {
			s.offset -= n
			return true, nil
		}
		if s.add(d.ScanDate, n); s.rows < spanRows && (q.Limit == 0 || s.rows < s.offset+s.left) {
			return true, nil
		}
		err := s.read(ctx)
		return q.Limit == 0 || s.left > 0, err
	})
	if err == nil && s.open {
		err = s.read(ctx)
	}
	return err
}

// rowsOf is how many rows of a day q selects, or more than that where it asks
// for a cause.
func (q *Query) rowsOf(d DaySummary) int {
	switch q.Status {
	case "":
		return d.Total
	case events.Successful:
		return d.Successful
	}
	return d.Failed
}

// span is a walk through the past, some days at a time.
type span struct {
	past         Past
	query        Query
	offset, left int // rows still to pass over, and to hand on where query.Limit says so
	each         func(Row) error

	from, to events.Date // read next, where open
	open     bool
	rows     int
}

func (s *span) add(d events.Date, rows int) {
	if !s.open {
		s.open, s.to, s.rows = true, d, 0
	}
	s.from = d
	s.rows += rows
}

// read reads the span and begins a new one.
func (s *span) read(ctx context.Context) error {
	q := s.query
	q.From, q.To = s.from, s.to
	s.open = false
	rows, err := s.past.RowsThen(ctx, q)
	if err != nil {
		return err
	}
	skip := min(s.offset, len(rows))
	s.offset, rows = s.offset-skip, rows[skip:]
	if q.Limit > 0 {
		rows = rows[:min(s.left, len(rows))]
		s.left -= len(rows)
	}
	for _, r := range rows {
		if err := s.each(r); err != nil {
			return err
		}
	}
	return nil
}

// DaysAsOf counts the rows as of *q.AsOf by scan date, newest first.
func DaysAsOf(ctx context.Context, p Past, q Query) (days []DaySummary, err error) {
	if *q.AsOf == 0 {
		return nil, nil
	}
	if q.Outlet != "" {
		days, err = p.DaysThen(ctx, q)
		if q.Limit > 0 {
			days = days[:min(q.Limit, len(days))]
		}
		return days, err
	}
	err = daysAsOf(ctx, p, q, func(d DaySummary) (bool, error) {
		days = append(days, d)
		return len(days) != q.Limit, nil
	})
	return days, err
}

// daysAsOf hands on the days that had rows as of *q.AsOf, until each wants no
// more. Only the days on which a row rests on a later look are folded.
func daysAsOf(ctx context.Context, p Past, q Query, each func(DaySummary) (more bool, err error)) error {
	kept, err := p.KeptDays(ctx, q)
	if err != nil {
		return err
	}
	for _, k := range kept {
		then := []DaySummary{k.DaySummary}
		if k.LastSeq == 0 || k.LastSeq > *q.AsOf {
			day := q
			day.From, day.To = k.ScanDate, k.ScanDate
			if then, err = p.DaysThen(ctx, day); err != nil {
				return err
			}
		}
		for _, d := range then {
			if more, err := each(d); err != nil || !more {
				return err
			}
		}
	}
	return nil
}

// LatestAsOf is the latest scan date until last that was known at seq, "" for
// none.
func LatestAsOf(ctx context.Context, p Past, m events.Mode, seq uint64, last events.Date) (events.Date, error) {
	days, err := DaysAsOf(ctx, p, Query{Mode: m, To: last, AsOf: &seq, Limit: 1})
	if err != nil || len(days) == 0 {
		return "", err
	}
	return days[0].ScanDate, nil
}

// SearchSequence is the last sequence of the history that was stored by t, 0
// without one: a binary search, because the log stores its events one after
// the other. last is the last sequence that there is; next gives the first one
// from another on, which must not be after last.
func SearchSequence(last uint64, t time.Time, next func(from uint64) (seq uint64, stored time.Time, err error)) (uint64, error) {
	// Every look up to found was stored by t, and none from low on is known to be.
	found, low, high := uint64(0), uint64(1), last
	for low <= high {
		middle := low + (high-low)/2
		seq, stored, err := next(middle)
		if err != nil {
			return 0, err
		}
		if stored.After(t) {
			high = middle - 1
		} else {
			found, low = seq, seq+1
		}
	}
	return found, nil
}

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

// keeps tells whether the counts are those as of seq.
func (d KeptDay) keeps(seq uint64) bool { return d.LastSeq > 0 && d.LastSeq <= seq }

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
		s.from, s.to = q.From, q.To
		return s.read(ctx)
	}
	days, err := p.KeptDays(ctx, q)
	if err != nil {
		return err
	}
	for _, d := range days {
		n, err := s.counted(ctx, d)
		if err != nil {
			return err
		}
		if n == 0 {
			continue
		}
		s.add(d.ScanDate, n)
		if s.rows < spanRows && (q.Limit == 0 || s.rows < s.offset+s.left) {
			continue
		}
		if err := s.read(ctx); err != nil || q.Limit > 0 && s.left == 0 {
			return err
		}
	}
	if s.rows > 0 {
		return s.read(ctx)
	}
	return nil
}

// span is a walk through the past, some days at a time.
type span struct {
	past         Past
	query        Query
	offset, left int // rows still to pass over, and to hand on where query.Limit says so
	each         func(Row) error

	from, to events.Date // read next, if there are rows
	rows     int
}

// counted is how many rows of a day to read, at the most; 0 where the page
// begins after it. Nothing is folded only to be counted, but for that.
func (s *span) counted(ctx context.Context, d KeptDay) (int, error) {
	passing := s.rows == 0 && s.offset > 0 && s.query.Cause == ""
	then := []DaySummary{d.DaySummary}
	if !d.keeps(*s.query.AsOf) {
		if !passing {
			return spanRows, nil
		}
		q := s.query
		q.From, q.To = d.ScanDate, d.ScanDate
		var err error
		if then, err = s.past.DaysThen(ctx, q); err != nil || len(then) == 0 {
			return 0, err
		}
	}
	n := then[0].Failed
	switch s.query.Status {
	case "":
		n = then[0].Total
	case events.Successful:
		n = then[0].Successful
	}
	if passing && n <= s.offset {
		s.offset -= n
		return 0, nil
	}
	return n, nil
}

func (s *span) add(d events.Date, rows int) {
	if s.rows == 0 {
		s.to = d
	}
	s.from = d
	s.rows += rows
}

// read reads the span and begins a new one.
func (s *span) read(ctx context.Context) error {
	q := s.query
	q.From, q.To = s.from, s.to
	s.rows = 0
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

// DaysAsOf counts the rows as of *q.AsOf by scan date, newest first. Only the
// days on which a row rests on a later look are folded.
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
	kept, err := p.KeptDays(ctx, q)
	if err != nil {
		return nil, err
	}
	for _, k := range kept {
		if q.Limit > 0 && len(days) == q.Limit {
			break
		}
		if k.keeps(*q.AsOf) {
			days = append(days, k.DaySummary)
			continue
		}
		q.From, q.To = k.ScanDate, k.ScanDate
		then, err := p.DaysThen(ctx, q)
		if err != nil {
			return nil, err
		}
		days = append(days, then...)
	}
	return days, nil
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

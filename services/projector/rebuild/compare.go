package rebuild

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// pageLines is how many lines of history, and pageQuarantined how many
// quarantined events, which may have a megabyte each, are read at once.
const (
	pageLines       = 2000
	pageQuarantined = 16
)

// comparison compares the tables with a fold of the log, and keeps what is to
// be put right: where it is, not what.
type comparison struct {
	inTable, fromLog store.Tables
	progress         Progress
	seen             uint64 // rows
	tables           []Table

	days        map[day]map[string]bool // keys of the outlets whose rows are wrong
	lines       []span                  // of the history
	outlets     map[string]bool         // keys
	quarantined []uint64
	released    []uint64 // in quarantine though they can be read
}

type day struct {
	mode events.Mode
	date events.Date
}

// span is sequences between which the log has no line that is right.
type span struct{ from, to uint64 }

func compare(ctx context.Context, inTable, fromLog store.Tables, progress Progress) (*comparison, error) {
	c := &comparison{inTable: inTable, fromLog: fromLog, progress: progress, days: map[day]map[string]bool{}, outlets: map[string]bool{}}
	for _, m := range events.Modes() {
		if err := c.rows(ctx, m); err != nil {
			return nil, fmt.Errorf("compare the rows of %s: %w", m, err)
		}
	}
	for what, f := range map[string]func(context.Context) error{"outlets": c.registrations, "quarantine": c.quarantine, "history": c.history} {
		if err := f(ctx); err != nil {
			return nil, fmt.Errorf("compare the %s: %w", what, err)
		}
	}
	order := []string{TableDDrive, TableIBStorage, TableHistory, TableOutlets, TableQuarantine}
	slices.SortFunc(c.tables, func(a, b Table) int {
		return cmp.Compare(slices.Index(order, a.Name), slices.Index(order, b.Name))
	})
	return c, nil
}

// saw tells of n rows more.
func (c *comparison) saw(n int) {
	c.seen += uint64(n)
	c.progress("comparing", c.seen, 0)
}

func (c *comparison) wrongRow(m events.Mode, d events.Date, key string) {
	at := day{m, d}
	if c.days[at] == nil {
		c.days[at] = map[string]bool{}
	}
	c.days[at][key] = true
}

func tableOf(m events.Mode) string {
	if m == events.IBStorage {
		return TableIBStorage
	}
	return TableDDrive
}

// rows compares the rows of a mode, a day at a time.
func (c *comparison) rows(ctx context.Context, m events.Mode) error {
	t := newTally(tableOf(m), func(l *store.Look) string { return fmt.Sprintf("%s on %s", l.Outlet, l.ScanDate) })
	dates, err := c.inTable.ScanDates(ctx, m)
	if err != nil {
		return err
	}
	more, err := c.fromLog.ScanDates(ctx, m)
	if err != nil {
		return err
	}
	dates = slices.Compact(slices.Sorted(slices.Values(append(dates, more...))))
	for _, d := range dates {
		in, err := c.inTable.DayRows(ctx, m, d)
		if err != nil {
			return err
		}
		from, err := c.fromLog.DayRows(ctx, m, d)
		if err != nil {
			return err
		}
		c.day(t, d, m, in, from)
		c.saw(len(in) + len(from))
	}
	c.tables = append(c.tables, t.done())
	return nil
}

// day compares the rows of one day. Of several rows of one outlet, as other
// programs may have left them under other spellings, the one that comes from
// the log is compared, or else the first.
func (c *comparison) day(t *tally[*store.Look], d events.Date, m events.Mode, in, from []store.Look) {
	beside(in, from, func(l *store.Look) (string, uint64) { return l.Outlet, l.Seq }, func(key string, in, from *store.Look) {
		if t.pair(in, from) {
			c.wrongRow(m, d, key)
		}
	})
}

// beside hands on, by outlet, the rows that both sides have of it, nil where
// one has none. Of several on one side those of the latest event come first.
func beside[T any](in, from []T, of func(*T) (code string, seq uint64), each func(key string, in, from *T)) {
	both := map[string]*[2][]*T{}
	var keys []string
	for side, rows := range [][]T{in, from} {
		for i := range rows {
			code, _ := of(&rows[i])
			key := events.Key(code)
			if both[key] == nil {
				both[key] = &[2][]*T{}
				keys = append(keys, key)
			}
			both[key][side] = append(both[key][side], &rows[i])
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		rows := both[key]
		for _, side := range rows {
			slices.SortFunc(side, func(a, b *T) int {
				codeA, seqA := of(a)
				codeB, seqB := of(b)
				return cmp.Or(cmp.Compare(seqB, seqA), cmp.Compare(codeA, codeB))
			})
		}
		for i := range max(len(rows[0]), len(rows[1])) {
			each(key, nth(rows[0], i), nth(rows[1], i))
		}
	}
}

func nth[T any](list []*T, i int) *T {
	if i < len(list) {
		return list[i]
	}
	return nil
}

// history compares line by line. Of a line that is wrong the day's row is put
// right too: an event whose line is missing may have been folded twice.
func (c *comparison) history(ctx context.Context) error {
	t := newTally(TableHistory, func(l *store.Look) string {
		return fmt.Sprintf("event %d: %s %s on %s", l.Seq, l.Outlet, l.Mode, l.ScanDate)
	})
	lines := func(from store.Tables) *pages[store.Look] {
		return &pages[store.Look]{size: pageLines, read: from.Lines, seq: func(l *store.Look) uint64 { return l.Seq }}
	}
	wrong := false // the line before was
	err := merge(ctx, lines(c.inTable), lines(c.fromLog), func(in, from *store.Look) {
		if c.seen++; c.seen%pageLines == 0 {
			c.saw(0)
		}
		was := wrong
		wrong = t.pair(in, from)
		switch {
		case from == nil:
			wrong = was // of the log's lines none is right in between
		case wrong && was:
			c.lines[len(c.lines)-1].to = from.Seq
		case wrong:
			c.lines = append(c.lines, span{from.Seq, from.Seq})
		}
		if wrong && from != nil {
			c.wrongRow(from.Mode, from.ScanDate, events.Key(from.Outlet))
		}
	})
	c.tables = append(c.tables, t.done())
	return err
}

func (c *comparison) registrations(ctx context.Context) error {
	t := newTally(TableOutlets, func(o *store.Outlet) string { return o.Code })
	in, err := c.inTable.Registrations(ctx)
	if err != nil {
		return err
	}
	from, err := c.fromLog.Registrations(ctx)
	if err != nil {
		return err
	}
	beside(in, from, func(o *store.Outlet) (string, uint64) { return o.Code, o.Seq }, func(key string, in, from *store.Outlet) {
		if t.pair(in, from) {
			c.outlets[key] = true
		}
	})
	c.saw(len(in) + len(from))
	c.tables = append(c.tables, t.done())
	return nil
}

// quarantine compares the quarantines. An event that the log's fold does not
// set aside can be read by this version, and leaves.
func (c *comparison) quarantine(ctx context.Context) error {
	t := newTally(TableQuarantine, func(q *store.Quarantined) string { return fmt.Sprintf("event %d on %s", q.Seq, q.Subject) })
	events := func(from store.Tables) *pages[store.Quarantined] {
		return &pages[store.Quarantined]{size: pageQuarantined, read: from.QuarantinedAfter, seq: func(q *store.Quarantined) uint64 { return q.Seq }}
	}
	err := merge(ctx, events(c.inTable), events(c.fromLog), func(in, from *store.Quarantined) {
		switch {
		case t.pair(in, from):
			c.quarantined = append(c.quarantined, from.Seq)
		case from == nil:
			c.released = append(c.released, in.Seq)
			t.readable()
		}
	})
	c.tables = append(c.tables, t.done())
	return err
}

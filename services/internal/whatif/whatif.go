// Package whatif judges the log again by another policy and tells which days
// of which outlets would have another row. It writes nothing.
//
// It goes by the facts that each look carries. A look lists the newest 16 files
// of the patterns of its day, so that patterns which name other files than
// those find none.
package whatif

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/verdict"
)

// Override is what another policy has in place of the one a look was judged
// by; nil fields stay as they were.
type Override struct {
	MaxAge   *time.Duration // 0 turns the age rule off
	MinSize  *int64         // bytes
	Patterns []string
}

// Empty tells whether nothing would be another.
func (o Override) Empty() bool { return o.MaxAge == nil && o.MinSize == nil && o.Patterns == nil }

// apply changes the policy of a look. An outlet's own max age stands.
func (o Override) apply(p events.Policy, ownMaxAge bool) events.Policy {
	if o.MaxAge != nil && !ownMaxAge {
		p.MaxAgeSeconds = int64(*o.MaxAge / time.Second)
	}
	if o.MinSize != nil {
		p.MinSizeBytes = *o.MinSize
	}
	if o.Patterns != nil {
		p.Patterns = o.Patterns
	}
	return p
}

// Options say what is judged.
type Options struct {
	Override Override
	From, To events.Date // scan dates, both included; "" is no bound
	// OwnMaxAge tells whether an outlet, by events.Key, has a max age of its own.
	OwnMaxAge func(key string) bool
	// Most is how many changes are listed; the counts are of all. 0: all.
	Most int
	// Progress, where set, is called now and then with how many records are
	// read and how many are still to come.
	Progress func(read, pending uint64)
}

// Source is the log from where the first look for From can be on, up to its
// end. events.Feed is one.
type Source interface {
	Next(ctx context.Context) (events.Record, error)
}

// Outcome is what a row says.
type Outcome struct {
	Status events.Status `json:"status"`
	Cause  events.Cause  `json:"cause"`
	Detail string        `json:"detail,omitempty"`
}

// Change is a row that would be another.
type Change struct {
	Outlet   string      `json:"outlet"`
	Mode     events.Mode `json:"mode"`
	ScanDate events.Date `json:"scanDate"`
	Before   Outcome     `json:"before"`
	After    Outcome     `json:"after"`
}

// Group counts the changes that are alike.
type Group struct {
	Mode   events.Mode  `json:"mode"`
	Before events.Cause `json:"before"`
	After  events.Cause `json:"after"`
	Count  int          `json:"count"`
}

// Report is what would change.
type Report struct {
	Looks   int      // judged anew
	Days    int      // rows, of an outlet, a mode and a scan date
	Changed int      // of these
	Groups  []Group  // the largest first
	Changes []Change // by scan date, the newest first, outlet and mode; at most Most
}

type day struct {
	key  string
	mode events.Mode
	date events.Date
}

// standing is the best look at a day so far.
type standing struct {
	outcome  Outcome
	evidence events.Evidence
	seq      uint64
}

func (s *standing) take(o Outcome, evidence events.Evidence, seq uint64) {
	if s.seq == 0 || evidence > s.evidence || evidence == s.evidence && seq > s.seq {
		*s = standing{o, evidence, seq}
	}
}

type row struct {
	outlet        string
	before, after standing
}

// Judge reads source until a record says that nothing is pending, and reports.
func Judge(ctx context.Context, source Source, o Options) (Report, error) {
	var report Report
	rows := map[day]*row{}
	for read := uint64(1); ; read++ {
		r, err := source.Next(ctx)
		if err != nil {
			return report, fmt.Errorf("judge the log again: %w", err)
		}
		if err := o.fold(rows, &report, r); err != nil {
			return report, err
		}
		if o.Progress != nil && (read%1000 == 0 || r.Pending == 0) {
			o.Progress(read, r.Pending)
		}
		if r.Pending == 0 {
			break
		}
	}
	report.Days = len(rows)
	report.sum(rows, o.Most)
	return report, nil
}

func (o *Options) fold(rows map[day]*row, report *Report, r events.Record) error {
	e, err := r.Decode()
	if errors.Is(err, events.ErrMalformed) || errors.Is(err, events.ErrUnknownType) {
		return nil // in quarantine, and in no row
	}
	if err != nil {
		return err
	}
	switch d := e.Data.(type) {
	case events.BackupObserved:
		if !o.wants(d.ScanDate) {
			return nil
		}
		report.Looks++
		key := events.Key(d.Outlet)
		policy := o.Override.apply(d.Verdict.Policy, o.OwnMaxAge != nil && o.OwnMaxAge(key))
		again := verdict.Judge(d, policy)
		row := rowOf(rows, day{key, d.Mode, d.ScanDate}, d.Outlet)
		row.before.take(outcome(d.Verdict), d.Verdict.Evidence, r.Seq)
		row.after.take(outcome(again), again.Evidence, r.Seq)
	case events.HistoryImported:
		if !o.wants(d.ScanDate) {
			return nil
		}
		row := rowOf(rows, day{events.Key(d.Outlet), d.Mode, d.ScanDate}, d.Outlet)
		row.before.take(Outcome{Status: d.Status}, events.EvidenceImported, r.Seq)
		row.after.take(Outcome{Status: d.Status}, events.EvidenceImported, r.Seq)
	}
	return nil
}

func (o *Options) wants(d events.Date) bool {
	return (o.From == "" || d >= o.From) && (o.To == "" || d <= o.To)
}

func rowOf(rows map[day]*row, d day, outlet string) *row {
	r, ok := rows[d]
	if !ok {
		r = &row{outlet: outlet}
		rows[d] = r
	}
	return r
}

func outcome(v events.Verdict) Outcome {
	return Outcome{Status: v.Status, Cause: v.Cause, Detail: v.Detail}
}

func (r *Report) sum(rows map[day]*row, most int) {
	counts := map[Group]int{}
	r.Groups, r.Changes = []Group{}, []Change{}
	for d, row := range rows {
		before, after := row.before.outcome, row.after.outcome
		if before.Status == after.Status && before.Cause == after.Cause {
			continue
		}
		r.Changed++
		counts[Group{Mode: d.mode, Before: before.Cause, After: after.Cause}]++
		r.Changes = append(r.Changes, Change{Outlet: row.outlet, Mode: d.mode, ScanDate: d.date, Before: before, After: after})
	}
	for g, n := range counts {
		g.Count = n
		r.Groups = append(r.Groups, g)
	}
	slices.SortFunc(r.Groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Mode, b.Mode), cmp.Compare(a.Before, b.Before), cmp.Compare(a.After, b.After))
	})
	slices.SortFunc(r.Changes, func(a, b Change) int {
		return cmp.Or(strings.Compare(string(b.ScanDate), string(a.ScanDate)),
			strings.Compare(events.Key(a.Outlet), events.Key(b.Outlet)), cmp.Compare(a.Mode, b.Mode))
	})
	if most > 0 && len(r.Changes) > most {
		r.Changes = r.Changes[:most]
	}
}

// Package whatif judges the log again by another policy and tells which days
// of which outlets would have another row. It writes nothing.
//
// It goes by the facts that each look carries. A look lists the newest 16 files
// of the patterns of its day, so that patterns which name other files than
// those find none.
package whatif

import (
	"cmp"
	"errors"
	"hash/maphash"
	"slices"
	"strings"

	"backupmonitor/events"
	"backupmonitor/services/internal/verdict"
)

// Options say what is judged.
type Options struct {
	Change   verdict.Change
	From, To events.Date // scan dates, both included; "" is no bound
	// MostLooks is how many records of the log may have to be read; 0: any
	// number.
	MostLooks uint64
	// Most is how many changes are listed; the counts are of all. 0: all.
	Most int
	// Progress, where set, is called now and then with how many records are
	// read and how many are still to come.
	Progress func(read, pending uint64)
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
	seen          []uint64 // hashes of the ids of its events
}

// isNew tells whether an event of the row was not there before: a repeated one
// says nothing.
func (r *row) isNew(seed maphash.Seed, id string) bool {
	h := maphash.String(seed, id)
	if slices.Contains(r.seen, h) {
		return false
	}
	r.seen = append(r.seen, h)
	return true
}

// judgment is one run over the log.
type judgment struct {
	Options
	ownMaxAge   func(key string) bool // whether an outlet has a max age of its own
	seed        maphash.Seed
	rows        map[day]*row
	report      Report
	read, total uint64
}

func newJudgment(o Options, ownMaxAge func(key string) bool) *judgment {
	return &judgment{Options: o, ownMaxAge: ownMaxAge, seed: maphash.MakeSeed(), rows: map[day]*row{}}
}

// add takes a record, in the order of the log.
func (j *judgment) add(r events.Record) error {
	if j.read++; j.Progress != nil && (j.read%1000 == 0 || j.read == j.total) {
		j.Progress(j.read, j.total-min(j.read, j.total))
	}
	if !isLook(r.Subject) {
		return nil
	}
	e, err := r.Decode()
	if errors.Is(err, events.ErrMalformed) || errors.Is(err, events.ErrUnknownType) {
		return nil // in quarantine, and in no row
	}
	if err != nil {
		return err
	}
	switch d := e.Data.(type) {
	case events.BackupObserved:
		j.look(r.Seq, e.ID, d)
	case events.HistoryImported:
		if !j.wants(d.ScanDate) {
			return nil
		}
		if row := j.row(d.Mode, d.ScanDate, d.Outlet); row.isNew(j.seed, e.ID) {
			row.before.take(Outcome{Status: d.Status}, events.EvidenceImported, r.Seq)
			row.after.take(Outcome{Status: d.Status}, events.EvidenceImported, r.Seq)
		}
	}
	return nil
}

func (j *judgment) look(seq uint64, id string, d events.BackupObserved) {
	if !j.wants(d.ScanDate) {
		return
	}
	row := j.row(d.Mode, d.ScanDate, d.Outlet)
	if !row.isNew(j.seed, id) {
		return
	}
	j.report.Looks++
	var own *int64
	if j.ownMaxAge(events.Key(d.Outlet)) {
		own = &d.Verdict.Policy.MaxAgeSeconds // as it was judged
	}
	again := verdict.Judge(d, j.Change.On(d.Verdict.Policy, own))
	row.before.take(outcome(d.Verdict), d.Verdict.Evidence, seq)
	row.after.take(outcome(again), again.Evidence, seq)
}

func (o Options) wants(d events.Date) bool {
	return (o.From == "" || d >= o.From) && (o.To == "" || d <= o.To)
}

func (j *judgment) row(m events.Mode, date events.Date, outlet string) *row {
	d := day{events.Key(outlet), m, date}
	r, ok := j.rows[d]
	if !ok {
		r = &row{outlet: outlet}
		j.rows[d] = r
	}
	return r
}

// done is what came of it.
func (j *judgment) done() Report {
	j.report.Days = len(j.rows)
	j.report.sum(j.rows, j.Most)
	return j.report
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

package scan

import (
	"maps"
	"slices"

	"backupmonitor/events"
)

// Progress is the fold of one scan's looks: pure, from the ScanStarted and the
// BackupObserved that follow in the log. It is not safe for concurrent use.
//
// Per outlet and mode the first look counts that was made for the scan's date
// and asked for at or after the scan's position. A look that ended as expired
// counts only for the scan that it belongs to, and for those attached to it.
type Progress struct {
	started events.ScanStarted
	modes   []events.Mode
	codes   []string                 // without duplicates, in the order of the ScanStarted
	open    map[string][]events.Mode // modes still missing, by events.Key
	counts  map[events.Mode]events.ModeCount
	last    string
	expired int
}

// NewProgress is the progress before the first look. With only given, the scan
// is seen in those of its modes alone.
func NewProgress(started events.ScanStarted, only ...events.Mode) *Progress {
	p := &Progress{
		started: started,
		open:    make(map[string][]events.Mode, len(started.Outlets)),
		counts:  make(map[events.Mode]events.ModeCount, len(started.Modes)),
	}
	for _, m := range started.Modes {
		if (len(only) == 0 || slices.Contains(only, m)) && !slices.Contains(p.modes, m) {
			p.modes = append(p.modes, m)
		}
	}
	for _, code := range started.Outlets {
		key := events.Key(code)
		if _, twice := p.open[key]; twice {
			continue
		}
		p.codes = append(p.codes, code)
		p.open[key] = slices.Clone(p.modes)
	}
	for _, m := range p.modes {
		p.counts[m] = events.ModeCount{Total: len(p.codes)}
	}
	if len(p.modes) == 0 {
		clear(p.open)
	}
	return p
}

// Apply folds one look and tells whether it counted.
func (p *Progress) Apply(o events.BackupObserved) bool {
	if !p.belongs(o) {
		return false
	}
	key := events.Key(o.Outlet)
	missing := p.open[key]
	i := slices.Index(missing, o.Mode)
	if i < 0 {
		return false
	}
	if missing = slices.Delete(missing, i, i+1); len(missing) == 0 {
		delete(p.open, key)
	} else {
		p.open[key] = missing
	}
	c := p.counts[o.Mode]
	if o.Verdict.Status == events.Successful {
		c.Successful++
	} else {
		c.Failed++
		if !o.Verdict.Conclusive {
			c.NotObserved++
		}
	}
	if o.Verdict.Cause == events.CauseExpired {
		p.expired++
	}
	p.counts[o.Mode] = c
	p.last = o.Outlet
	return true
}

// belongs tells whether a look was asked for by this scan or after it.
func (p *Progress) belongs(o events.BackupObserved) bool {
	if o.ScanDate != p.started.ScanDate || o.RequestPosition < p.started.Position() {
		return false
	}
	if o.Verdict.Cause != events.CauseExpired {
		return true
	}
	return o.ScanID == p.started.ScanID || p.started.AttachedTo != "" && o.ScanID == p.started.AttachedTo
}

// Started is what the progress was made from.
func (p *Progress) Started() events.ScanStarted { return p.started }

// Modes are the modes that are counted, in the scan's order.
func (p *Progress) Modes() []events.Mode { return slices.Clone(p.modes) }

// Count is the outcome so far in one mode, zero for a mode that is not counted.
func (p *Progress) Count(m events.Mode) events.ModeCount { return p.counts[m] }

// Counts is the outcome so far of each mode; the caller may keep it.
func (p *Progress) Counts() map[events.Mode]events.ModeCount {
	return maps.Clone(p.counts)
}

// Sum is the outcome so far over all counted modes: an outlet counts once in
// each.
func (p *Progress) Sum() events.ModeCount { return Sum(p.counts) }

// Total is how many looks the scan needs, over all counted modes.
func (p *Progress) Total() int { return p.Sum().Total }

// Completed is how many of them there are.
func (p *Progress) Completed() int { return p.Sum().Completed() }

// Missing are the modes in which an outlet of the scan has no look yet.
func (p *Progress) Missing(outlet string) []events.Mode {
	return slices.Clone(p.open[events.Key(outlet)])
}

// Open lists the outlets with a missing mode, in the order of the ScanStarted.
func (p *Progress) Open() []string {
	open := make([]string, 0, len(p.open))
	for _, code := range p.codes {
		if _, ok := p.open[events.Key(code)]; ok {
			open = append(open, code)
		}
	}
	return open
}

// Done tells whether every outlet has its look in every counted mode.
func (p *Progress) Done() bool { return len(p.open) == 0 }

// Expired is how many looks ended as expired: nobody had looked.
func (p *Progress) Expired() int { return p.expired }

// Last is the outlet of the last look that counted, "" before the first.
func (p *Progress) Last() string { return p.last }

// Sum adds up the outcome of all modes.
func Sum(counts map[events.Mode]events.ModeCount) events.ModeCount {
	var sum events.ModeCount
	for _, c := range counts {
		sum.Total += c.Total
		sum.Successful += c.Successful
		sum.Failed += c.Failed
		sum.NotObserved += c.NotObserved
	}
	return sum
}

// fewOutlets is the number of outlets up to which a reader asks for their
// subjects one by one, instead of reading every look in the mode.
const fewOutlets = 32

// Subjects are what a reader of the scan's progress must read from
// started.Position() on: the looks in the given modes (none: all of the
// scan's), and the completion of the scan and of the scan it is attached to.
func Subjects(started events.ScanStarted, only ...events.Mode) []string {
	p := NewProgress(started, only...)
	subjects := []string{events.CompletedSubject(started.ScanID)}
	if started.AttachedTo != "" {
		subjects = append(subjects, events.CompletedSubject(started.AttachedTo))
	}
	for _, m := range p.modes {
		if len(p.codes) > fewOutlets {
			subjects = append(subjects, events.ObservedOf(m))
			continue
		}
		for _, code := range p.codes {
			subjects = append(subjects, events.ObservedSubject(m, code))
		}
	}
	return subjects
}

package scans

import (
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/scan"
)

// Phase is how far a scan has come.
type Phase string

// The phases.
const (
	Requested Phase = "requested" // no scheduler has begun it yet
	Running   Phase = "running"
	Completed Phase = "completed"
	Cancelled Phase = "cancelled"
)

// Ended tells whether nothing more will happen.
func (p Phase) Ended() bool { return p == Completed || p == Cancelled }

// State is a scan at one moment.
type State struct {
	Request     events.ScanRequested
	Position    uint64 // sequence of the request
	Phase       Phase
	AttachedTo  string
	Outlets     int // how many it looks at, 0 before it has started
	StartedAt   *time.Time
	CompletedAt *time.Time
	CancelledBy string
	Counts      map[events.Mode]events.ModeCount // by mode, empty before it has started
	Unobserved  int
	Last        string // outlet of the last look that counted
	// Looked tells that every look is there, whether or not the scan was
	// declared complete.
	Looked bool
	// Seq is of the event that brought the scan here.
	Seq uint64
}

// Sum is the outcome over the given modes of the scan, none for all.
func (s State) Sum(only ...events.Mode) events.ModeCount {
	if len(only) == 0 {
		return scan.Sum(s.Counts)
	}
	some := map[events.Mode]events.ModeCount{}
	for _, m := range only {
		some[m] = s.Counts[m]
	}
	return scan.Sum(some)
}

func (e *entry) state() State {
	s := State{
		Request: e.requested, Position: e.requestedSeq, Phase: Requested,
		Counts: map[events.Mode]events.ModeCount{}, Seq: max(e.requestedSeq, e.lookSeq),
	}
	if e.started != nil {
		s.Phase, s.AttachedTo, s.StartedAt = Running, e.started.AttachedTo, &e.started.StartedAt
		s.Outlets = len(e.started.Outlets)
	}
	if e.progress != nil {
		s.Counts, s.Last, s.Looked = e.progress.Counts(), e.progress.Last(), e.progress.Done()
	}
	if c := e.completed; c != nil {
		s.Phase, s.CompletedAt, s.Looked = Completed, &c.CompletedAt, !c.Cancelled
		s.Counts, s.Unobserved, s.Seq = c.Counts, c.Unobserved, e.completedSeq
		if c.Cancelled {
			s.Phase, s.CancelledBy = Cancelled, c.CancelledBy
		}
	}
	return s
}

package events

import "time"

// Archive is a part of the log that was copied into files and then taken out
// of it: of its range only the looks and the scans are gone, all other events
// are still there.
type Archive struct {
	Name    string `json:"name"`    // of the copy: a directory
	Digest  string `json:"digest"`  // of all records in the copy, SHA-256, hexadecimal
	First   uint64 `json:"first"`   // sequences of the log that the copy holds, all of them
	Last    uint64 `json:"last"`    // inclusive
	Records uint64 `json:"records"` // in the copy
	Purged  uint64 `json:"purged"`  // how many of them are taken out of the log
	// Done says that they have been taken out. Before that some may still be
	// there: the event is stored before the first is taken.
	Done       bool      `json:"done"`
	ArchivedAt time.Time `json:"archivedAt"`
}

// LogArchived is the full state of what was taken out of the log. It is
// written expecting the subject's last sequence to be Previous. Whoever finds
// events missing excuses exactly these.
type LogArchived struct {
	// Archives follow one another, without gaps, from the log's first event.
	Archives  []Archive `json:"archives"`
	Previous  uint64    `json:"previous"`
	ChangedBy string    `json:"changedBy,omitempty"`
	ChangedAt time.Time `json:"changedAt"`
}

// Last is the last sequence that is whole only in the archives; 0 where there
// are none.
func (e LogArchived) Last() uint64 {
	if len(e.Archives) == 0 {
		return 0
	}
	return e.Archives[len(e.Archives)-1].Last
}

// Purged is how many events the archives excuse.
func (e LogArchived) Purged() uint64 {
	var n uint64
	for _, a := range e.Archives {
		n += a.Purged
	}
	return n
}

// Bounds of LogDismissed, which is one message of at most 1 MB.
const (
	LargestDismissed = 900 << 10 // bytes of it as JSON
	LongestReason    = 140       // characters
)

// Dismissed is events of the log that somebody has looked at and found to be
// nothing.
type Dismissed struct {
	Seq         uint64    `json:"seq"`            // of the first
	Runs        Runs      `json:"runs,omitempty"` // of all of them, where they are more than that one
	Reason      string    `json:"reason"`
	DismissedBy string    `json:"dismissedBy"`
	DismissedAt time.Time `json:"dismissedAt"`
}

// Sequences are those of the events.
func (d Dismissed) Sequences() Runs {
	if len(d.Runs) == 0 {
		return RunsOfSeqs(d.Seq)
	}
	return d.Runs
}

// Covering is the dismissal of other events, of which there must be one.
func (d Dismissed) Covering(seqs Runs) Dismissed {
	d.Seq, d.Runs = seqs[0].First, nil
	if seqs.Count() > 1 {
		d.Runs = seqs
	}
	return d
}

// LogDismissed is the full state of which events that cannot be read or stored are
// dismissed. It is written expecting the subject's last sequence to be Previous. They
// stay in the log and in quarantine: nobody waits for them any more, and that is all.
type LogDismissed struct {
	Events    []Dismissed `json:"events"` // in the order of their first; none is in two
	Previous  uint64      `json:"previous"`
	ChangedBy string      `json:"changedBy,omitempty"`
	ChangedAt time.Time   `json:"changedAt"`
}

// Sequences are those of all events that are dismissed.
func (e LogDismissed) Sequences() Runs {
	var all []Run
	for _, d := range e.Events {
		all = append(all, d.Sequences()...)
	}
	return RunsOf(all...)
}

// Find is the dismissal of an event.
func (e LogDismissed) Find(seq uint64) (Dismissed, bool) {
	for _, d := range e.Events {
		if _, ok := d.Sequences().Find(seq); ok {
			return d, true
		}
	}
	return Dismissed{}, false
}

// Incarnation is a log that another was restored from.
type Incarnation struct {
	Log        string    `json:"log"`  // its Identity.ID
	Last       uint64    `json:"last"` // the last of its sequences that was restored
	RestoredAt time.Time `json:"restoredAt"`
}

// LogRestored is the full state of what the log was restored from, the first
// event after a restore. Tables of an earlier incarnation belong to the log as
// far as they do not reach beyond what was restored of it.
type LogRestored struct {
	Incarnations []Incarnation `json:"incarnations"` // the oldest first
	Backup       string        `json:"backup"`       // name of the last backup restored
	Digest       string        `json:"digest"`       // of all its records, SHA-256, hexadecimal
	ChangedBy    string        `json:"changedBy,omitempty"`
	ChangedAt    time.Time     `json:"changedAt"`
}

// Holds tells whether the log has all that the incarnation held up to seq, and
// known whether it was restored from that incarnation at all.
func (e LogRestored) Holds(log string, seq uint64) (holds, known bool) {
	for i, in := range e.Incarnations {
		if in.Log != log {
			continue
		}
		for _, later := range e.Incarnations[i:] {
			if later.Last < seq {
				return false, true
			}
		}
		return true, true
	}
	return false, false
}

package projector

import (
	"fmt"
	"math/bits"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// mostRefused is how many of the last 64 events for a table may be set aside
// because a column does not take them. Where it is so many, it is not the events
// that are at fault.
const mostRefused = 20

// outletsTable names the table of registrations, as a mode names a stat table.
const outletsTable = "outlets"

// contents are what is in a table, in words that anybody may read.
func contents(table string) string {
	switch table {
	case string(events.DDrive):
		return "the looks at drive D"
	case string(events.IBStorage):
		return "the looks at USB drives"
	}
	return "the outlets' registrations"
}

// brakes keep events from being set aside by the thousand, table by table: one
// that takes everything says nothing about another.
type brakes map[string]*brake

// brake is what became of the last events for a table.
type brake struct {
	recent uint64 // a bit for each, the newest lowest; 1: refused
	holds  bool
}

func (s brakes) of(table string) *brake {
	if s[table] == nil {
		s[table] = &brake{}
	}
	return s[table]
}

// tables are those that b is for, each with how many of its events are sure to
// change a row there: a look of little evidence may leave a row as it is, and does
// not show that the table would take it.
func tables(b store.Batch) map[string]int {
	found := map[string]int{}
	for _, l := range b.Looks {
		sure := 0
		if l.Evidence >= events.EvidenceImported {
			sure = 1
		}
		found[string(l.Mode)] += sure
	}
	if len(b.Outlets) > 0 {
		found[outletsTable] = len(b.Outlets)
	}
	return found
}

// took notes that b is in its tables. An event at which a brake held is the first
// that its table takes again, so that the table has been mended.
func (s brakes) took(b store.Batch) {
	for table, n := range tables(b) {
		if k := s.of(table); k.holds {
			*k = brake{}
		} else {
			k.recent <<= n
		}
	}
}

// refused notes that the one event of b was set aside.
func (s brakes) refused(b store.Batch) {
	for table := range tables(b) {
		k := s.of(table)
		k.recent = k.recent<<1 | 1
	}
}

// hold tells why the one event of b, refused because of cause, may not be set
// aside; nil where it may.
func (s brakes) hold(b store.Batch, cause error) error {
	for table := range tables(b) {
		k := s.of(table)
		n := bits.OnesCount64(k.recent)
		if k.holds = n >= mostRefused; k.holds {
			return &store.Trouble{
				Reason: fmt.Sprintf("the database refuses so much of %s that its table is at fault, and what comes waits: %s",
					contents(table), store.UnstorableReason(cause)),
				Unstorable: true, Err: fmt.Errorf("%d of the last events did not fit either: %w", n, cause),
			}
		}
	}
	return nil
}

package main

import (
	"fmt"
	"strings"

	"backupmonitor/events"
)

// dismissed says what became of a run.
type dismissed struct {
	Run     events.Run  `json:"run"`
	Count   uint64      `json:"count"`   // of its events that are dismissed now; or were, if that is taken back
	Changed uint64      `json:"changed"` // of these; the others were so before
	Types   []string    `json:"types,omitempty"`
	Left    events.Runs `json:"left,omitempty"` // what can be read, and no column takes
}

// sentence tells people what became of the run.
func (d dismissed) sentence(undo bool) string {
	switch one := d.Run.First == d.Run.Last; {
	case one && undo && d.Changed == 0:
		return fmt.Sprintf("Event %s was not dismissed.", d.Run)
	case one && undo:
		return fmt.Sprintf("Event %s is no longer dismissed.", d.Run)
	case one && d.Changed == 0:
		return fmt.Sprintf("Event %s was dismissed before, for the same reason.", d.Run)
	case one:
		return fmt.Sprintf("Event %s is dismissed.", d.Run)
	case undo:
		return fmt.Sprintf("Of the events %s, %s no longer dismissed.", d.Run, count(d.Changed, "is", "are"))
	}
	text := fmt.Sprintf("Of the events %s, %s dismissed now, and %s before (%s).",
		d.Run, count(d.Changed, "is", "are"), count(d.Count-d.Changed, "was", "were"), strings.Join(d.Types, ", "))
	if len(d.Left) > 0 {
		text += " Left is " + columnsFirst(d.Left) + "."
	}
	return text
}

// columnsFirst says what to do with events that a range leaves.
func columnsFirst(left events.Runs) string {
	return fmt.Sprintf("what can be read and a column did not take: %s, as event %d; mend the column and run `backup-monitor quarantine retry`, or dismiss each by its own sequence",
		count(left.Count(), "event", "events"), left[0].First)
}

package adoption

import "backupmonitor/services/internal/store"

const (
	// mostLeft is how many reasons are kept.
	mostLeft = 100
	// longestName is how much is told of what is left out, and of why: a foreign
	// database may have a megabyte in any column.
	longestName = 200
)

// Report counts what was entered. Known are those that the log had before, and
// Twice those that the tables have more than once, in other spellings.
type Report struct {
	Outlets, KnownOutlets  int
	Rows, KnownRows, Twice int
	// Skipped are those that no event can be made of, and Left the first of
	// them with the reason.
	Skipped, SkippedOutlets int
	Left                    []string
	// Strange are those that RegisteredOnly kept out.
	Strange int
	// Unregistered are the outlets, as they are spelled, that have rows and no
	// registration, with how many rows each has.
	Unregistered map[string]int
	// Total is how many rows there are; 0 until they have been counted.
	Total int
}

// Done is how many rows have been read.
func (r Report) Done() int { return r.Rows + r.KnownRows + r.Twice + r.Skipped + r.Strange }

func (r *Report) leave(what string, err error) {
	if len(r.Left) < mostLeft {
		r.Left = append(r.Left, store.Fit(what, longestName)+": "+store.Fit(err.Error(), longestName))
	}
}

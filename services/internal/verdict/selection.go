package verdict

import (
	"slices"
	"strings"
	"time"

	"backupmonitor/events"
)

// How many files of a folder an event carries.
const (
	KeepBefore = 16 // modified at or before the limit
	KeepAfter  = 4  // modified after it
)

// Selection keeps, out of any number of files given in any order, those that
// an event carries. Its memory does not grow with the folder. The verdict on
// what it keeps is the verdict on all that it was given.
type Selection struct {
	limit    time.Time
	minBytes int64
	patterns Patterns

	count  int
	before []events.File // newest first, at most KeepBefore
	after  []events.File // newest first, at most KeepAfter
	large  *events.File  // the newest of at least minBytes at or before the limit
}

// NewSelection is an empty selection of the files that count for policy, split
// at limit (see Limit).
func NewSelection(limit time.Time, policy events.Policy) *Selection {
	return &Selection{limit: limit, minBytes: policy.MinSizeBytes, patterns: CompilePatterns(policy.Patterns)}
}

// Add takes one file of the folder. Files of other names are ignored.
func (s *Selection) Add(f events.File) {
	if !s.patterns.Match(f.Name) {
		return
	}
	s.count++
	if f.Modified.After(s.limit) {
		s.after = insert(s.after, f, KeepAfter)
		return
	}
	s.before = insert(s.before, f, KeepBefore)
	if f.Bytes >= s.minBytes && (s.large == nil || newer(f, *s.large) < 0) {
		s.large = &f
	}
}

// Count is how many files of the policy's patterns were added.
func (s *Selection) Count() int { return s.count }

// Files are the newest KeepBefore at or before the limit, newest first. Where
// none of them is large enough, the newest that is takes the last place.
func (s *Selection) Files() []events.File {
	files := slices.Clone(s.before)
	if s.large == nil || len(files) == 0 || newer(*s.large, files[len(files)-1]) <= 0 {
		return files
	}
	files[len(files)-1] = *s.large
	return files
}

// FilesAfter are the newest KeepAfter after the limit, newest first.
func (s *Selection) FilesAfter() []events.File { return slices.Clone(s.after) }

// insert puts f into a list ordered by newer that holds at most most files.
func insert(list []events.File, f events.File, most int) []events.File {
	i, _ := slices.BinarySearchFunc(list, f, newer)
	if i == most {
		return list
	}
	if len(list) == most {
		list = list[:most-1]
	}
	return slices.Insert(list, i, f)
}

// newer orders files newest first. It is a total order, so that no verdict
// depends on the order in which a server lists its files.
func newer(a, b events.File) int {
	if c := b.Modified.Compare(a.Modified); c != 0 {
		return c
	}
	if c := strings.Compare(a.Name, b.Name); c != 0 {
		return c
	}
	switch {
	case a.Bytes != b.Bytes && a.Bytes > b.Bytes:
		return -1
	case a.Bytes != b.Bytes:
		return 1
	}
	return b.Created.Compare(a.Created)
}

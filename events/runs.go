package events

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
)

// Run is sequences of the log that follow one another.
type Run struct {
	First uint64 `json:"first"`
	Last  uint64 `json:"last"` // inclusive
}

// String is as people write it: 4711, or 4711-4720.
func (r Run) String() string {
	if r.First == r.Last {
		return strconv.FormatUint(r.First, 10)
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}

// Runs are sequences of the log, as few runs as there can be, in its order.
type Runs []Run

// RunsOf takes runs as anybody may have written them: in any order, over one another.
// One that ends before it begins is none, and no event has the sequence 0.
func RunsOf(runs ...Run) Runs {
	var all Runs
	for _, r := range slices.SortedFunc(slices.Values(runs), func(a, b Run) int { return cmp.Compare(a.First, b.First) }) {
		r.First = max(r.First, 1)
		if r.Last < r.First {
			continue
		}
		if n := len(all); n > 0 && r.First-1 <= all[n-1].Last {
			all[n-1].Last = max(all[n-1].Last, r.Last)
		} else {
			all = append(all, r)
		}
	}
	return all
}

// RunsOfSeqs are the runs of sequences in any order.
func RunsOfSeqs(seqs ...uint64) Runs {
	runs := make([]Run, len(seqs))
	for i, seq := range seqs {
		runs[i] = Run{First: seq, Last: seq}
	}
	return RunsOf(runs...)
}

// Find is the run that a sequence is in.
func (r Runs) Find(seq uint64) (Run, bool) {
	i, _ := slices.BinarySearchFunc(r, seq, func(in Run, seq uint64) int { return cmp.Compare(in.Last, seq) })
	if i < len(r) && r[i].First <= seq {
		return r[i], true
	}
	return Run{}, false
}

// Without are those that others are not.
func (r Runs) Without(others Runs) Runs {
	var left Runs
	for _, in := range r {
		for len(others) > 0 && others[0].Last < in.First {
			others = others[1:]
		}
		for _, o := range others {
			if o.First > in.Last {
				break
			}
			if o.First > in.First {
				left = append(left, Run{First: in.First, Last: o.First - 1})
			}
			if in.First = o.Last + 1; in.First == 0 || in.First > in.Last {
				in.First = 0
				break
			}
		}
		if in.First > 0 {
			left = append(left, in)
		}
	}
	return left
}

// Within are those that others are, too.
func (r Runs) Within(others Runs) Runs { return r.Without(r.Without(others)) }

// Count is how many sequences they are.
func (r Runs) Count() (n uint64) {
	for _, in := range r {
		n += in.Last - in.First + 1
	}
	return n
}

package events

import (
	"cmp"
	"encoding/json"
	"errors"
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

// Runs are sequences of the log, as few runs as there can be, in its order. JSON has
// them as numbers, two for each run: how far it begins after the end of the one before,
// or after 0, and how far it ends after its beginning. So a message holds hundreds of
// thousands.
type Runs []Run

// MarshalJSON implements json.Marshaler.
func (r Runs) MarshalJSON() ([]byte, error) {
	b, end := []byte{'['}, uint64(0)
	for i, in := range r {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(strconv.AppendUint(b, in.First-end, 10), ',')
		b, end = strconv.AppendUint(b, in.Last-in.First, 10), in.Last
	}
	return append(b, ']'), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (r *Runs) UnmarshalJSON(b []byte) error {
	var numbers []uint64
	if err := json.Unmarshal(b, &numbers); err != nil {
		return err
	}
	if len(numbers)%2 != 0 {
		return errors.New("runs are pairs of numbers")
	}
	runs, end := make([]Run, 0, len(numbers)/2), uint64(0)
	for pair := range slices.Chunk(numbers, 2) {
		in := Run{First: end + pair[0], Last: end + pair[0] + pair[1]}
		if in.First < end || in.Last < in.First {
			return errors.New("runs end beyond the last sequence that there can be")
		}
		runs, end = append(runs, in), in.Last
	}
	*r = RunsOf(runs...)
	return nil
}

// RunsOf takes runs as anybody may have written them: in any order, over one another.
// One that ends before it begins is none, and no event has the sequence 0.
func RunsOf(runs ...Run) Runs {
	byFirst := func(a, b Run) int { return cmp.Compare(a.First, b.First) }
	if !slices.IsSortedFunc(runs, byFirst) {
		runs = slices.SortedFunc(slices.Values(runs), byFirst)
	}
	var all Runs
	for _, r := range runs {
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

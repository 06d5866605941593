package events

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// seqs are the sequences of runs one by one.
func seqs(runs ...Run) map[uint64]bool {
	all := map[uint64]bool{}
	for _, r := range runs {
		for seq := max(r.First, 1); seq <= r.Last; seq++ {
			all[seq] = true
		}
	}
	return all
}

// tidy checks that runs are in order, and as few as there can be.
func tidy(t *testing.T, runs Runs) {
	t.Helper()
	for i, r := range runs {
		if r.First == 0 || r.Last < r.First || i > 0 && runs[i-1].Last+1 >= r.First {
			t.Fatalf("%v is not tidy", runs)
		}
	}
}

// TestRuns: runs say the same as a set of their sequences, however they were written.
func TestRuns(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2000) {
		random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // runs to try
		some := func() (runs []Run) {
			for range random.IntN(8) {
				first := random.Uint64N(30)
				runs = append(runs, Run{First: first, Last: first + random.Uint64N(8) - min(first, 1)})
			}
			return runs
		}
		written, others := some(), RunsOf(some()...)
		runs, want, not := RunsOf(written...), seqs(written...), seqs(others...)
		tidy(t, runs)
		if !maps.Equal(seqs(runs...), want) || runs.Count() != uint64(len(want)) {
			t.Fatalf("%v became %v", written, runs)
		}
		if again := RunsOfSeqs(slices.Collect(maps.Keys(want))...); !slices.Equal(again, runs) {
			t.Fatalf("one by one: %v, want %v", again, runs)
		}
		for seq := range uint64(40) {
			if in, ok := runs.Find(seq); ok != want[seq] || ok && !slices.Contains(runs, in) || ok && (seq < in.First || seq > in.Last) {
				t.Fatalf("%d in %v: %v, %v", seq, runs, in, ok)
			}
		}
		var read Runs
		if text, err := json.Marshal(runs); err != nil || json.Unmarshal(text, &read) != nil || !slices.Equal(read, runs) {
			t.Fatalf("%v is written as %s, %v, and read as %v", runs, text, err, read)
		}
		without, within := runs.Without(others), runs.Within(others)
		tidy(t, without)
		tidy(t, within)
		maps.DeleteFunc(want, func(seq uint64, _ bool) bool { return not[seq] })
		if !maps.Equal(seqs(without...), want) {
			t.Fatalf("%v without %v: %v", runs, others, without)
		}
		if both := seqs(runs...); within.Count()+without.Count() != runs.Count() || within.Count() != uint64(len(both)-len(want)) {
			t.Fatalf("%v within %v: %v", runs, others, within)
		}
	}
}

// TestRunsToTheEnd: the last sequence there is ends no loop and starts no other.
func TestRunsToTheEnd(t *testing.T) {
	t.Parallel()
	all := RunsOf(Run{First: 5, Last: math.MaxUint64}, Run{First: math.MaxUint64, Last: math.MaxUint64}, Run{First: 0, Last: 4})
	if !slices.Equal(all, Runs{{First: 1, Last: math.MaxUint64}}) {
		t.Fatalf("%v", all)
	}
	if left := all.Without(RunsOf(Run{First: 7, Last: math.MaxUint64})); !slices.Equal(left, Runs{{First: 1, Last: 6}}) {
		t.Errorf("%v", left)
	}
	if left := all.Without(all); len(left) != 0 || all.Count() != math.MaxUint64 {
		t.Errorf("%v, %d", left, all.Count())
	}
}

// TestRunsThatNobodyWrites: what is no runs is an error, and no loop.
func TestRunsThatNobodyWrites(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`[]`: "[]", `[3,0]`: "[3]", `[0,2]`: "[1-2]", `[3,1,0,1]`: "[3-5]", `[1,18446744073709551614]`: "[1-18446744073709551615]", `null`: "[]",
		`[3]`: "", `[1,18446744073709551615]`: "", `[2,0,18446744073709551615,0]`: "", `[-1,0]`: "", `[1.5,0]`: "", `"x"`: "", `[1,18446744073709551616]`: "",
	} {
		var r Runs
		if err := json.Unmarshal([]byte(text), &r); (err == nil) != (want != "") || err == nil && fmt.Sprint(r) != want {
			t.Errorf("%s is read as %v, %v; want %s", text, r, err, want)
		}
	}
}

// TestDismissedFind: a dismissal is found by each of its events, and by no other.
func TestDismissedFind(t *testing.T) {
	t.Parallel()
	state := LogDismissed{Events: []Dismissed{
		{Seq: 3, Reason: "a"}, {Seq: 9, Reason: "b"}, {Seq: 4, Runs: Runs{{First: 4, Last: 5}, {First: 7, Last: 8}}, Reason: "c"},
	}}
	if want := (Runs{{First: 3, Last: 5}, {First: 7, Last: 9}}); !slices.Equal(state.Sequences(), want) {
		t.Errorf("%v", state.Sequences())
	}
	for seq, reason := range map[uint64]string{2: "", 3: "a", 4: "c", 6: "", 8: "c", 9: "b", 10: ""} {
		if d, ok := state.Find(seq); d.Reason != reason || ok != (reason != "") {
			t.Errorf("event %d is in %+v, %v; want %q", seq, d, ok, reason)
		}
	}
}

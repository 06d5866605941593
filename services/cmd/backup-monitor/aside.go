package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

const (
	// asideRead is how many events in quarantine are read at a time, without contents.
	asideRead = 1000
	// typesNamed is how many types of events an answer names.
	typesNamed = 5
	// typesCounted is how many are told apart: whoever floods the log names them.
	typesCounted = 1000
)

// aside is what is in quarantine of a run of the log.
type aside struct {
	run    events.Run
	seqs   events.Runs
	left   events.Runs // in a range: what can be read, and a column did not take
	byType map[string]uint64
	others uint64 // of types beyond those
}

// asideIn reads it.
func asideIn(ctx context.Context, db store.Backend, run events.Run) (aside, error) {
	var seqs, left []events.Run
	found := aside{run: run, byType: map[string]uint64{}}
	for upTo, more := run.Last, true; more; {
		page, err := db.Quarantine(ctx, upTo, asideRead)
		if err != nil {
			return found, err
		}
		more = len(page) == asideRead
		for _, q := range page {
			if q.Seq < run.First {
				more = false
				break
			}
			upTo = q.Seq - 1
			if q.Unstorable() && run.First != run.Last {
				left = extend(left, q.Seq)
				continue
			}
			seqs = extend(seqs, q.Seq)
			found.count(q.Type)
		}
	}
	found.seqs, found.left = events.RunsOf(seqs...), events.RunsOf(left...)
	return found, nil
}

// extend adds a sequence that is before all others.
func extend(runs []events.Run, seq uint64) []events.Run {
	if n := len(runs); n > 0 && runs[n-1].First == seq+1 {
		runs[n-1].First = seq
		return runs
	}
	return append(runs, events.Run{First: seq, Last: seq})
}

func (a *aside) count(kind string) {
	if _, known := a.byType[kind]; !known && len(a.byType) == typesCounted {
		a.others++
		return
	}
	a.byType[kind]++
}

// types are the most frequent ones, with how many there are of each.
func (a *aside) types() (named []string) {
	kinds := slices.SortedFunc(maps.Keys(a.byType), func(x, y string) int {
		return cmp.Or(cmp.Compare(a.byType[y], a.byType[x]), cmp.Compare(x, y))
	})
	others := a.others
	for i, kind := range kinds {
		if i < typesNamed {
			named = append(named, fmt.Sprintf("%d %s", a.byType[kind], cmp.Or(shortened(kind), "without a type")))
		} else {
			others += a.byType[kind]
		}
	}
	if others > 0 {
		named = append(named, fmt.Sprintf("%d of other types", others))
	}
	return named
}

// shortened is a type as people may read it, whoever wrote it.
func shortened(kind string) string {
	const most = 40
	text := []rune(plain(kind))
	if len(text) > most {
		text = append(text[:most-1], '…')
	}
	return string(text)
}

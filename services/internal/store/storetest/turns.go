package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// turns counts those that are taken, and gives no more than there are.
type turns struct{ taken, given, most int }

var errNoTurn = errors.New("no turn")

func (n *turns) Take(context.Context) (func(), error) {
	if n.taken == n.most {
		return nil, errNoTurn
	}
	n.taken++
	return func() { n.given++ }, nil
}

// exerciseTurns: a long list takes a turn for each of its parts, has none while
// its rows are handed on, and ends where it gets none.
func exerciseTurns(t *testing.T, fresh Fresh) {
	w := migrated(t, fresh)
	const days, outlets = 13, 900
	seq := uint64(0)
	for d := range days {
		looks := make([]store.Look, outlets)
		for o := range looks {
			seq++
			looks[o] = good(seq, events.DDrive, fmt.Sprintf("OUT%04d", o), events.Date(fmt.Sprintf("2025-03-%02d", d+1)))
		}
		w.apply(t, looks...)
	}
	for name, asOf := range map[string]*uint64{"now": nil, "then": &seq} {
		for _, most := range []int{100, 1, 0} {
			n := &turns{most: most}
			rows := 0
			err := w.Rows(t.Context(), store.Query{Mode: events.DDrive, AsOf: asOf, Turns: n}, func(store.Row) error {
				if rows++; n.given != n.taken {
					return fmt.Errorf("of %d turns %d are given back, at row %d", n.taken, n.given, rows)
				}
				return nil
			})
			whole := most == 100
			if whole && (err != nil || rows != days*outlets || n.taken < 3 || n.taken > days) || !whole && !errors.Is(err, errNoTurn) || n.taken != n.given {
				t.Errorf("%s, with %d turns at most: %d rows in %d turns, %d of them given back, %v", name, most, rows, n.taken, n.given, err)
			}
			if !whole && (rows > 0) != (most > 0) {
				t.Errorf("%s, with %d turns: %d rows", name, most, rows)
			}
		}
	}
}

package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// exerciseConcurrency reads while batches are applied. Each batch looks at
// every outlet, so that readers must always find one and the same scan in all
// rows of a list: a transaction is seen whole or not at all, and never goes
// back.
func exerciseConcurrency(t *testing.T, fresh Fresh) {
	w := migrated(t, fresh)
	const outlets, batches = 40, 25
	batch := func(n uint64) []store.Look {
		var looks []store.Look
		for o := range uint64(outlets) {
			l := good(n*outlets+o, events.DDrive, fmt.Sprintf("OUT%03d", o), day1)
			l.ScanID = fmt.Sprintf("scan-%04d", n)
			looks = append(looks, l)
		}
		return looks
	}
	w.apply(t, batch(1)...)
	done, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			for before := ""; done.Err() == nil; {
				scan, err := scanSeen(t, w.Backend, outlets) //nolint:contextcheck // it is the test's, not done: that one ends amid a list
				if err != nil || scan < before {
					t.Errorf("after %q the rows are of %q, %v", before, scan, err)
					return
				}
				before = scan
			}
		})
	}
	for n := range uint64(batches) {
		w.apply(t, batch(n+2)...)
	}
	stop()
	wg.Wait()
	if scan, err := scanSeen(t, w.Backend, outlets); err != nil || scan != fmt.Sprintf("scan-%04d", batches+1) {
		t.Fatalf("at the end the rows are of %q, %v", scan, err)
	}
}

// scanSeen is the scan that all rows are of.
func scanSeen(t *testing.T, b store.Backend, outlets int) (string, error) {
	scan, n := "", 0
	err := b.Rows(t.Context(), store.Query{Mode: events.DDrive}, func(r store.Row) error {
		if n++; scan != "" && r.ScanID != scan {
			return fmt.Errorf("rows of %s and %s in one list", scan, r.ScanID)
		}
		scan = r.ScanID
		return nil
	})
	if err == nil && n != outlets {
		err = errors.New("not every outlet has a row")
	}
	return scan, err
}

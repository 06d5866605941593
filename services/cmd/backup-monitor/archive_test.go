package main

import (
	"strings"
	"testing"
	"time"
)

// TestArchiveAndFoldsAreKeptApart: what reads all of the log does not run while
// it is archived, nor the other way round.
func TestArchiveAndFoldsAreKeptApart(t *testing.T) {
	t.Parallel()
	p := &pipeline{}
	m := &mending{archiving: &p.archiving}
	p.archiving.Lock()
	_, rerr := m.rebuild(t.Context(), rebuildRequest{}, nil)
	_, cerr := m.check(t.Context(), struct{}{}, nil)
	p.archiving.Unlock()
	p.archiving.RLock()
	_, aerr := p.archive(t.Context(), archiveRequest{time.Now()}, nil)
	p.archiving.RUnlock()
	for _, err := range []error{rerr, cerr, aerr} {
		if err == nil || !strings.Contains(err.Error(), "run this again when that has ended") {
			t.Errorf("error %v", err)
		}
	}
}

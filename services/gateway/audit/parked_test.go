package audit

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"backupmonitor/services/internal/store"
)

// An event that cannot be read holds up no other, is told of, and is delivered
// after the next start when it can be read.
func TestWhatCannotBeReadIsParked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	trail := w.trail(w.store)
	bad := trail.Note(change("bad"))
	mended := bad
	bad.Kind = ""
	for i := range 2 * atOnce { // more than are read at once
		n := trail.Note(change(fmt.Sprint("bad", i)))
		n.Kind = ""
		if err := w.store.PutNote(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.store.PutNote(t.Context(), bad); err != nil {
		t.Fatal(err)
	}
	if err := w.store.PutNote(t.Context(), trail.Note(change("good"))); err != nil {
		t.Fatal(err)
	}
	if err := trail.Deliver(t.Context()); err != nil {
		t.Fatal(err)
	}
	objects := func() (all []string) {
		for _, e := range w.told(t) {
			all = append(all, e.Object)
		}
		return all
	}
	if got := objects(); !slices.Equal(got, []string{"good"}) {
		t.Fatalf("the log has %v", got)
	}
	if detail, err := trail.Check(t.Context()); err == nil || detail == "" {
		t.Errorf("readiness says %q, %v", detail, err)
	}
	mended.Due = store.Parked() // mended where it is
	if err := w.store.PutNote(t.Context(), mended); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), limit)
	var running sync.WaitGroup
	running.Go(func() { w.trail(w.store).Run(ctx) })
	for len(objects()) < 2 && ctx.Err() == nil {
		wait := time.NewTimer(10 * time.Millisecond)
		<-wait.C
	}
	stop()
	running.Wait()
	if got := objects(); !slices.Equal(got, []string{"good", "bad"}) {
		t.Errorf("the log has %v", got)
	}
	parked, err := w.store.ParkedNotes(t.Context())
	if err != nil || len(parked) != 2*atOnce {
		t.Errorf("%d are parked, %v", len(parked), err)
	}
}

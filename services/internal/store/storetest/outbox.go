package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"backupmonitor/services/internal/store"
)

func exerciseOutbox(t *testing.T, fresh Fresh) {
	w := migrated(t, fresh)
	put := func(n store.Note) {
		t.Helper()
		if err := w.PutNote(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	var want []string
	for i := range 30 {
		id := fmt.Sprint("note ", 30-i)
		put(note(id))
		want = append(want, id)
	}
	later := note("later")
	later.Due = noon().Add(time.Microsecond)
	put(later)
	same(t, "what is due", w.outbox(t), want)
	if notes, err := w.Outbox(t.Context(), later.Due, 3); err != nil || len(notes) != 3 || notes[0].ID != "note 30" {
		t.Errorf("the first three: %v, %v", notes, err)
	}
	settled := note("later")
	settled.Details = map[string]string{"ünïcode": "line\nbreak"}
	put(settled)
	same(t, "what is due after a replacement", w.outbox(t), append(slices.Clone(want), "later"))
	notes, err := w.Outbox(t.Context(), noon(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the replacement", notes[len(notes)-1], settled)
	if err := w.DropNotes(t.Context(), "note 30", "never there", "note 2", "later"); err != nil {
		t.Fatal(err)
	}
	if err := w.DropNotes(t.Context()); err != nil {
		t.Fatal(err)
	}
	want = slices.DeleteFunc(want[1:], func(id string) bool { return id == "note 2" })
	same(t, "what is left", w.outbox(t), want)
}

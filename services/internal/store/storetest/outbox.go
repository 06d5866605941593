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
	all, err := w.Notes(t.Context())
	if err != nil || len(all) != 31 {
		t.Fatalf("%d notes, %v", len(all), err)
	}
	same(t, "the last of all notes", all[30], later)
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

// exerciseParking: a note that cannot be read stands between others, is put
// aside, and can be taken up again.
func exerciseParking(t *testing.T, fresh Fresh) {
	w := migrated(t, fresh)
	unreadable := note("unreadable")
	unreadable.Kind = ""
	for _, n := range []store.Note{note("before"), unreadable, note("after")} {
		if err := w.PutNote(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	notes, err := w.Outbox(t.Context(), noon(), 1000)
	if err != nil || len(notes) != 3 {
		t.Fatal(notes, err)
	}
	for i, n := range notes {
		if (n.Unreadable != nil) != (i == 1) || n.ID != []string{"before", "unreadable", "after"}[i] {
			t.Errorf("note %d: %s, %v", i, n.ID, n.Unreadable)
		}
	}
	parked := func(want ...string) {
		t.Helper()
		ids, err := w.ParkedNotes(t.Context())
		if err != nil || !slices.Equal(ids, want) {
			t.Errorf("parked are %v, %v; want %v", ids, err, want)
		}
	}
	parked()
	for _, id := range []string{"unreadable", "never there"} {
		if err := w.PostponeNote(t.Context(), id, store.Parked()); err != nil {
			t.Fatal(err)
		}
	}
	parked("unreadable")
	same(t, "what is due", w.outbox(t), []string{"before", "after"})
	if err := w.PostponeNote(t.Context(), "unreadable", time.Time{}); err != nil {
		t.Fatal(err)
	}
	parked()
	same(t, "what is due again", w.outbox(t), []string{"before", "unreadable", "after"})
}

// exerciseRaw: what cannot be read is kept as it is, also where it is read and
// put there again.
func exerciseRaw(t *testing.T, fresh Fresh) {
	w := migrated(t, fresh)
	const raw = `{"id": "raw", "kind": "späte", "of a newer`
	for range 2 {
		if err := w.PutNote(t.Context(), store.DecodeNote("raw", raw, store.Parked())); err != nil {
			t.Fatal(err)
		}
		notes, err := w.Notes(t.Context())
		if err != nil || len(notes) != 1 {
			t.Fatal(notes, err)
		}
		n := notes[0]
		if n.Unreadable == nil || n.ID != "raw" || n.Raw != raw || !n.Due.Equal(store.Parked()) {
			t.Errorf("%+v", n)
		}
	}
}

package storetest

import (
	"errors"
	"testing"

	"backupmonitor/services/internal/store"
)

// exerciseActors: what somebody does who may no longer do so is not done, and not
// told of, whichever way they lost it.
func exerciseActors(t *testing.T, fresh Fresh) {
	w := withUsers(t, fresh, "Jürgen", "other")
	if err := w.AddAPIToken(t.Context(), apiToken("there", noon())); err != nil {
		t.Fatal(err)
	}
	by := func(id string, u store.User) store.Note {
		n := note(id)
		n.By = &u
		return n
	}
	for what, lose := range map[string]func(*store.User){
		"disabled":         func(u *store.User) { u.Active = !u.Active },
		"another role":     func(u *store.User) { u.Type = "S" },
		"another password": func(u *store.User) { u.PasswordHash += "x" },
	} {
		was := w.user(t, "Jürgen")
		if _, err := w.ChangeUser(t.Context(), "Jürgen", func(u *store.User) ([]store.Note, error) { lose(u); return nil, nil }); err != nil {
			t.Fatal(err)
		}
		w.refusesActor(t, what, by(what, was))
		back := func(u *store.User) ([]store.Note, error) {
			u.Active, u.Type, u.PasswordHash = was.Active, was.Type, was.PasswordHash
			return nil, nil
		}
		if _, err := w.ChangeUser(t.Context(), "Jürgen", back); err != nil {
			t.Fatal(err)
		}
		w.refusesActor(t, what+", taken back", by(what, was))
	}
	nobody := user("nobody")
	w.refusesActor(t, "not there", by("not there", nobody))
	same(t, "the outbox", w.outbox(t), []string{})

	// Who still may, does so, also to themselves.
	_, err := w.ChangeUser(t.Context(), "jürgen", func(u *store.User) ([]store.Note, error) {
		n := by("own", *u)
		u.Type = "S"
		return []store.Note{n}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.AddUser(t.Context(), user("made"), by("made", w.user(t, "jürgen"))); err != nil {
		t.Fatal(err)
	}
	same(t, "the outbox", w.outbox(t), []string{"own", "made"})
}

// refusesActor tries all that takes notes.
func (w *writer) refusesActor(t *testing.T, what string, n store.Note) {
	t.Helper()
	for name, do := range map[string]func() error{
		"AddUser": func() error { return w.AddUser(t.Context(), user("backdoor"), n) },
		"ChangeUser": func() error {
			_, err := w.ChangeUser(t.Context(), "other", func(u *store.User) ([]store.Note, error) {
				u.Name = "changed"
				return []store.Note{n}, nil
			})
			return err
		},
		"AddAPIToken":    func() error { return w.AddAPIToken(t.Context(), apiToken("backdoor", noon()), n) },
		"RevokeAPIToken": func() error { return w.RevokeAPIToken(t.Context(), "there", noon(), n) },
		"PutNote":        func() error { return w.PutNote(t.Context(), n) },
	} {
		if err := do(); !errors.Is(err, store.ErrActor) {
			t.Errorf("%s, %s: %v", what, name, err)
		}
	}
	if _, err := w.User(t.Context(), "backdoor"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("%s: %v", what, err)
	}
	same(t, what+": the other user", w.user(t, "other"), user("other"))
	list, err := w.APITokens(t.Context())
	if err != nil || len(list) != 1 || list[0].RevokedAt != nil {
		t.Errorf("%s: %+v, %v", what, list, err)
	}
}

package storetest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

func exerciseAccess(t *testing.T, fresh Fresh) {
	for name, run := range map[string]func(*testing.T, Fresh){
		"users are listed":                      exerciseUserList,
		"a user is changed":                     exerciseChangeUser,
		"a change that fails changes nothing":   exerciseFailedChange,
		"changes do not overtake each other":    exerciseParallelChanges,
		"changes end sessions":                  exerciseSessionEpochs,
		"who may no longer act does not":        exerciseActors,
		"the last active Admin stays":           exerciseLastAdmin,
		"of Admins that remove each other":      exerciseMutualRemoval,
		"a change and its notes are one":        exerciseNotesOfChanges,
		"the outbox keeps its order":            exerciseOutbox,
		"what cannot be read is parked":         exerciseParking,
		"what cannot be read is kept":           exerciseRaw,
		"API tokens":                            exerciseAPITokens,
		"API tokens are revoked once":           exerciseRevocation,
		"the last use of a token is the latest": exerciseTokenUse,
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); run(t, fresh) })
	}
}

func note(id string) store.Note {
	return store.Note{Audited: events.Audited{
		ID: id, Kind: events.UserChanged, Actor: "Jürgen", Object: "jo", Address: "192.0.2.1",
		Details: map[string]string{"change": "made"}, At: noon(),
	}}
}

// outbox is the ids of what is due at noon.
func (w *writer) outbox(t testing.TB) []string {
	t.Helper()
	notes, err := w.Outbox(t.Context(), noon(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	ids := []string{}
	for _, n := range notes {
		ids = append(ids, n.ID)
	}
	return ids
}

func (w *writer) user(t testing.TB, id string) store.User {
	t.Helper()
	u, err := w.User(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func withUsers(t *testing.T, fresh Fresh, ids ...string) *writer {
	t.Helper()
	w := migrated(t, fresh)
	for _, id := range ids {
		if err := w.AddUser(t.Context(), user(id)); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func exerciseUserList(t *testing.T, fresh Fresh) {
	w := withUsers(t, fresh, "b", "C", "a")
	list, err := w.Users(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the users", list, []store.User{user("a"), user("b"), user("C")})
}

func exerciseChangeUser(t *testing.T, fresh Fresh) {
	w := withUsers(t, fresh, "Jürgen", "other")
	want := store.User{
		ID: "Jürgen", Name: "Jürgen Groß", Designation: "Night shift", Type: "S", PasswordHash: strings.Repeat("h", 60),
		Avatar: "j.png", LoginFalseAttempt: 2, LoginActiveTime: new(noon()),
	}
	got, err := w.ChangeUser(t.Context(), " JÜRGEN ", func(u *store.User) ([]store.Note, error) {
		same(t, "what is to be changed", *u, user("Jürgen"))
		*u = want
		u.ID = "somebody else"
		return nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want.SessionEpoch = got.SessionEpoch
	same(t, "what the change gives", got, want)
	same(t, "what is stored", w.user(t, "jürgen"), want)
	same(t, "the other", w.user(t, "other"), user("other"))
	_, err = w.ChangeUser(t.Context(), "nobody", func(*store.User) ([]store.Note, error) { return nil, errors.New("called") })
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("nobody: %v", err)
	}
}

func exerciseFailedChange(t *testing.T, fresh Fresh) {
	w := withUsers(t, fresh, "jo", "other")
	mine := errors.New("mine")
	for what, change := range map[string]func(*store.User) ([]store.Note, error){
		"an error":    func(u *store.User) ([]store.Note, error) { u.Name = "x"; return []store.Note{note("1")}, mine },
		"a user type": func(u *store.User) ([]store.Note, error) { u.Type = "Z"; return []store.Note{note("2")}, nil },
		"too long a name": func(u *store.User) ([]store.Note, error) {
			u.Name = strings.Repeat("x", 101)
			return []store.Note{note("3")}, nil
		},
	} {
		_, err := w.ChangeUser(t.Context(), "jo", change)
		if err == nil || what == "an error" && !errors.Is(err, mine) {
			t.Errorf("%s: error %v", what, err)
		}
	}
	same(t, "the user", w.user(t, "jo"), user("jo"))
	same(t, "the outbox", w.outbox(t), []string{})
}

func exerciseParallelChanges(t *testing.T, fresh Fresh) {
	open := fresh(t)
	first := open()
	if err := first.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := first.AddUser(t.Context(), user("jo")); err != nil {
		t.Fatal(err)
	}
	const each = 10
	var wg sync.WaitGroup
	for _, b := range []store.Backend{first, open()} {
		wg.Go(func() {
			for range each {
				if _, err := b.SignInFailed(t.Context(), "jo", nil); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for range each {
				_, err := b.ChangeUser(t.Context(), "jo", func(u *store.User) ([]store.Note, error) {
					u.LoginFalseAttempt++
					return nil, nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	u, err := first.User(t.Context(), "jo")
	if err != nil || u.LoginFalseAttempt != 4*each {
		t.Errorf("counted %d, %v; want %d", u.LoginFalseAttempt, err, 4*each)
	}
}

func exerciseLastAdmin(t *testing.T, fresh Fresh) {
	w := withUsers(t, fresh, "only")
	support, inactive := user("support"), user("inactive")
	support.Type, inactive.Active = "S", false
	for _, u := range []store.User{support, inactive} {
		if err := w.AddUser(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	disable := func(u *store.User) ([]store.Note, error) { u.Active = false; return []store.Note{note("d")}, nil }
	demote := func(u *store.User) ([]store.Note, error) { u.Type = "S"; return []store.Note{note("e")}, nil }
	for _, change := range []func(*store.User) ([]store.Note, error){disable, demote} {
		if _, err := w.ChangeUser(t.Context(), "only", change); !errors.Is(err, store.ErrLastAdmin) {
			t.Fatalf("error %v, want ErrLastAdmin", err)
		}
	}
	same(t, "the last Admin", w.user(t, "only"), user("only"))
	same(t, "the outbox", w.outbox(t), []string{})
	if _, err := w.ChangeUser(t.Context(), "support", disable); err != nil {
		t.Errorf("somebody else: %v", err)
	}
	if err := w.AddUser(t.Context(), user("second")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.ChangeUser(t.Context(), "only", disable); err != nil {
		t.Errorf("one of two: %v", err)
	}
}

func exerciseMutualRemoval(t *testing.T, fresh Fresh) {
	open := fresh(t)
	backends := []store.Backend{open(), open()}
	if err := backends[0].Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b"} {
		if err := backends[0].AddUser(t.Context(), user(id)); err != nil {
			t.Fatal(err)
		}
	}
	var removed, refused atomic.Int32
	var wg sync.WaitGroup
	for i, id := range []string{"a", "b"} {
		wg.Go(func() {
			_, err := backends[i].ChangeUser(t.Context(), id, func(u *store.User) ([]store.Note, error) { u.Active = false; return nil, nil })
			switch {
			case err == nil:
				removed.Add(1)
			case errors.Is(err, store.ErrLastAdmin):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if removed.Load() != 1 || refused.Load() != 1 {
		t.Errorf("%d were removed and %d refused, want one each", removed.Load(), refused.Load())
	}
}

func exerciseNotesOfChanges(t *testing.T, fresh Fresh) {
	w := migrated(t, fresh)
	if err := w.AddUser(t.Context(), user("jo"), note("added")); err != nil {
		t.Fatal(err)
	}
	if err := w.AddUser(t.Context(), user("JO"), note("twice")); !errors.Is(err, store.ErrExists) {
		t.Fatal(err)
	}
	if _, err := w.SignInFailed(t.Context(), "jo", func(n int) store.Note { return note(fmt.Sprint("failure ", n)) }); err != nil {
		t.Fatal(err)
	}
	if _, err := w.SignInFailed(t.Context(), "nobody", func(int) store.Note { return note("nobody") }); !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
	if ok, err := w.SignedIn(t.Context(), "jo", noon(), 5, note("signed in")); err != nil || !ok {
		t.Fatal(ok, err)
	}
	if ok, err := w.SignedIn(t.Context(), "jo", noon(), 0, note("locked")); err != nil || ok {
		t.Fatal(ok, err)
	}
	if _, err := w.SignedIn(t.Context(), "nobody", noon(), 5, note("nobody")); !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
	_, err := w.ChangeUser(t.Context(), "jo", func(*store.User) ([]store.Note, error) { return []store.Note{note("one"), note("two")}, nil })
	if err != nil {
		t.Fatal(err)
	}
	same(t, "the outbox", w.outbox(t), []string{"added", "failure 1", "signed in", "one", "two"})
	notes, err := w.Outbox(t.Context(), noon(), 1)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "a note", notes, []store.Note{note("added")})
}

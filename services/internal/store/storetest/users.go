package storetest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"backupmonitor/services/internal/store"
)

func user(id string) store.User {
	return store.User{
		ID: id, Name: "Jo Doe", Designation: "IT Admin", Type: "A", Active: true, Avatar: "/avatars/jo.png",
		PasswordHash: "$2a$12$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	}
}

func exerciseUsers(t *testing.T, fresh Fresh) {
	t.Run("made and found", func(t *testing.T) {
		t.Parallel()
		w := migrated(t, fresh)
		count := func(want int) {
			t.Helper()
			if n, err := w.CountUsers(t.Context()); err != nil || n != want {
				t.Fatalf("%d users, %v; want %d", n, err, want)
			}
		}
		count(0)
		u := user("Jürgen")
		if err := w.AddUser(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"Jürgen", "JÜRGEN", " jürgen "} {
			got, err := w.User(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			same(t, id, got, u)
			if err := w.AddUser(t.Context(), user(id)); !errors.Is(err, store.ErrExists) {
				t.Fatalf("add %q again: error %v, want ErrExists", id, err)
			}
		}
		second := user("32787")
		second.Type, second.Active, second.LoginFalseAttempt, second.LoginActiveTime = "S", false, 3, new(noon())
		if err := w.AddUser(t.Context(), second); err != nil {
			t.Fatal(err)
		}
		got, err := w.User(t.Context(), "32787")
		if err != nil {
			t.Fatal(err)
		}
		same(t, "second", got, second)
		count(2)
		list, err := w.Users(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		same(t, "list", list, []store.User{second, u})
	})
	t.Run("made by several at once", func(t *testing.T) {
		t.Parallel()
		open := fresh(t)
		backends := []store.Backend{open(), open(), open()}
		if err := backends[0].Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"a", "b", "c", "d", "e", "f"} {
			var made atomic.Int32
			var wg sync.WaitGroup
			for _, b := range backends {
				wg.Go(func() {
					switch err := b.AddUser(t.Context(), user(id)); {
					case err == nil:
						made.Add(1)
					case !errors.Is(err, store.ErrExists):
						t.Errorf("add %q: %v", id, err)
					}
				})
			}
			wg.Wait()
			if made.Load() != 1 {
				t.Errorf("%q was made %d times", id, made.Load())
			}
		}
	})
	t.Run("made by several at once, each in a spelling of its own", func(t *testing.T) {
		t.Parallel()
		open := fresh(t)
		backends := []store.Backend{open(), open(), open()}
		if err := backends[0].Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		const ids = 25
		for n := range ids {
			var wg sync.WaitGroup
			for i, b := range backends {
				id := fmt.Sprintf([]string{"user%02d", "User%02d", "USER%02d"}[i], n)
				wg.Go(func() {
					if err := b.AddUser(t.Context(), user(id)); err != nil && !errors.Is(err, store.ErrExists) {
						t.Errorf("add %q: %v", id, err)
					}
				})
			}
			wg.Wait()
		}
		if n, err := backends[0].CountUsers(t.Context()); err != nil || n != ids {
			t.Errorf("%d users, %v; want %d", n, err, ids)
		}
	})
	t.Run("what does not fit is refused", func(t *testing.T) {
		t.Parallel()
		w := migrated(t, fresh)
		long, nameless, odd := user(strings.Repeat("x", 21)), user("  "), user("x")
		odd.Type = "Z"
		for _, u := range []store.User{long, nameless, odd} {
			if err := w.AddUser(t.Context(), u); err == nil || errors.Is(err, store.ErrExists) {
				t.Errorf("%+v: error %v, want a refusal", u, err)
			}
		}
		if n, err := w.CountUsers(t.Context()); err != nil || n != 0 {
			t.Fatalf("%d users, %v", n, err)
		}
	})
	t.Run("nobody", func(t *testing.T) {
		t.Parallel()
		w := migrated(t, fresh)
		_, err := w.User(t.Context(), "x")
		_, ferr := w.SignInFailed(t.Context(), "x", nil)
		_, serr := w.SignedIn(t.Context(), "x", noon(), 5)
		for _, err := range []error{err, ferr, serr} {
			if !errors.Is(err, store.ErrNotFound) {
				t.Errorf("error %v, want ErrNotFound", err)
			}
		}
	})
	t.Run("signing in", func(t *testing.T) { t.Parallel(); exerciseSignIn(t, fresh) })
	t.Run("counting under parallel calls", func(t *testing.T) { t.Parallel(); exerciseParallelSignIn(t, fresh) })
	t.Run("a lock holds under parallel calls", func(t *testing.T) { t.Parallel(); exerciseLock(t, fresh) })
}

func exerciseSignIn(t *testing.T, fresh Fresh) {
	w := migrated(t, fresh)
	if err := w.AddUser(t.Context(), user("Jo")); err != nil {
		t.Fatal(err)
	}
	fail := func(want int) {
		t.Helper()
		if n, err := w.SignInFailed(t.Context(), "JO", nil); err != nil || n != want {
			t.Fatalf("count %d, %v; want %d", n, err, want)
		}
	}
	succeed := func(at time.Time, want bool) {
		t.Helper()
		if ok, err := w.SignedIn(t.Context(), "jo", at, 3); err != nil || ok != want {
			t.Fatalf("signed in %t, %v; want %t", ok, err, want)
		}
	}
	fail(1)
	fail(2)
	at := time.Date(2025, 3, 1, 10, 0, 0, 0, time.FixedZone("", 7200))
	succeed(at, true)
	u, err := w.User(t.Context(), "jo")
	if err != nil || u.LoginFalseAttempt != 0 || u.LoginActiveTime == nil || !u.LoginActiveTime.Equal(at) {
		t.Fatalf("after signing in: %+v, %v", u, err)
	}
	fail(1)
	fail(2)
	fail(3)
	succeed(at.Add(time.Hour), false)
	u, err = w.User(t.Context(), "jo")
	if err != nil || u.LoginFalseAttempt != 3 || !u.LoginActiveTime.Equal(at) {
		t.Fatalf("a locked account changed: %+v, %v", u, err)
	}
}

// gatewaysOf are what three gateways have of tables with the user Jo: two of them
// share a connection.
func gatewaysOf(t *testing.T, fresh Fresh) []store.Backend {
	t.Helper()
	open := fresh(t)
	first := open()
	if err := first.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := first.AddUser(t.Context(), user("Jo")); err != nil {
		t.Fatal(err)
	}
	return []store.Backend{first, open(), first}
}

// failOnce counts a wrong password of Jo, and notes which count was given. It tells
// whether there is one.
func failOnce(t *testing.T, b store.Backend, seen []atomic.Int32) bool {
	t.Helper()
	n, err := b.SignInFailed(t.Context(), "Jo", nil)
	if err != nil || n < 1 || n >= len(seen) {
		t.Errorf("count %d, %v", n, err)
		return false
	}
	seen[n].Add(1)
	return true
}

// exerciseParallelSignIn: every call sees a count of its own.
func exerciseParallelSignIn(t *testing.T, fresh Fresh) {
	const each = 20
	backends := gatewaysOf(t, fresh)
	var seen [each*3 + 1]atomic.Int32
	var wg sync.WaitGroup
	for _, b := range backends {
		wg.Go(func() {
			for range each {
				if !failOnce(t, b, seen[:]) {
					return
				}
			}
		})
	}
	wg.Wait()
	for n := 1; n < len(seen); n++ {
		if seen[n].Load() != 1 {
			t.Fatalf("count %d was given %d times, want once", n, seen[n].Load())
		}
	}
}

// exerciseLock: of right and wrong passwords at once, on several gateways, none is
// accepted once the count has reached the lock, so that from there on it only grows:
// each count is given once, and the highest stays.
func exerciseLock(t *testing.T, fresh Fresh) {
	const lockAt, each = 5, 20 // so many that some five come in a row, between 6 successes
	backends := gatewaysOf(t, fresh)
	var seen [each*3 + 1]atomic.Int32
	var wg sync.WaitGroup
	for _, b := range backends {
		wg.Go(func() {
			for i := range each {
				if !failOnce(t, b, seen[:]) {
					return
				}
				if i%10 != 4 {
					continue
				}
				if _, err := b.SignedIn(t.Context(), "Jo", noon(), lockAt); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	u, err := backends[0].User(t.Context(), "Jo")
	if err != nil || u.LoginFalseAttempt < lockAt {
		t.Fatalf("%+v, %v; want it locked", u, err)
	}
	for n := lockAt; n < len(seen); n++ {
		if got := seen[n].Load(); got > 1 || (got == 1) != (n <= u.LoginFalseAttempt) {
			t.Errorf("count %d was given %d times, and the last is %d", n, got, u.LoginFalseAttempt)
		}
	}
}

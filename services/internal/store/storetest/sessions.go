package storetest

import (
	"testing"

	"backupmonitor/services/internal/store"
)

// exerciseSessionEpochs: what ends sessions does so for good, also where it is
// taken back, and as every process sees it.
func exerciseSessionEpochs(t *testing.T, fresh Fresh) {
	open := fresh(t)
	first := open()
	if err := first.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	restored := user("other")
	restored.SessionEpoch = "of a backup"
	for _, u := range []store.User{user("Jürgen"), restored} {
		if err := first.AddUser(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	}
	elsewhere := open()
	seen := map[string]bool{"": true}
	epoch := ""
	for _, step := range []struct {
		name   string
		change func(*store.User)
		ends   bool
	}{
		{"a name", func(u *store.User) { u.Name = "Another" }, false},
		{"disabled", func(u *store.User) { u.Active = false }, true},
		{"enabled", func(u *store.User) { u.Active = true }, true},
		{"an unlocking", func(u *store.User) { u.LoginFalseAttempt = 0 }, false},
		{"another role", func(u *store.User) { u.Type = "S" }, true},
		{"the role of before", func(u *store.User) { u.Type = "A" }, true},
		{"a password", func(u *store.User) { u.PasswordHash = "another" }, true},
		{"an epoch of its own", func(u *store.User) { u.SessionEpoch = "" }, false},
	} {
		changed, err := first.ChangeUser(t.Context(), "JÜRGEN", func(u *store.User) ([]store.Note, error) { step.change(u); return nil, nil })
		if err != nil {
			t.Fatal(step.name, err)
		}
		if step.ends == seen[changed.SessionEpoch] || !step.ends && changed.SessionEpoch != epoch {
			t.Errorf("%s: epoch %q after %q", step.name, changed.SessionEpoch, epoch)
		}
		epoch, seen[changed.SessionEpoch] = changed.SessionEpoch, true
		if u, err := elsewhere.User(t.Context(), "jürgen"); err != nil || u.SessionEpoch != epoch {
			t.Errorf("%s: another process sees %q, %v; want %q", step.name, u.SessionEpoch, err, epoch)
		}
	}
	if _, err := first.SignInFailed(t.Context(), "jürgen", nil); err != nil {
		t.Fatal(err)
	}
	list, err := elsewhere.Users(t.Context())
	if err != nil || len(list) != 2 || list[0].SessionEpoch != epoch || list[1].SessionEpoch != "of a backup" {
		t.Errorf("the list: %+v, %v", list, err)
	}
}

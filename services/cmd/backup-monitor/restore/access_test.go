package restore_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/cmd/backup-monitor/restore"
	"backupmonitor/services/gateway/auth"
	"backupmonitor/services/internal/natstest"
	"backupmonitor/services/internal/store"
	"backupmonitor/services/internal/store/sqlite"
)

// rows is a database as another program may have left it.
type rows struct{ restore.Access }

func (r rows) Users(context.Context) ([]store.User, error)         { return r.Access.Users, nil }
func (r rows) APITokens(context.Context) ([]store.APIToken, error) { return r.Tokens, nil }
func (r rows) Notes(context.Context) ([]store.Note, error)         { return nil, nil }

// TestRowsThatCouldNotBeRestored are not in the backup; the backup and its
// restore have the others, and name these.
func TestRowsThatCouldNotBeRestored(t *testing.T) {
	t.Parallel()
	want, there := somebody(), somebody()
	there.Users[0].ID = " jo "
	there.Users = append(there.Users, store.User{ID: "x", Type: "Z"}, store.User{ID: "JO", Type: "S"}, store.User{ID: "y", Name: "\xff", Type: "S"}, store.User{Type: "S"},
		store.User{ID: "Command Line", Type: "A"})
	there.Tokens = append([]store.APIToken{{ID: "z"}}, there.Tokens...)
	read, err := restore.ReadAccess(t.Context(), rows{there})
	if err != nil || !reflect.DeepEqual(read.Users, want.Users) || !reflect.DeepEqual(read.Tokens, want.Tokens) || len(read.LeftOut) != 6 {
		t.Fatalf("%+v, %v", read, err)
	}
	attach, err := restore.Attachments(read, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := natstest.Start(t)
	if _, _, err := s.Log.Append(t.Context(), events.ScanRequested{ScanID: "a"}); err != nil {
		t.Fatal(err)
	}
	o := options(t, copiedWith(t, s, 1, attach))
	if left, err := restore.Missing(o.Backup); err != nil || !reflect.DeepEqual(left, read.LeftOut) {
		t.Errorf("%+v, %v", left, err)
	}
	r, err := restore.Into(t.Context(), o)
	if err != nil || r.Users != 1 || r.Tokens != 1 || len(r.LeftOut) != 6 {
		t.Fatalf("%+v, %v", r, err)
	}
	for i, want := range []string{
		`Not in the backup: user "x" of UserManager: the user type is "Z"`, `user "JO" of UserManager: to this program "jo" is the same user`,
		`user "y" of UserManager: a text of the user is not valid UTF-8`, `user "" of UserManager: a user needs an id`,
		`user "Command Line" of UserManager: the audit trail has this name`, `API token "z" of MonitorAPIToken: `,
	} {
		if !strings.Contains(r.LeftOut[i], want) {
			t.Errorf("%s, want %s", r.LeftOut[i], want)
		}
	}
	if left, err := restore.Missing(copied(t, 1, 1)); err != nil || len(left) > 0 {
		t.Errorf("of a backup that lacks nothing: %+v, %v", left, err)
	}
}

// TestUsersWhoAreOne to the database, or whom it refuses, in a backup that was
// made before they were left out: its restore goes on without them.
func TestUsersWhoAreOne(t *testing.T) {
	t.Parallel()
	users := []store.User{{ID: "jo", Type: "A", Active: true}, {ID: "ann", Type: "S"}, {ID: "JO", Type: "S"}}
	s := natstest.Start(t)
	if _, _, err := s.Log.Append(t.Context(), events.ScanRequested{ScanID: "a"}); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(append(users, store.User{ID: "zed", Type: "Z"}))
	if err != nil {
		t.Fatal(err)
	}
	o := options(t, copiedWith(t, s, 1, map[string][]byte{restore.UsersName: b}))
	r, err := restore.Into(t.Context(), o)
	if err != nil || r.Users != 2 || !r.HasUsers || len(r.LeftOut) != 2 || !strings.Contains(r.LeftOut[0], `"JO"`) || !strings.Contains(r.LeftOut[1], `"zed"`) {
		t.Fatalf("%+v, %v", r, err)
	}
	db, err := sqlite.Open(t.Context(), filepath.Join(o.DataDir, "backup-monitor.db"))
	if err != nil {
		t.Fatal(err)
	}
	list, err := db.Users(t.Context())
	if err := errors.Join(err, db.Close()); err != nil || len(list) != 2 || list[0].ID != "ann" || list[1].ID != "jo" || list[1].Type != "A" {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestIntoADatabase of its own, as in SQL Server: a restore that was broken off
// goes on, and one that has users or tokens of its own keeps them.
func TestIntoADatabase(t *testing.T) {
	t.Parallel()
	backup := copied(t, 100, 1)
	path := filepath.Join(t.TempDir(), "elsewhere.db")
	db, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	into := func(kept bool) restore.Result {
		t.Helper()
		o := options(t, backup)
		o.Database = db
		r, err := restore.Into(t.Context(), o)
		if err != nil || r.Kept != kept {
			t.Fatalf("%+v, %v", r, err)
		}
		if _, err := os.Stat(filepath.Join(o.DataDir, "backup-monitor.db")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("it made a database in the data directory, %v", err)
		}
		return r
	}
	epoch := "" // of the restored user's sessions
	same := func() {
		t.Helper()
		want := somebody()
		want.Outbox = want.Outbox[1:]
		got, err := restore.ReadAccess(t.Context(), db)
		if err != nil || len(got.Users) != 1 {
			t.Fatalf("%+v, %v", got, err)
		}
		if epoch == "" {
			epoch = got.Users[0].SessionEpoch
		}
		want.Users[0].SessionEpoch = epoch
		if epoch == "then" || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	into(false)
	same()
	if err := db.DropNotes(t.Context(), "n2"); err != nil {
		t.Fatal(err)
	}
	into(false) // of the same backup
	same()
	if err := db.AddUser(t.Context(), store.User{ID: "ed", Type: "S"}); err != nil {
		t.Fatal(err)
	}
	if err := db.DropNotes(t.Context(), "n2"); err != nil {
		t.Fatal(err)
	}
	into(true)
	if got, err := restore.ReadAccess(t.Context(), db); err != nil || len(got.Users) != 2 || len(got.Outbox) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestParkedNotes: audit events that are parked are in a backup, those that
// cannot be read byte for byte, and are parked after a restore.
func TestParkedNotes(t *testing.T) {
	t.Parallel()
	from := database(t, filepath.Join(t.TempDir(), "from.db"))
	refused := store.Note{Audited: events.Audited{ID: "refused", Kind: events.SignedIn, Actor: "jo"}, Due: store.Parked()}
	want := []store.Note{
		store.DecodeNote("bytes", "\x00\xff{\"id\":\"bytes\"", store.Parked()), refused,
		store.DecodeNote("n1", "", store.Parked().Add(time.Hour)), // of the id of one that is in the log
		store.DecodeNote("due", "not parked yet", time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)),
	}
	for _, n := range want {
		if err := from.PutNote(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	access, err := restore.ReadAccess(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(access) // as a running instance hands it on
	if err == nil {
		access = restore.Access{}
		err = json.Unmarshal(b, &access)
	}
	if err != nil {
		t.Fatal(err)
	}
	attach, err := restore.Attachments(access, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := natstest.Start(t)
	if _, _, err := s.Log.Append(t.Context(), delivered()); err != nil {
		t.Fatal(err)
	}
	o := options(t, copiedWith(t, s, 1, attach))
	r, err := restore.Into(t.Context(), o)
	if err != nil || r.Waiting != 4 || r.Unreadable != 3 {
		t.Errorf("%+v, %v", r, err)
	}
	db := database(t, filepath.Join(o.DataDir, "backup-monitor.db"))
	got, err := db.Notes(t.Context())
	if err != nil || len(got) != len(want) {
		t.Fatal(got, err)
	}
	for i, n := range want {
		if g := got[i]; g.ID != n.ID || g.Raw != n.Raw || (g.Unreadable == nil) != (n.Unreadable == nil) || g.Kind != n.Kind || !g.Due.Equal(n.Due) {
			t.Errorf("%+v, want %+v", g, n)
		}
	}
}

// database is the database of a path, with tables.
func database(t *testing.T, path string) *sqlite.Store {
	t.Helper()
	db, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

// TestSessionsEnd: no session of before a restore is one of the restored users',
// whether or not it had been ended after the backup, and whatever epoch it was of.
func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	a := restore.Access{Users: []store.User{
		{ID: "first", Type: "A", Active: true, PasswordHash: "hash"}, {ID: "later", Type: "S", Active: true, PasswordHash: "hash", SessionEpoch: "then"},
	}}
	attach, err := restore.Attachments(a, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := natstest.Start(t)
	if _, _, err := s.Log.Append(t.Context(), events.ScanRequested{ScanID: "a"}); err != nil {
		t.Fatal(err)
	}
	o := options(t, copiedWith(t, s, 1, attach))
	if _, err := restore.Into(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	tokens, err := auth.NewTokens([]byte(strings.Repeat("k", auth.MinSecretBytes)), nil, time.Hour, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	sessionOf := func(u store.User) auth.Session {
		t.Helper()
		token, err := tokens.Issue(u)
		if err != nil {
			t.Fatal(err)
		}
		session, err := tokens.Verify(token)
		if err != nil {
			t.Fatal(err)
		}
		return session
	}
	list, err := database(t, filepath.Join(o.DataDir, "backup-monitor.db")).Users(t.Context())
	if err != nil || len(list) != 2 {
		t.Fatal(list, err)
	}
	for i, u := range list {
		if u.ID != a.Users[i].ID || sessionOf(a.Users[i]).Of(u) || !sessionOf(u).Of(u) {
			t.Errorf("%+v: a session of %+v", u, a.Users[i])
		}
	}
	if list[0].SessionEpoch == list[1].SessionEpoch {
		t.Error("two users have one epoch")
	}
}

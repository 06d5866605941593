package restore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"backupmonitor/events"
	"backupmonitor/services/cmd/backup-monitor/instance"
	"backupmonitor/services/cmd/backup-monitor/restore"
	"backupmonitor/services/gateway/auth"
	"backupmonitor/services/internal/logfile"
	"backupmonitor/services/internal/natstest"
	"backupmonitor/services/internal/store"
	"backupmonitor/services/internal/store/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// somebody is one user with one token; of two audit events one is in the log
// of copied already.
func somebody() restore.Access {
	return restore.Access{
		Users: []store.User{{ID: "jo", Name: "Jo", Type: "A", Active: true, PasswordHash: "hash", SessionEpoch: "then"}},
		Tokens: []store.APIToken{{
			ID: "bmt_1", Name: "wall", Scope: "display", Hash: strings.Repeat("a", 64), CreatedBy: "jo", CreatedAt: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
		}},
		Outbox: []restore.Waiting{{Event: delivered()}, {Event: events.Audited{ID: "n2", Kind: events.SignedIn, Actor: "jo"}, Due: time.Date(2199, 1, 1, 0, 0, 0, 0, time.UTC)}},
	}
}

func delivered() events.Audited { return events.Audited{ID: "n1", Kind: events.SignedIn, Actor: "jo"} }

// copied is a backup of a log of n events, from a sequence on.
func copied(t *testing.T, n int, first uint64) string {
	t.Helper()
	s := natstest.Start(t)
	for i := range n {
		e := events.BackupObserved{Outlet: fmt.Sprint("B", i%50), Mode: events.DDrive, ScanID: fmt.Sprint(i), ScanDate: "2026-03-14"}
		if _, _, err := s.Log.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := s.Log.Append(t.Context(), delivered()); err != nil {
		t.Fatal(err)
	}
	attach, err := restore.Attachments(somebody(), map[string]string{instance.SecretJWT: "a secret"})
	if err != nil {
		t.Fatal(err)
	}
	return copiedWith(t, s, first, attach)
}

// copiedWith is a backup of a log, from a sequence on, with these attachments.
func copiedWith(t *testing.T, s *natstest.Server, first uint64, attach map[string][]byte) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "backup-1")
	if _, err := logfile.Copy(t.Context(), s.Log, logfile.Options{Dir: dir, First: first, Attach: attach}); err != nil {
		t.Fatal(err)
	}
	return dir
}

func options(t *testing.T, backup string) restore.Options {
	t.Helper()
	return restore.Options{
		Backup: backup, DataDir: filepath.Join(t.TempDir(), "data"), Limits: events.Limits{EventsMaxBytes: natstest.MaxBytes},
		By: "a test", Logger: quiet(),
	}
}

// left is what stands in a data directory beside its lock.
func left(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "lock" {
			names = append(names, e.Name())
		}
	}
	return names
}

// TestInterrupted anywhere, a restore leaves nothing, and can be repeated.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	o := options(t, copied(t, 3500, 1))
	stops := 0
	for ; ; stops++ {
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		o.Progress = func(logfile.Step, uint64, uint64) {
			if n == stops {
				cancel()
			}
			n++
		}
		r, err := restore.Into(ctx, o)
		stopped := ctx.Err() != nil
		cancel()
		if err == nil {
			if r.Users != 1 || r.Tokens != 1 || r.Waiting != 1 || r.Manifest.Records != 3501 {
				t.Errorf("%+v", r)
			}
			break
		}
		if !errors.Is(err, context.Canceled) || !stopped {
			t.Fatalf("stop %d: %v", stops, err)
		}
		if names := left(t, o.DataDir); len(names) > 0 {
			t.Fatalf("stop %d left %v", stops, names)
		}
	}
	if stops < 8 {
		t.Errorf("it was stopped at %d places only", stops)
	}
	if b, err := os.ReadFile(filepath.Join(o.DataDir, instance.SecretJWT)); err != nil || string(b) != "a secret" {
		t.Errorf("%q %v", b, err)
	}
	if _, err := restore.Into(t.Context(), o); !errors.Is(err, instance.ErrNotEmpty) {
		t.Errorf("over what was restored: error %v", err)
	}
}

// TestRefused: nothing is made from what is no whole backup, and no log that
// could not be written on.
func TestRefused(t *testing.T) {
	t.Parallel()
	refused := func(o restore.Options, want error, text string) {
		t.Helper()
		_, err := restore.Into(t.Context(), o)
		if err == nil || want != nil && !errors.Is(err, want) || !strings.Contains(err.Error(), text) {
			t.Errorf("error %v, want %v %q", err, want, text)
		}
		if names := left(t, o.DataDir); len(names) > 0 {
			t.Errorf("left %v", names)
		}
	}
	refused(options(t, t.TempDir()), logfile.ErrNoCopy, "")
	refused(options(t, copied(t, 100, 50)), nil, "is an archive")
	backup := copied(t, 100, 1)
	small := options(t, backup)
	small.Limits.EventsMaxBytes = 20_000
	refused(small, restore.ErrNoRoom, "EVENTS_MAX_BYTES")
	users := filepath.Join(backup, restore.UsersName)
	if err := os.WriteFile(users, []byte("[]"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(options(t, backup), logfile.ErrDamaged, "users.json")
}

// TestRehearsal finds a copy that cannot be restored, and leaves nothing.
func TestRehearsal(t *testing.T) {
	t.Parallel()
	under := t.TempDir()
	dir := copied(t, 3000, 1000)
	var done, total uint64
	err := restore.Rehearse(t.Context(), dir, under, quiet(), func(d, n uint64) { done, total = d, n })
	if err != nil || done != total || total != 2*2002 {
		t.Errorf("%d of %d, %v", done, total, err)
	}
	segment := filepath.Join(dir, "log-00001.zst")
	b, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(segment, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := restore.Rehearse(t.Context(), dir, under, quiet(), nil); !errors.Is(err, logfile.ErrDamaged) {
		t.Errorf("error %v, want ErrDamaged", err)
	}
	if err := errors.Join(os.MkdirAll(filepath.Join(under, ".rehearsal-1", "nats"), 0o700), restore.Tidy(under)); err != nil { // as one that was killed
		t.Fatal(err)
	}
	if names := left(t, under); len(names) > 0 {
		t.Errorf("left %v", names)
	}
}

// rows is a database as another program may have left it.
type rows struct{ restore.Access }

func (r rows) Users(context.Context) ([]store.User, error)         { return r.Access.Users, nil }
func (r rows) APITokens(context.Context) ([]store.APIToken, error) { return r.Tokens, nil }
func (r rows) Notes(context.Context) ([]store.Note, error)         { return nil, nil }

// TestRowsThatCouldNotBeRestored are not in the backup; the backup and its
// restore have the others, and name these.
func TestRowsThatCouldNotBeRestored(t *testing.T) {
	t.Parallel()
	want := somebody()
	there := want
	there.Users = append(there.Users, store.User{ID: "x", Type: "Z"}, store.User{ID: "JO", Type: "S"}, store.User{ID: "y", Name: "\xff", Type: "S"}, store.User{Type: "S"})
	there.Tokens = append([]store.APIToken{{ID: "z"}}, there.Tokens...)
	read, err := restore.ReadAccess(t.Context(), rows{there})
	if err != nil || !reflect.DeepEqual(read.Users, want.Users) || !reflect.DeepEqual(read.Tokens, want.Tokens) || len(read.LeftOut) != 5 {
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
	if err != nil || r.Users != 1 || r.Tokens != 1 || len(r.LeftOut) != 5 {
		t.Fatalf("%+v, %v", r, err)
	}
	for i, want := range []string{
		`Not in the backup: user "x" of UserManager: the user type is "Z"`, `user "JO" of UserManager: to this program "jo" is the same user`,
		`user "y" of UserManager: a text of the user is not valid UTF-8`, `user "" of UserManager: a user needs an id`, `API token "z" of MonitorAPIToken: `,
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

// TestBackupInTheDataDirectory is not restored from there, whether or not an
// interrupted restore has marked the directory, and stays.
func TestBackupInTheDataDirectory(t *testing.T) {
	t.Parallel()
	outside := copied(t, 10, 1)
	o := options(t, "")
	ctx, cancel := context.WithCancel(t.Context())
	interrupted := o
	interrupted.Backup, interrupted.Progress = outside, func(s logfile.Step, _, _ uint64) {
		if s == logfile.Restoring {
			cancel()
		}
	}
	if _, err := restore.Into(ctx, interrupted); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	if err := os.MkdirAll(filepath.Join(o.DataDir, ".restoring"), 0o700); err != nil { // as one that was killed
		t.Fatal(err)
	}
	inside, link := filepath.Join(o.DataDir, "backup-1"), filepath.Join(t.TempDir(), "link")
	if err := errors.Join(os.CopyFS(inside, os.DirFS(outside)), os.Symlink(inside, link)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{inside, link} {
		o.Backup = path
		if _, err := restore.Into(t.Context(), o); err == nil || !strings.Contains(err.Error(), "move it to another place") {
			t.Errorf("%s: error %v", path, err)
		}
		if _, err := logfile.Verify(t.Context(), inside, nil); err != nil {
			t.Fatalf("%s: the backup was touched: %v", path, err)
		}
	}
	o.Backup = outside
	if _, err := restore.Into(t.Context(), o); !errors.Is(err, instance.ErrNotEmpty) {
		t.Errorf("error %v, want ErrNotEmpty", err)
	}
	if err := os.RemoveAll(inside); err != nil {
		t.Fatal(err)
	}
	if _, err := restore.Into(t.Context(), o); err != nil {
		t.Error(err)
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

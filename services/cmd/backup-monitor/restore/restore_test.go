package restore_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"backupmonitor/events"
	"backupmonitor/services/cmd/backup-monitor/instance"
	"backupmonitor/services/cmd/backup-monitor/restore"
	"backupmonitor/services/internal/logfile"
	"backupmonitor/services/internal/natstest"
	"backupmonitor/services/internal/store"
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
	for _, name := range []string{"", "..", "nats.json", "lock", ".env", "backup-monitor.db", "jwt-secret.old"} {
		s := natstest.Start(t)
		if _, _, err := s.Log.Append(t.Context(), delivered()); err != nil {
			t.Fatal(err)
		}
		refused(options(t, copiedWith(t, s, 1, map[string][]byte{"secret-" + name: []byte("x")})), logfile.ErrDamaged, "no backup of this program")
	}
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

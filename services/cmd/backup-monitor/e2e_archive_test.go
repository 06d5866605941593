//go:build e2e

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"backupmonitor/events"
	"backupmonitor/services/cmd/backup-monitor/restore"
	"backupmonitor/services/internal/logfile"
	"backupmonitor/services/internal/store"
)

// oldLooks is how many looks the log of these tests has from a month ago:
// enough that each part of an archive or a restore takes a while.
const oldLooks = 20_000

// oldBackup is a backup of a log of a month ago.
func oldBackup(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "backup-old")
	began := time.Now().Add(-30 * 24 * time.Hour).UTC()
	w, err := logfile.Create(dir, logfile.Manifest{Product: "test", Log: "old", Created: began, First: 1, Last: oldLooks, MadeAt: time.Now().UTC()})
	if err != nil {
		t.Fatal(err)
	}
	for i := range oldLooks {
		at := began.Add(time.Duration(i) * time.Millisecond)
		m, err := events.Encode("/backup-monitor/test", at, events.BackupObserved{
			Outlet: fmt.Sprintf("B%03d", i%200), Mode: events.Modes()[i/200%2], ScanID: fmt.Sprint("scan-", i/400), ScanDate: events.DateOf(began, time.UTC),
			StartedAt: at, Today: true, Verdict: events.Verdict{Status: events.Failed, Cause: events.CauseTimeout, Detail: strings.Repeat("no answer ", 20)},
		})
		if err == nil {
			err = w.Add(events.Record{Seq: uint64(i + 1), Stored: at, Subject: m.Subject, Header: m.Header, Data: m.Data})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(testPassword), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	admin := store.User{ID: testAdmin, Type: "A", Active: true, PasswordHash: string(hash)}
	files, err := restore.Attachments(restore.Access{Users: []store.User{admin}}, map[string]string{"jwt-secret": strings.Repeat("5", 64)})
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range files {
		if err := w.Attach(name, b); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Finish(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return dir
}

// moment is when to kill: once a file is there, or is there no more, and a
// while after.
type moment struct {
	glob  string // under DATA_DIR
	gone  bool   // once nothing matches any more that did
	after time.Duration
}

// killedAt runs a command as a process of its own and kills it at a moment,
// unless it has ended before; it tells whether it was killed.
func killedAt(t *testing.T, s settings, m moment, args ...string) bool {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary(t), append([]string{"--env-file", os.DevNull}, args...)...)
	cmd.Env = s.environ()
	var out syncBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	came := awaitMoment(t, s, m, ended)
	if came == nil {
		_ = cmd.Process.Kill() // it may have ended by now
		came = &ending{<-ended}
	}
	if came.err == nil {
		return false
	}
	if exit, ok := errors.AsType[*exec.ExitError](came.err); !ok || exit.Exited() {
		t.Fatalf("%v at %+v: %v\n%s", args, m, came.err, &out)
	}
	return true
}

// ending is how a process ended.
type ending struct{ err error }

// awaitMoment returns nil when the moment has come, or how the process ended
// before.
func awaitMoment(t *testing.T, s settings, m moment, ended <-chan error) *ending {
	t.Helper()
	pattern, was := filepath.Join(s["DATA_DIR"], m.glob), false
	for deadline := time.Now().Add(patience); ; {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		was = was || len(found) > 0
		if was && m.gone == (len(found) == 0) {
			break
		}
		select {
		case err := <-ended:
			return &ending{err}
		case <-time.After(time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v never came", m)
		}
	}
	select {
	case err := <-ended:
		return &ending{err}
	case <-time.After(m.after):
		return nil
	}
}

// copyData copies a data directory into that of other settings.
func copyData(t *testing.T, from, to settings) {
	t.Helper()
	if err := os.CopyFS(to["DATA_DIR"], os.DirFS(from["DATA_DIR"])); err != nil {
		t.Fatal(err)
	}
}

// TestE2EArchiveKill9: wherever an archive is killed, no event is gone that is
// not in a proved archive, the tables agree with log and archives, and the same
// command ends what was begun.
func TestE2EArchiveKill9(t *testing.T) {
	from := newSettings(t, nil)
	must(t, from, "restore", oldBackup(t))
	in, stop := startUp(t, from)
	in.caughtUp()
	if code := stop(); code != 0 {
		t.Fatal(code)
	}
	before := time.Now().UTC().AddDate(0, 0, -10).Format(time.DateOnly)
	moments := []moment{
		{glob: "archive/*.partial"}, {glob: "archive/*.partial", after: 100 * time.Millisecond}, {glob: "archive/*.partial", after: 300 * time.Millisecond},
		{glob: "archive/*.partial", gone: true}, {glob: "archive/.rehearsal-*"}, {glob: "archive/.rehearsal-*", after: 200 * time.Millisecond},
	}
	for ms := range 4 { // taking the events out of the log
		moments = append(moments, moment{"archive/.rehearsal-*", true, time.Duration(5*ms*ms) * time.Millisecond})
	}
	killed, unfinished := 0, 0
	for _, m := range moments {
		s := newSettings(t, nil)
		copyData(t, from, s)
		if killedAt(t, s, m, "archive", "--before", before) {
			killed++
		}
		says(t, s, 0, "fsck", "Everything is as it must be.", fmt.Sprintf("history                 %d  %d       0        0          0", oldLooks, oldLooks))
		code, out, errs := command(t, s, "", "archive", "--before", before, "--dry-run")
		if strings.Contains(out, "is not taken out of the log completely") {
			unfinished++
		}
		again, out2, errs2 := command(t, s, "", "archive", "--before", before)
		if through := strings.Contains(errs2, "nothing to archive"); again != 0 && !through || code != 0 && !through {
			t.Errorf("%+v: again: %d %d %s%s%s%s", m, code, again, out, errs, out2, errs2)
		}
		archivedOnce(t, s)
		if t.Failed() {
			t.Fatalf("killed at %+v", m)
		}
	}
	t.Logf("killed %d times of %d, %d of these while events were taken out", killed, len(moments), unfinished)
	if killed < 6 {
		t.Errorf("it was killed %d times only", killed)
	}
}

// archivedOnce checks that there is one archive, whole, of all looks, nothing
// half done beside it, and that log and tables agree.
func archivedOnce(t *testing.T, s settings) {
	t.Helper()
	left, err := os.ReadDir(filepath.Join(s["DATA_DIR"], "archive"))
	if err != nil || len(left) != 1 {
		t.Fatalf("archives %v, %v", left, err)
	}
	dir := filepath.Join(s["DATA_DIR"], "archive", left[0].Name())
	if m, err := logfile.Verify(t.Context(), dir, nil); err != nil || m.First != 1 || m.Records != oldLooks {
		t.Errorf("%+v, %v", m, err)
	}
	says(t, s, 0, "fsck", "Everything is as it must be.")
	if passing, _ := filepath.Glob(filepath.Join(s["DATA_DIR"], "archive/.rehearsal-*")); len(passing) > 0 {
		t.Errorf("left over: %v", passing)
	}
}

// TestE2EArchiveKill9Beside: the same with an `up` that does it, and is killed.
func TestE2EArchiveKill9Beside(t *testing.T) {
	s := newSettings(t, nil)
	must(t, s, "restore", oldBackup(t))
	in, stop := startUp(t, s)
	in.caughtUp()
	if code := stop(); code != 0 {
		t.Fatal(code)
	}
	before := time.Now().UTC().AddDate(0, 0, -10).Format(time.DateOnly)
	for _, m := range []moment{{glob: "archive/*.partial"}, {glob: "archive/.rehearsal-*"}, {glob: "archive/.rehearsal-*", gone: true, after: 5 * time.Millisecond}} {
		c := startChild(t, s)
		asked := make(chan int, 1)
		go func() {
			code, _, _ := command(t, s, "", "archive", "--before", before)
			asked <- code
		}()
		if awaitMoment(t, s, m, nil) != nil {
			t.Fatal("there is no process that could end")
		}
		c.kill()
		if code := <-asked; code == 0 && m.glob != "archive/.rehearsal-*" {
			t.Errorf("%+v: the command says that it is done", m)
		}
		says(t, s, 0, "fsck", "Everything is as it must be.")
	}
	if code, _, errs := command(t, s, "", "archive", "--before", before); code != 0 && !strings.Contains(errs, "nothing to archive") {
		t.Error(errs)
	}
	archivedOnce(t, s)
}

// TestE2ERestoreKill9: wherever a restore is killed, the data directory is not
// used before the restore was repeated, or it is whole.
func TestE2ERestoreKill9(t *testing.T) {
	dir := oldBackup(t)
	moments := []moment{
		{glob: "lock"}, {glob: ".restoring"}, {glob: ".restoring", after: 100 * time.Millisecond}, {glob: ".restoring", after: 300 * time.Millisecond},
		{glob: ".restoring", after: 600 * time.Millisecond}, {glob: ".restoring/*.db"}, {glob: ".restoring/jwt-secret"}, {glob: "nats"}, {glob: "jwt-secret"},
		{glob: ".restoring", gone: true},
	}
	killed := 0
	for _, m := range moments {
		s := newSettings(t, nil)
		if killedAt(t, s, m, "restore", dir) {
			killed++
		}
		if _, err := os.Stat(filepath.Join(s["DATA_DIR"], ".restoring")); err == nil {
			says(t, s, 1, "fsck", "restore again")
		}
		if code, _, errs := command(t, s, "", "restore", dir); code != 0 && !strings.Contains(errs, "not empty") {
			t.Errorf("again: %s", errs)
		}
		says(t, s, 0, "users list", testAdmin)
		says(t, s, 0, "fsck", "Everything is as it must be.", fmt.Sprintf("%d events", oldLooks+1))
		if b, err := os.ReadFile(filepath.Join(s["DATA_DIR"], "jwt-secret")); err != nil || len(b) != 64 {
			t.Errorf("the secret has %d bytes, %v", len(b), err)
		}
		if t.Failed() {
			t.Fatalf("killed at %+v", m)
		}
	}
	t.Logf("killed %d times of %d", killed, len(moments))
	if killed < 5 {
		t.Errorf("it was killed %d times only", killed)
	}
}

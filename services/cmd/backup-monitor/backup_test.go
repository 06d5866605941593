package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/cmd/backup-monitor/instance"
	"backupmonitor/services/cmd/backup-monitor/restore"
	"backupmonitor/services/internal/fleet"
	"backupmonitor/services/internal/logfile"
	"backupmonitor/services/internal/store"
	"backupmonitor/services/internal/store/sqlite"
)

// mixed is a fleet in which several things are wrong.
func mixed() []fleet.Spec {
	presets := []fleet.Preset{fleet.Good, fleet.Stale, fleet.EmptyFolder, fleet.TooSmall, fleet.DriveMissing, fleet.FutureFile, fleet.UnicodeNames}
	specs := make([]fleet.Spec, 10)
	for i := range specs {
		specs[i] = fleet.New(fleet.Plan{Code: fmt.Sprintf("R%02d", i), Preset: presets[i%len(presets)], Seed: uint64(i), Now: time.Now()})
	}
	return specs
}

// database is all that the tables say, one line each, of a program that does
// not run.
func database(t *testing.T, s settings) []string {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(s["DATA_DIR"], "backup-monitor.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	var lines []string
	say := func(table string, v any) error {
		b, err := json.Marshal(v)
		lines = append(lines, table+" "+string(b))
		return err
	}
	for _, m := range events.Modes() {
		err = errors.Join(err,
			db.Rows(t.Context(), store.Query{Mode: m}, func(r store.Row) error { return say("row", r) }),
			db.History(t.Context(), store.Query{Mode: m}, func(l store.Look) error { return say("history", l) }))
	}
	outlets, oerr := db.ActiveOutlets(t.Context())
	for _, o := range outlets {
		err = errors.Join(err, say("outlet", o))
	}
	users, uerr := db.Users(t.Context())
	for _, u := range users {
		u.LoginActiveTime, u.LoginFalseAttempt, u.SessionEpoch = nil, 0, "" // signing in to look at it changes them, and a restore
		err = errors.Join(err, say("user", u))
	}
	access, aerr := restore.ReadAccess(t.Context(), db)
	for i := range access.Tokens {
		access.Tokens[i].LastUsedAt, access.Tokens[i].LastUsedFrom = nil, ""
	}
	err = errors.Join(err, say("tokens", access.Tokens), say("outbox", access.Outbox))
	if err := errors.Join(err, oerr, uerr, aerr); err != nil {
		t.Fatal(err)
	}
	return lines
}

func sameLines(t *testing.T, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d lines, want %d", len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Fatalf("line %d:\n%s\nwant\n%s", i, got[i], want[i])
		}
	}
}

// must runs a command that succeeds.
func must(t *testing.T, s settings, args ...string) string {
	t.Helper()
	code, out, errs := command(t, s, "", args...)
	if code != 0 {
		t.Fatalf("%v: code %d: %s%s", args, code, out, errs)
	}
	return out
}

// backup makes a backup and returns where it is.
func backup(t *testing.T, s settings) string {
	t.Helper()
	dir, _, _ := strings.Cut(must(t, s, "backup", "--to", filepath.Join(t.TempDir(), "backups")), "\n")
	if _, err := os.Stat(filepath.Join(dir, "manifest.json")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func (in *instanceUnderTest) scanned() {
	in.t.Helper()
	in.follow(in.startScan(map[string]any{"modes": []string{"d_drive", "ib_storage"}}), 0)
}

// caughtUp waits until the tables show all of the log. What /readyz says may be a
// second old.
func (in *instanceUnderTest) caughtUp() {
	in.t.Helper()
	fresh := time.Now().Add(time.Second)
	for deadline := time.Now().Add(patience); ; <-time.After(20 * time.Millisecond) {
		asked := time.Now()
		resp, err := in.request(in.t.Context(), http.MethodGet, "/readyz?verbose", nil)
		if err != nil {
			in.t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		if err := errors.Join(err, resp.Body.Close()); err != nil {
			in.t.Fatal(err)
		}
		if resp.StatusCode == http.StatusOK && strings.Contains(string(b), `"0 events behind"`) && asked.After(fresh) {
			return
		}
		if time.Now().After(deadline) {
			in.t.Fatalf("the tables do not follow: %s", b)
		}
	}
}

// knowsItsCapacity: API and metrics know the log and the disk below it.
func (in *instanceUnderTest) knowsItsCapacity() {
	in.t.Helper()
	var c struct {
		Events       uint64
		EventsPerDay float64
		Disk         *struct{ LogBytes, TablesBytes, FreeBytes int64 }
	}
	in.call(http.MethodGet, "/api/v1/system/capacity", nil, http.StatusOK, &c)
	if c.Events == 0 || c.EventsPerDay <= 0 || c.Disk == nil || c.Disk.LogBytes <= 0 || c.Disk.TablesBytes <= 0 || c.Disk.FreeBytes <= 0 {
		in.t.Errorf("%+v", c)
	}
	resp, err := in.request(in.t.Context(), http.MethodGet, "/metrics", nil)
	if err != nil {
		in.t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		in.t.Fatal(err)
	}
	for _, name := range []string{"log_bytes_per_day", "disk_free_bytes", "disk_log_bytes", "capacity_alarm 0", `source_up{source="capacity"} 1`} {
		if !strings.Contains(string(b), "\noutletbackup_"+name) {
			in.t.Errorf("no %s among the metrics", name)
		}
	}
}

// TestRestoreDrill: a backup is made while the program runs and looks; then
// everything is wiped, restored, and every row, line of history, outlet and
// user is as it was. The restored program works on.
func TestRestoreDrill(t *testing.T) {
	t.Parallel()
	_, s := startFleet(t, mixed(), nil)
	in, stop := startUp(t, s)
	in.scanned()
	in.scanned()
	in.caughtUp()
	in.knowsItsCapacity()
	position := in.position()
	early := backup(t, s)
	var made struct{ Token string }
	in.call(http.MethodPost, "/api/v1/tokens", map[string]any{"name": "wall", "scope": "read"}, http.StatusCreated, &made)
	hurt(t, filepath.Join(s["DATA_DIR"], "backup-monitor.db"), // an audit event that is not due yet
		`INSERT INTO MonitorOutbox (NoteID, Due, Data) VALUES ('later', '2199-01-01T00:00:00.000000Z', '{"id":"later","kind":"signed_in","actor":"admin"}')`)
	in.scanned()
	in.caughtUp()
	dir := backup(t, s)
	if code := stop(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	want := database(t, s)
	for i, begins := range []string{`user {"ID":"admin"`, `tokens [{"ID":"`, `outbox [{"Event":{"id":"later"`} {
		if line := want[len(want)-3+i]; !strings.HasPrefix(line, begins) {
			t.Fatal(line)
		}
	}
	secret, err := os.ReadFile(filepath.Join(s["DATA_DIR"], "jwt-secret"))
	if err != nil {
		t.Fatal(err)
	}
	token := in.token
	alone := backup(t, s) // without a running program it is the same
	if a, b := manifest(t, alone), manifest(t, dir); a.Log != b.Log || a.Last < b.Last {
		t.Errorf("%+v and %+v", a, b)
	}
	if code, _, errs := command(t, s, "", "restore", dir); code == 0 || !strings.Contains(errs, "not empty") {
		t.Fatalf("over what is there: code %d: %s", code, errs)
	}
	if err := os.RemoveAll(s["DATA_DIR"]); err != nil {
		t.Fatal(err)
	}
	must(t, s, "restore", dir, "--dry-run")
	if _, err := os.Stat(s["DATA_DIR"]); err == nil {
		t.Error("a dry run made the data directory")
	}
	if out := must(t, s, "restore", dir); !strings.Contains(out, "The 1 user and 1 API token are as of "+manifest(t, dir).MadeAt.Format(time.RFC3339)) {
		t.Error(out)
	}
	says(t, s, 0, "rebuild", "`backup-monitor up` fills the tables")
	says(t, s, 0, "fsck", "Everything is as it must be.")
	if got, err := os.ReadFile(filepath.Join(s["DATA_DIR"], "jwt-secret")); err != nil || string(got) != string(secret) {
		t.Errorf("the secret is another, %v", err)
	}
	in, stop = startUp(t, s)
	fresh := in.token
	in.token = made.Token
	in.call(http.MethodGet, "/api/v1/outlets", nil, http.StatusOK, nil)
	in.token = token // of a session of before
	in.call(http.MethodGet, "/api/v1/auth/me", nil, http.StatusUnauthorized, nil)
	in.token = fresh
	in.call(http.MethodGet, "/api/v1/auth/me", nil, http.StatusOK, nil)
	in.caughtUp()
	if p := in.position(); p == position {
		t.Errorf("clients of the old log would go on at %s", p)
	}
	if code := stop(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	sameLines(t, database(t, s), want)
	says(t, s, 0, "fsck", "Everything is as it must be.")
	says(t, s, 0, "rebuild", "Nothing is missing or different.")
	in, stop = startUp(t, s)
	in.scanned()
	in.caughtUp()
	if n := len(in.rows("backup", "")); n != 10 {
		t.Errorf("%d rows", n)
	}
	if code := stop(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	outlivesRestore(t, s, early)
}

// outlivesRestore: a database that is ahead of a restored log is not written
// on.
func outlivesRestore(t *testing.T, s settings, early string) {
	t.Helper()
	kept := filepath.Join(t.TempDir(), "kept.db")
	if err := os.Rename(filepath.Join(s["DATA_DIR"], "backup-monitor.db"), kept); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(s["DATA_DIR"]); err != nil {
		t.Fatal(err)
	}
	must(t, s, "restore", early)
	if err := os.Rename(kept, filepath.Join(s["DATA_DIR"], "backup-monitor.db")); err != nil {
		t.Fatal(err)
	}
	in, _ := startUp(t, s)
	for deadline := time.Now().Add(patience); ; <-time.After(20 * time.Millisecond) {
		resp, err := in.request(t.Context(), http.MethodGet, "/readyz", nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode == http.StatusServiceUnavailable {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("it is ready with tables that are ahead of its log")
		}
	}
}

func manifest(t *testing.T, dir string) logfile.Manifest {
	t.Helper()
	m, err := logfile.ReadManifest(dir)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// position is where the live feed stands: the identity of the log.
func (in *instanceUnderTest) position() string {
	in.t.Helper()
	ctx, cancel := context.WithTimeout(in.t.Context(), patience)
	defer cancel()
	resp, err := in.request(ctx, http.MethodGet, "/api/v1/events", nil)
	if err != nil {
		in.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b := make([]byte, 200)
	n, err := io.ReadAtLeast(resp.Body, b, 40)
	if err != nil {
		in.t.Fatal(err)
	}
	_, id, _ := strings.Cut(string(b[:n]), "id: ")
	id, _, ok := strings.Cut(id, "-")
	if !ok {
		in.t.Fatalf("no position in %q", b[:n])
	}
	return id
}

// aged is a backup whose events are a month older.
func aged(t *testing.T, dir string) string {
	t.Helper()
	r, err := logfile.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	older := filepath.Join(t.TempDir(), "older")
	w, err := logfile.Create(older, r.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	for {
		rec, err := r.Next(t.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		rec.Stored = rec.Stored.Add(-30 * 24 * time.Hour)
		if err := w.Add(rec); err != nil {
			t.Fatal(err)
		}
	}
	for _, a := range r.Manifest.Attachments {
		b, err := r.Attachment(a.Name)
		if err == nil {
			err = w.Attach(a.Name, b)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Finish(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return older
}

// TestArchiveDrill: old events are taken out of the log of a running program,
// which goes on as before; everything is wiped and comes back, from backup and
// archive together and not from the backup alone.
func TestArchiveDrill(t *testing.T) {
	t.Parallel()
	_, s := startFleet(t, mixed(), nil)
	in, stop := startUp(t, s)
	in.scanned()
	in.caughtUp()
	first := ask(t, filepath.Join(s["DATA_DIR"], "backup-monitor.db"), "SELECT MAX(Seq) FROM MonitorHistory")
	between := time.Now().UTC()
	in.scanned()
	in.caughtUp()
	if code := stop(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	old := aged(t, backup(t, s))
	if err := os.RemoveAll(s["DATA_DIR"]); err != nil {
		t.Fatal(err)
	}
	must(t, s, "restore", old)
	in, stop = startUp(t, s)
	in.caughtUp()
	before := time.Now().UTC().AddDate(0, 0, -10).Format(time.DateOnly)
	if out := must(t, s, "archive", "--before", before, "--dry-run"); !strings.Contains(out, fmt.Sprintf("Events 1 to %d ", manifest(t, old).Last)) {
		t.Errorf("dry run: %s", out)
	}
	tables := filepath.Join(s["DATA_DIR"], "backup-monitor.db")
	hurt(t, tables, "INSERT INTO UserManager (UserID, UserType) VALUES ('chef', 'X')") // no backup could have it, and none is asked
	must(t, s, "archive", "--before", before)
	hurt(t, tables, "DELETE FROM UserManager WHERE UserID = 'chef'")
	if code, _, errs := command(t, s, "", "archive", "--before", before); code == 0 || !strings.Contains(errs, "nothing to archive") {
		t.Errorf("again: code %d: %s", code, errs)
	}
	in.scanned()
	in.caughtUp()
	dir := backup(t, s)
	if m := manifest(t, dir); m.Archived != manifest(t, old).Last || m.Records >= m.Last {
		t.Errorf("%+v", m)
	}
	if code := stop(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	want := database(t, s)
	archives, elsewhere := filepath.Join(s["DATA_DIR"], instance.ArchiveName), filepath.Join(t.TempDir(), "archive")
	if err := os.Rename(archives, elsewhere); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(s["DATA_DIR"]); err != nil {
		t.Fatal(err)
	}
	if out := must(t, s, "restore", dir); !strings.Contains(out, archives) {
		t.Errorf("it does not ask for the archives: %s", out)
	}
	in, stop = startUp(t, s)
	in.call(http.MethodGet, "/readyz", nil, http.StatusServiceUnavailable, nil)
	if n := len(in.rows("backup", "")); n != 0 {
		t.Errorf("%d rows without the archive", n)
	}
	says(t, s, 1, "fsck", "1. An archive of the log is missing: events 1 to", "Put a good copy of that archive into ARCHIVE_DIR")
	if err := os.Rename(elsewhere, archives); err != nil {
		t.Fatal(err)
	}
	in.caughtUp()
	if code := stop(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	sameLines(t, database(t, s), want)
	foldedWhole(t, s, first, between.Add(-30*24*time.Hour))
	damagedArchive(t, s)
	outlivesArchive(t, s)
	sameLines(t, database(t, s), want)
}

// foldedWhole: what folds a log reads its archives too. first is the last look
// that was known at between.
func foldedWhole(t *testing.T, s settings, first string, between time.Time) {
	t.Helper()
	says(t, s, 0, "fsck", "Everything is as it must be.")
	says(t, s, 0, "rebuild", "Nothing is missing or different.")
	then := filepath.Join(t.TempDir(), "then.db")
	says(t, s, 0, "replay --until "+between.Format(time.RFC3339Nano)+" --into sqlite://"+then)
	if got := ask(t, then, "SELECT MAX(Seq) FROM MonitorHistory"); got != first {
		t.Errorf("the database of then has looks up to %s, want %s", got, first)
	}
	says(t, s, 0, "judge --policy max_age=1s", "60 looks judged again")
}

// damagedArchive: a byte that is another in an archive is found.
func damagedArchive(t *testing.T, s settings) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(s["DATA_DIR"], instance.ArchiveName, "archive-*", "log-00001.zst"))
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	good, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	bad := slices.Clone(good)
	bad[len(bad)/2] ^= 1
	if err := os.WriteFile(found[0], bad, 0o600); err != nil {
		t.Fatal(err)
	}
	says(t, s, 1, "fsck", "the copy of the log is damaged", "Put a good copy of that archive into ARCHIVE_DIR")
	says(t, s, 1, "rebuild", "damaged")
	if err := os.WriteFile(found[0], good, 0o600); err != nil {
		t.Fatal(err)
	}
}

// outlivesArchive: tables that were kept while the log was lost and restored are
// not those of another log: they are compared, put right and gone on with.
func outlivesArchive(t *testing.T, s settings) {
	t.Helper()
	dir, away := backup(t, s), t.TempDir()
	kept := []string{"backup-monitor.db", instance.ArchiveName}
	for _, name := range kept {
		if err := os.Rename(filepath.Join(s["DATA_DIR"], name), filepath.Join(away, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(s["DATA_DIR"]); err != nil {
		t.Fatal(err)
	}
	must(t, s, "restore", dir)
	for _, name := range kept {
		if err := os.Rename(filepath.Join(away, name), filepath.Join(s["DATA_DIR"], name)); err != nil {
			t.Fatal(err)
		}
	}
	hurt(t, filepath.Join(s["DATA_DIR"], "backup-monitor.db"), "DELETE FROM IB_Storage_Backup_Stat WHERE OutletServer = 'R03'")
	says(t, s, 1, "fsck", "1. IB_Storage_Backup_Stat lacks")
	says(t, s, 0, "rebuild", "put right.")
	says(t, s, 0, "fsck", "Everything is as it must be.")
	in, stop := startUp(t, s)
	in.caughtUp()
	says(t, s, 0, "fsck", "Everything is as it must be.")
	if code := stop(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
}

// TestBackupWithoutARow: rows that another program spoilt do not keep the rest
// out of a backup. They are named when it is made, verified and restored; making
// it fails.
func TestBackupWithoutARow(t *testing.T) {
	t.Parallel()
	s := newSettings(t, nil)
	in, stop := startUp(t, s)
	hurt(t, filepath.Join(s["DATA_DIR"], "backup-monitor.db"),
		"INSERT INTO UserManager (UserID, UserType, Password, Status, LoginFalseAttempt) VALUES ('chef', 'X', 'hash', 'Y', 'often'), ('ann', 's', 'hash', 'Y', 'never')")
	to := filepath.Join(t.TempDir(), "backups")
	const row = `user "chef" of UserManager`
	lacking := func() string {
		t.Helper()
		code, out, errs := command(t, s, "", "backup", "--to", to)
		if want := row + ` is not in this backup: the user type is "X": A is Admin and S is Support: put the row right and make another backup`; code != 1 ||
			!strings.HasSuffix(errs, want+"\n") || !strings.Contains(out, "2 users, 0 API tokens") {
			t.Fatalf("code %d: %s%s", code, out, errs)
		}
		dir, _, _ := strings.Cut(out, "\n")
		return dir
	}
	dir := lacking()
	says(t, s, 0, "backup verify "+dir, "is as it was written", "Not in the backup: "+row)
	in.call(http.MethodGet, "/api/v1/users", nil, http.StatusOK, nil)
	if code := stop(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	if err := os.RemoveAll(dir); err != nil { // its name has the second in it
		t.Fatal(err)
	}
	dir = lacking()
	if err := os.RemoveAll(s["DATA_DIR"]); err != nil {
		t.Fatal(err)
	}
	says(t, s, 0, "restore "+dir, "2 users, 0 API tokens, and the secrets.", "Not in the backup: "+row)
	if ids := ask(t, filepath.Join(s["DATA_DIR"], "backup-monitor.db"), "SELECT GROUP_CONCAT(UserID ORDER BY UserID) FROM UserManager"); ids != "admin,ann" {
		t.Errorf("restored are %s", ids)
	}
	must(t, s, "backup", "--to", t.TempDir()) // of what was restored nothing is lacking
}

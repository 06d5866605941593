package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"backupmonitor/services/internal/store"
	"backupmonitor/services/internal/store/sqlite"
)

func TestFilesAreTheOwnersOnly(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("no permission bits on Windows")
	}
	dir := t.TempDir()
	for name, prepare := range map[string]func(path string) error{
		"new db":       func(string) error { return nil },
		"restored?.db": func(path string) error { return os.WriteFile(path, nil, 0o644) },
	} {
		path := filepath.Join(dir, name)
		if err := prepare(path); err != nil {
			t.Fatal(err)
		}
		s := open(t, path)
		if err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]fs.FileMode{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		seen[e.Name()] = info.Mode().Perm()
	}
	for _, name := range []string{"new db", "new db-wal", "new db-shm", "restored?.db", "restored?.db-wal", "restored?.db-shm"} {
		if mode, ok := seen[name]; !ok || mode != 0o600 {
			t.Errorf("%s: there %t, mode %o, want 600", name, ok, mode)
		}
	}
	if len(seen) != 6 {
		t.Errorf("files %v", seen)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage.db")
	if err := os.WriteFile(garbage, bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "missing", "x.db"): "no such file or directory",
		dir:                                   "is a directory",
		garbage:                               "no SQLite database, or it is damaged",
	} {
		s, err := sqlite.Open(t.Context(), path)
		if err == nil {
			t.Errorf("%s was opened: %v", path, s.Close())
			continue
		}
		if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("error %q, want it to name %s and to say %q", err, path, want)
		}
	}
	if after, err := os.ReadFile(garbage); err != nil || !bytes.HasPrefix(after, []byte("no database no")) {
		t.Errorf("the refused file was changed: %v", err)
	}
}

func TestDamageIsAnError(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "monitor.db")
	s, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	// All but the first page, which alone is read at opening.
	if _, err := f.WriteAt(bytes.Repeat([]byte{0xA5}, int(info.Size())-4096), 4096); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	s, err = sqlite.Open(t.Context(), path)
	if err == nil {
		_, err = s.Checkpoint(t.Context())
		if cerr := s.Close(); cerr != nil {
			t.Error(cerr)
		}
	}
	if err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Fatalf("error %v, want that the database is damaged", err)
	}
}

func TestNewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "monitor.db")
	s := open(t, path)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	exec1(t, path, "INSERT INTO MonitorSchema (Version) VALUES (999)")
	if err := s.Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), "newer") {
		t.Fatalf("error %v, want that a newer program is needed", err)
	}
}

const childPath = "SQLITE_TEST_CHILD_PATH"

// TestProcessesMigrateAtOnce runs this test program several times on one
// file.
func TestProcessesMigrateAtOnce(t *testing.T) {
	t.Parallel()
	if path := os.Getenv(childPath); path != "" {
		if err := open(t, path).Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		return
	}
	path := filepath.Join(t.TempDir(), "monitor.db")
	var children []*exec.Cmd
	var outputs []*bytes.Buffer
	for range 4 {
		c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProcessesMigrateAtOnce$")
		out := &bytes.Buffer{}
		c.Env, c.Stdout, c.Stderr = append(os.Environ(), childPath+"="+path), out, out
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		children, outputs = append(children, c), append(outputs, out)
	}
	for i, c := range children {
		if err := c.Wait(); err != nil {
			t.Errorf("%v: %s", err, outputs[i])
		}
	}
	var versions int
	ask(t, path, "SELECT COUNT(*) FROM MonitorSchema", &versions)
	if files, err := filepath.Glob("migrations/*.sql"); err != nil || versions != len(files) {
		t.Errorf("%d versions applied, want %d, each once", versions, len(files))
	}
}

func rowsOf(t testing.TB, s *sqlite.Store, q store.Query) (rows []store.Row) {
	t.Helper()
	err := s.Rows(context.Background(), q, func(r store.Row) error {
		rows = append(rows, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// exec1 runs a statement as another program would.
func exec1(t testing.TB, path, statement string) {
	t.Helper()
	db := plain(t, path)
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(fmt.Errorf("%s: %w", statement, err))
	}
}

func ask(t testing.TB, path, query string, to any) {
	t.Helper()
	if err := plain(t, path).QueryRowContext(t.Context(), query).Scan(to); err != nil {
		t.Fatal(err)
	}
}

func plain(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

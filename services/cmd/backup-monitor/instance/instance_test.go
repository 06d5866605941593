package instance_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"backupmonitor/events"
	"backupmonitor/services/cmd/backup-monitor/instance"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func closeDir(t *testing.T, d *instance.Dir) {
	t.Helper()
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

func start(t *testing.T, path string) (*instance.Dir, *instance.NATS) {
	t.Helper()
	d, err := instance.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	n, err := d.StartNATS(instance.NATSOptions{Log: quiet()})
	if err != nil {
		t.Fatal(errors.Join(err, d.Close()))
	}
	return d, n
}

func TestSecondProcessIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data")
	d, err := instance.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := instance.Open(path); !errors.Is(err, instance.ErrInUse) {
		t.Fatalf("second: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if d, err = instance.Open(path); err != nil {
		t.Fatalf("after the first: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestUnusableDirectory(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := instance.Open(file); err == nil || !strings.Contains(err.Error(), "DATA_DIR") {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "nats"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := instance.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer closeDir(t, d)
	if _, err := d.StartNATS(instance.NATSOptions{Log: quiet()}); err == nil {
		t.Fatal("a server started on a file")
	}
}

// TestFoundByItsAddress: a command finds the running process, may read and
// write, and may not take from the log.
func TestFoundByItsAddress(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	if _, err := instance.Find(path, "cli"); !errors.Is(err, instance.ErrNotRunning) {
		t.Fatalf("before: %v", err)
	}
	d, n := start(t, path)
	defer closeDir(t, d)
	info, err := os.Stat(filepath.Join(path, "nats.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info.Mode(), err)
	}
	nc, err := instance.Find(path, "cli")
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	provision(ctx, t, n)
	if _, _, err := events.NewLog(js, "cli").Append(ctx, events.Audited{ID: "1", Kind: events.SignedIn}); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Check(ctx); err != nil {
		t.Fatal(err)
	}
	nc.Close()
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := instance.Find(path, "cli"); !errors.Is(err, instance.ErrNotRunning) {
		t.Fatalf("after: %v", err)
	}
}

// TestLeftBehind: the address that a killed process left is no running one,
// whatever is in it and whoever is there now.
func TestLeftBehind(t *testing.T) {
	t.Parallel()
	stranger, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stranger.Close() })
	for _, text := range []string{"", "{", "[]", `{"url":"nats://` + stranger.Addr().String() + `"}`} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "nats.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := instance.Find(dir, "cli"); !errors.Is(err, instance.ErrNotRunning) {
			t.Errorf("%q: %v", text, err)
		}
	}
	path := t.TempDir()
	d, n := start(t, path)
	left, err := os.ReadFile(filepath.Join(path, "nats.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(n.Close(), d.Close(), os.WriteFile(filepath.Join(path, "nats.json"), left, 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := instance.Find(path, "cli"); !errors.Is(err, instance.ErrNotRunning) {
		t.Fatal(err)
	}
}

func TestSecretIsKept(t *testing.T) {
	t.Parallel()
	d, err := instance.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer closeDir(t, d)
	a, err := d.Secret("jwt-secret")
	if err != nil || len(a) != 64 {
		t.Fatalf("%q %v", a, err)
	}
	b, err := d.Secret("jwt-secret")
	other, err2 := d.Secret("other")
	if err != nil || err2 != nil || a != b || a == other {
		t.Fatalf("%v %v", err, err2)
	}
}

package disk_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"backupmonitor/services/internal/disk"
)

// TestSync reaches every file, and says which is not there or not to be
// written.
func TestSync(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	deep := filepath.Join(dir, "a", "b")
	if err := errors.Join(os.MkdirAll(deep, 0o750), os.WriteFile(filepath.Join(deep, "file"), []byte("x"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(disk.SyncDir(deep), disk.SyncTree(dir)); err != nil {
		t.Error(err)
	}
	if err := disk.SyncTree(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v, want ErrNotExist", err)
	}
}

//go:build e2e

package smb_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/fleet"
	"backupmonitor/services/internal/sambatest"
	"backupmonitor/services/prober/smb"
)

// TestSoakMutations changes conversations for as long as SOAK_FOR says, from a
// printed seed on.
func TestSoakMutations(t *testing.T) {
	d, err := time.ParseDuration(os.Getenv("SOAK_FOR"))
	if err != nil {
		t.Fatalf("SOAK_FOR: %v", err)
	}
	first := number(t, "MUTATION_SEED", uint64(time.Now().UnixNano()))
	t.Logf("from MUTATION_SEED=%d on", first)
	until := time.Now().Add(d)
	var done atomic.Uint64
	mutate(t, func() (uint64, bool) { return first + done.Add(1) - 1, time.Now().Before(until) })
}

// TestSoakSambaHundredThousandFiles: what a look costs does not grow with the
// folder, with a real server as well.
func TestSoakSambaHundredThousandFiles(t *testing.T) {
	const count = 100_000
	s := sambatest.Start(t, sambatest.Config{})
	dir := filepath.Join(s.Dir(t, 0, "d$"), fleet.BackupFolder)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	for i := range count {
		f, err := os.Create(filepath.Join(dir, fmt.Sprintf("DB_with_a_longer_name_%06d.bak", i)))
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	d := look(t, patience, dOnlyAs(s.Addr(0), smb.NewCredential(s.User, s.Password, "")))[events.DDrive].Drives[0]
	t.Logf("seen in %v", time.Since(began))
	if d.Error != nil || d.FileCount != count {
		t.Errorf("%d files, %+v", d.FileCount, d.Error)
	}
}

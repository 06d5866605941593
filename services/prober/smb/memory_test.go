package smb_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime/metrics"
	"testing"
	"time"

	"backupmonitor/services/internal/fleet"
	"backupmonitor/services/prober/smb"
)

// lookAtVariable makes this program look at an address and do nothing else.
const lookAtVariable = "SMB_TEST_LOOK_AT"

// cost is what a look in a process of its own came to.
type cost struct {
	Files int
	Bytes uint64 // of memory, more than before
	Error string
}

// lookAlone looks at an outlet and prints what that cost.
func lookAlone(address string) int {
	before, peak := memory(), uint64(0)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				peak = max(peak, memory())
			case <-stop:
				return
			}
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r := smb.Look(ctx, smb.Options{}, dOnly(address), today(time.Now()))[0]
	close(stop)
	<-stopped
	c := cost{Bytes: max(peak, memory()) - before}
	if e := lookError(r); e != nil {
		c.Error = e.Detail
	} else {
		c.Files = r.Drives[0].FileCount
	}
	if err := json.NewEncoder(os.Stdout).Encode(c); err != nil {
		return 1
	}
	return 0
}

// memory is what the runtime has of the system and has not given back.
func memory() uint64 {
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64() - samples[1].Value.Uint64()
}

// lookInProcess runs lookAlone in a process of its own.
func lookInProcess(t testing.TB, address string) cost {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), lookAtVariable+"="+address)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var c cost
	if err := json.Unmarshal(out, &c); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return c
}

// hundredThousand is a folder of that many backups.
func hundredThousand() fleet.Spec {
	const count = 100_000
	begin := time.Now().UTC().Add(-time.Hour)
	spec := fleet.Spec{Code: "S0001"}
	spec.Truth.Drives = map[string]fleet.Drive{fleet.DShare: {Folders: map[string]fleet.Folder{
		fleet.BackupFolder: {Source: fleet.Many{Count: count, Make: func(i int) fleet.File {
			at := begin.Add(-time.Duration((i*7919)%count) * time.Second)
			return fleet.File{Name: fmt.Sprintf("DB_with_a_longer_name_%06d.bak", i), Size: 2048, Created: at, Modified: at}
		}}},
	}}}
	return spec
}

// TestMemoryOfALargeFolder: 100,000 files cost less than 32 MiB, in a process
// that does nothing else.
func TestMemoryOfALargeFolder(t *testing.T) {
	t.Parallel()
	o := start(t, nil, hundredThousand())[0]
	c := lookInProcess(t, o.Addr())
	t.Logf("%d files cost %.1f MiB", c.Files, float64(c.Bytes)/(1<<20))
	if c.Error != "" || c.Files != 100_000 {
		t.Errorf("%+v", c)
	}
	if c.Bytes > 32<<20 {
		t.Errorf("%d bytes", c.Bytes)
	}
}

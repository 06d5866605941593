//go:build e2e

package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"backupmonitor/events"
	"backupmonitor/services/cmd/backup-monitor/instance"
	"backupmonitor/services/internal/fleet"
)

// binary is what `make build` made.
func binary(t testing.TB) string {
	t.Helper()
	path, err := filepath.Abs("../../../bin/backup-monitor")
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Fatalf("run `make build` first: %v", err)
	}
	return path
}

// child is `up` in a process of its own.
type child struct {
	*instanceUnderTest
	cmd  *exec.Cmd
	logs *syncBuffer
	exit chan error
}

func startChild(t *testing.T, s settings, args ...string) *child {
	t.Helper()
	c := &child{
		cmd:  exec.Command(binary(t), append([]string{"--env-file", os.DevNull, "up"}, args...)...),
		logs: &syncBuffer{}, exit: make(chan error, 1),
	}
	c.cmd.Env = append(s.environ(), "HOME="+t.TempDir(), "PATH="+os.Getenv("PATH"))
	c.cmd.Stderr = c.logs
	r, w := io.Pipe()
	c.cmd.Stdout = w
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { c.exit <- c.cmd.Wait(); _ = w.Close() }()
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill()
		if t.Failed() {
			t.Logf("log of the child:\n%s", c.logs)
		}
	})
	base, _ := awaitBanner(t, r)
	c.instanceUnderTest = &instanceUnderTest{t: t, base: base}
	c.signIn()
	return c
}

// kill ends the process as a power cut does: nothing of it runs any more.
func (c *child) kill() {
	c.t.Helper()
	if err := c.cmd.Process.Kill(); err != nil {
		c.t.Fatal(err)
	}
	if err := <-c.exit; err == nil {
		c.t.Error("it ended before it was killed")
	}
}

// interrupt is Ctrl-C; it returns how long the end took.
func (c *child) interrupt() time.Duration {
	c.t.Helper()
	began := time.Now()
	if err := c.cmd.Process.Signal(syscall.SIGINT); err != nil {
		c.t.Fatal(err)
	}
	select {
	case err := <-c.exit:
		if err != nil {
			c.t.Errorf("after Ctrl-C: %v", err)
		}
	case <-time.After(patience):
		c.t.Fatal("Ctrl-C did not end it")
	}
	return time.Since(began)
}

// slowFleet answers slowly enough that a scan can be hit in its middle.
func slowFleet(t *testing.T, n int) (*fleet.Fleet, settings) {
	t.Helper()
	specs := fleet.Demo(n, 7, time.Now)
	for i := range specs {
		specs[i].Truth.Latency = 20 * time.Millisecond
	}
	return startFleet(t, specs, settings{"PROBE_CONCURRENCY": "12", "PROBE_TIMEOUT": "4s", "SCAN_DEADLINE": "10m"})
}

// TestE2EKill9: killed again and again in the middle of scans, each scan
// completes at last, with one row an outlet, one look a command, and no command
// left over.
func TestE2EKill9(t *testing.T) { killRounds(t, 4, rand.New(rand.NewPCG(1, 2))) }

func killRounds(t *testing.T, kills int, vary *rand.Rand) {
	t.Helper()
	outlets, s := slowFleet(t, 150)
	c := startChild(t, s)
	var scans []string
	for round := range kills {
		scans = append(scans, c.startScan(map[string]any{}))
		c.follow(scans[len(scans)-1], 1+vary.IntN(120))
		c.kill()
		c = startChild(t, s)
		t.Logf("kill %d survived", round+1)
	}
	for _, id := range scans {
		if end := c.follow(id, 0); end["total"] != float64(2*150) {
			t.Errorf("scan %s: %v", id, end)
		}
	}
	checkTruth(t, c.instanceUnderTest, outlets)
	if took := c.interrupt(); took > 5*time.Second {
		t.Errorf("Ctrl-C took %s", took)
	}
	c = startChild(t, s)
	checkLog(t, s, scans)
	c.interrupt()
}

func checkTruth(t *testing.T, in *instanceUnderTest, outlets *fleet.Fleet) {
	t.Helper()
	for mode, path := range map[events.Mode]string{events.DDrive: "backup", events.IBStorage: "ibstorage"} {
		rows, seen := in.rows(path, ""), map[string]bool{}
		for _, r := range rows {
			o, ok := outlets.Outlet(r.OutletCode)
			if !ok || seen[r.OutletCode] {
				t.Fatalf("%s: a row for %q, twice %v", mode, r.OutletCode, ok)
			}
			seen[r.OutletCode] = true
			if e, _ := o.Expect(mode); string(e.Cause) != r.Cause {
				t.Errorf("%s %s (%s): %q, want %q: %s", mode, r.OutletCode, o.Preset(), r.Cause, e.Cause, r.ErrorDetails)
			}
		}
		if len(seen) != len(outlets.Outlets()) {
			t.Errorf("%s: rows for %d of %d outlets", mode, len(seen), len(outlets.Outlets()))
		}
	}
	for _, o := range outlets.Outlets() {
		// A killed process's connection may still be closing when the next
		// one's opens, so two are no fault here; more would be.
		if n := o.Stats().PeakConnections; n > 2 {
			t.Errorf("%s: %d connections at once", o.Code(), n)
		}
	}
}

// checkLog reads the log itself: no id twice, every scan completed, the work
// queue empty.
func checkLog(t *testing.T, s settings, scans []string) {
	t.Helper()
	nc, err := instance.Find(s["DATA_DIR"], "check")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := closeConn(nc); err != nil {
			t.Error(err)
		}
	}()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	queue, err := js.Stream(ctx, events.StreamProbes)
	if err != nil || queue.CachedInfo().State.Msgs != 0 {
		t.Errorf("commands left over: %+v %v", queue.CachedInfo().State, err)
	}
	feed, err := events.NewLog(js, "check").Feed(ctx, events.FeedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Stop()
	ids, completed := map[string]uint64{}, map[string]int{}
	for n := feed.Initial; n > 0; n-- {
		r, err := feed.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		e, err := r.Decode()
		if err != nil {
			t.Fatal(err)
		}
		if first, twice := ids[e.ID]; twice {
			t.Errorf("%s stands at %d and %d", e.ID, first, r.Seq)
		}
		ids[e.ID] = r.Seq
		if d, ok := e.Data.(events.ScanCompleted); ok {
			completed[d.ScanID]++
		}
	}
	for _, id := range scans {
		if completed[id] != 1 {
			t.Errorf("scan %s completed %d times", id, completed[id])
		}
	}
}

// TestE2ECtrlC: in the middle of a scan it ends in under 5 s, and the scan
// goes on at the next start.
func TestE2ECtrlC(t *testing.T) {
	outlets, s := slowFleet(t, 150)
	c := startChild(t, s)
	id := c.startScan(map[string]any{})
	c.follow(id, 30)
	took := c.interrupt()
	t.Logf("Ctrl-C in the middle of a scan took %s", took)
	if took > 5*time.Second {
		t.Errorf("Ctrl-C took %s", took)
	}
	c = startChild(t, s)
	c.follow(id, 0)
	checkTruth(t, c.instanceUnderTest, outlets)
	c.interrupt()
}

// TestE2EBrowser: a person's way through the page of the demo, in a real
// browser.
func TestE2EBrowser(t *testing.T) {
	browser := os.Getenv("CHROMIUM")
	if browser == "" {
		browser = "/usr/bin/chromium"
	}
	if _, err := os.Stat(browser); err != nil {
		if os.Getenv("REQUIRE_REAL") == "1" {
			t.Fatalf("no browser: %v", err)
		}
		t.Skipf("no browser at %s; CHROMIUM names another", browser)
	}
	s := newSettings(t, nil)
	c := startChild(t, s, "--demo=120")
	cmd := exec.CommandContext(t.Context(), "npm", "run", "--silent", "e2e")
	cmd.Dir = "../../../ui"
	cmd.Env = append(os.Environ(), "BASE_URL="+c.base, "USER_ID="+testAdmin, "PASSWORD="+testPassword, "CHROMIUM="+browser)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
	c.interrupt()
}

// TestSoak kills for as long as SOAK_FOR says, with a printed seed.
func TestSoak(t *testing.T) {
	d, err := time.ParseDuration(os.Getenv("SOAK_FOR"))
	if err != nil {
		t.Fatalf("SOAK_FOR: %v", err)
	}
	for end := time.Now().Add(d); time.Now().Before(end); {
		seed := rand.Uint64()
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			vary := rand.New(rand.NewPCG(seed, 0))
			killRounds(t, 1+vary.IntN(8), vary)
		})
		if t.Failed() {
			return
		}
	}
}

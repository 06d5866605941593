//go:build e2e

package main

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestE2EDamagedLog: a log whose files are damaged is never taken for whole,
// and nothing waits for it for ever.
func TestE2EDamagedLog(t *testing.T) {
	for name, damage := range map[string]func([]byte) []byte{
		"flipped": func(b []byte) []byte {
			i := len(b) / 3
			return append(append(append([]byte{}, b[:i]...), bytes.Repeat([]byte{0xff}, 64)...), b[i+64:]...)
		},
		"cut": func(b []byte) []byte { return b[:len(b)/2] },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSettings(t, settings{"OUTLETS_FILE": outletsFile(t, "B0001,127.0.0.1:1,One", "B0002,127.0.0.1:1,Two")})
			c := startChild(t, s)
			c.follow(c.startScan(map[string]any{}), 0)
			c.interrupt()
			blocks, err := filepath.Glob(filepath.Join(s["DATA_DIR"], "nats", "jetstream", "*", "streams", "EVENTS", "msgs", "1.blk"))
			if err != nil || len(blocks) != 1 {
				t.Fatalf("%v %v", blocks, err)
			}
			b, err := os.ReadFile(blocks[0])
			if err == nil {
				err = os.WriteFile(blocks[0], damage(b), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			refusedOrRed(t, s)
		})
	}
}

// settled is by when a start has found out that its log is damaged.
const settled = 25 * time.Second

// refusedOrRed: the program does not start, or says that it is not ready, and
// not only while it starts.
func refusedOrRed(t *testing.T, s settings) {
	t.Helper()
	cmd, out := startRaw(t, s)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	began := time.Now()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-time.After(200 * time.Millisecond) {
		select {
		case err := <-ended:
			if err == nil {
				t.Error("it ended without an error")
			}
			t.Logf("it refused to start: %s", lastLine(out.String()))
			return
		default:
		}
		m := pageURL.FindStringSubmatch(out.String())
		if m == nil {
			continue
		}
		resp, err := http.Get(m[1] + "/readyz?verbose")
		if err != nil {
			continue
		}
		var body bytes.Buffer
		_, _ = body.ReadFrom(resp.Body)
		_ = resp.Body.Close()
		if time.Since(began) < settled {
			continue
		}
		if resp.StatusCode == http.StatusServiceUnavailable {
			t.Logf("it is not ready: %s", body.String())
			_ = cmd.Process.Kill()
			if err := <-ended; err == nil {
				t.Error("it ended before it was killed")
			}
			return
		}
	}
	t.Errorf("it runs on a damaged log and says that it is ready:\n%s", out)
}

// startRaw starts `up` as a child without waiting for anything; out is all
// that it prints.
func startRaw(t *testing.T, s settings, args ...string) (*exec.Cmd, *syncBuffer) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary(t), append([]string{"--env-file", os.DevNull, "up"}, args...)...)
	cmd.Env = s.environ()
	out := &syncBuffer{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, out
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

// TestE2EDemoGoesOn: a demo that is stopped in the middle of a scan finds the
// same outlets behind the same addresses at its next start.
func TestE2EDemoGoesOn(t *testing.T) {
	s := newSettings(t, settings{"PROBE_CONCURRENCY": "4"})
	c := startChild(t, s, "--demo=150")
	id := c.startScan(map[string]any{})
	c.follow(id, 20)
	c.interrupt()
	c = startChild(t, s, "--demo=150")
	if end := c.follow(id, 0); end["total"] != float64(300) {
		t.Errorf("%v", end)
	}
	successful := 0
	for _, path := range []string{"backup", "ibstorage"} {
		for _, r := range c.rows(path, "") {
			if r.File != "" && strings.HasPrefix(r.File, "DB_") && !strings.Contains(r.File, r.OutletCode) {
				t.Errorf("%s has %s, of another outlet", r.OutletCode, r.File)
			}
			if r.Status == "Successful" {
				successful++
			}
		}
	}
	if successful < 270 { // the demo is good at 93 of 100
		t.Errorf("%d of 300 rows are Successful", successful)
	}
	c.interrupt()
}

// TestE2EDemo: the README's first command, as a stranger runs it.
func TestE2EDemo(t *testing.T) {
	s := newSettings(t, nil)
	delete(s, "ADMIN_PASSWORD")
	cmd, out := startRaw(t, s, "--demo=20")
	var password string
	for deadline := time.Now().Add(patience); password == "" && time.Now().Before(deadline); <-time.After(20 * time.Millisecond) {
		if _, after, ok := strings.Cut(out.String(), "Password"); ok && strings.Contains(after, "Ctrl-C") {
			password = strings.Fields(after)[0]
		}
	}
	m := pageURL.FindStringSubmatch(out.String())
	if m == nil || password == "" {
		t.Fatalf("no page or no password:\n%s", out)
	}
	in := &instanceUnderTest{t: t, base: m[1]}
	var answer struct {
		Token string `json:"token"`
	}
	in.call(http.MethodPost, "/api/v1/auth/login", map[string]string{"userId": testAdmin, "password": password}, http.StatusOK, &answer)
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

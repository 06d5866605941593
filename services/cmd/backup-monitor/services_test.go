package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"backupmonitor/services/internal/fleet"
)

// TestServicesOfTheirOwn: a prober and a scheduler elsewhere work for a running
// instance, and go on when that has been restarted.
func TestServicesOfTheirOwn(t *testing.T) {
	t.Parallel()
	specs := make([]fleet.Spec, 40)
	for i := range specs {
		specs[i] = fleet.New(fleet.Plan{Code: "P" + string(rune('A'+i/26)) + string(rune('A'+i%26)), Preset: fleet.Good, Seed: uint64(i), Now: time.Now()})
		specs[i].Truth.Latency = 5 * time.Millisecond
	}
	_, s := startFleet(t, specs, settings{"PROBE_CONCURRENCY": "1", "NATS_LISTEN": "127.0.0.1:0"})
	in, stop := startUp(t, s)
	at := natsAddress(t, s)
	s["NATS_LISTEN"] = strings.TrimPrefix(at.URL, "nats://") // the same again after the restart

	elsewhere := newSettings(t, settings{"USER": s["USER"], "PASS": s["PASS"], "PROBE_CONCURRENCY": "8"})
	password, err := os.ReadFile(filepath.Join(s["DATA_DIR"], "nats-prober-password"))
	if err != nil {
		t.Fatal(err)
	}
	as := map[string]string{"prober": "prober:" + string(password), "scheduler": at.User + ":" + at.Password}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan int, 2)
	logs := &syncBuffer{}
	for name, who := range as {
		env := append(elsewhere.environ(), "NATS_URL=nats://"+who+"@"+s["NATS_LISTEN"])
		go func() {
			ended <- run(ctx, []string{"--env-file", os.DevNull, name}, strings.NewReader(""), logs, logs, env)
		}()
	}
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if code := <-ended; code != 0 {
				t.Errorf("exit code %d:\n%s", code, logs)
			}
		}
	})
	log := filepath.Join(elsewhere["LOG_DIR"], "D_Drive_Backup_log_"+time.Now().UTC().Format(time.DateOnly)+".log")
	looks := func() int {
		b, _ := os.ReadFile(log) // not there yet: none
		return strings.Count(string(b), "looked at an outlet")
	}
	scanUntil := func(in *instanceUnderTest, atLeast int) {
		t.Helper()
		for deadline := time.Now().Add(patience); looks() < atLeast; {
			if end := in.follow(in.startScan(map[string]any{}), 0); end["success"] != float64(80) {
				t.Fatalf("%v", end)
			}
			if time.Now().After(deadline) {
				t.Fatalf("the prober elsewhere made %d looks, want %d:\n%s", looks(), atLeast, logs)
			}
		}
	}
	scanUntil(in, 20)
	if code := stop(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	if strings.Contains(strings.ToLower(logs.String()), "permissions violation") {
		t.Errorf("a service may not do what it needs:\n%s", logs)
	}
	before := looks()
	again, _ := startUp(t, s)
	scanUntil(again, before+20)
}

func natsAddress(t *testing.T, s settings) (a struct{ URL, User, Password string }) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(s["DATA_DIR"], "nats.json"))
	if err == nil {
		err = json.Unmarshal(b, &a)
	}
	if err != nil {
		t.Fatal(err)
	}
	return a
}

package ops_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"backupmonitor/services/internal/ops"
)

func TestDailyFilesByMode(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "logs")
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 14, 22, 59, 0, 0, time.UTC) // 23:59 in Berlin
	var console bytes.Buffer
	log, closer, err := ops.NewLogger(ops.LogOptions{
		Console: &console, Level: slog.LevelInfo, Dir: dir, Zone: berlin, Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	log.Info("one", slog.String("mode", "d_drive"))
	log.With(slog.String("mode", "ib_storage")).Info("two\nlines")
	log.Info("of no mode")
	log.Warn("to both", slog.String("mode", "ib_storage"))
	log.Debug("too low", slog.String("mode", "d_drive"))
	now = now.Add(time.Minute)
	log.Info("next day", slog.String("mode", "d_drive"))
	if err := closer.Close(); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string][]string{
		"D_Drive_Backup_log_2026-03-14.log":    {"msg=one"},
		"IB_Storage_Backup_log_2026-03-14.log": {`msg="two\nlines"`, `msg="to both"`},
		"D_Drive_Backup_log_2026-03-15.log":    {`msg="next day"`},
	} {
		b, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil || strings.Count(string(b), "\n") != len(want) || !strings.Contains(string(b), want[len(want)-1]) {
			t.Errorf("%s: %q %v", file, b, err)
		}
	}
	if n := strings.Count(console.String(), "\n"); n != 2 {
		t.Errorf("%d lines on the console:\n%s", n, console.String())
	}
}

func TestUnwritableDirectory(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ops.NewLogger(ops.LogOptions{Console: &bytes.Buffer{}, Dir: file, Now: time.Now, Zone: time.UTC}); err == nil || !strings.Contains(err.Error(), "LOG_DIR") {
		t.Fatal(err)
	}
}

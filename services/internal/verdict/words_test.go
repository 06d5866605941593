package verdict_test

import (
	"testing"

	"backupmonitor/services/internal/verdict"
)

func TestSize(t *testing.T) {
	t.Parallel()
	for bytes, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.00 KB", 1536: "1.50 KB", 1 << 20: "1.00 MB", 2630667468: "2.45 GB",
		3 << 40: "3.00 TB", 1 << 50: "1.00 PB", 1<<63 - 1: "8.00 EB",
	} {
		if got := verdict.Size(bytes); got != want {
			t.Errorf("%d bytes are %q, want %q", bytes, got, want)
		}
	}
}

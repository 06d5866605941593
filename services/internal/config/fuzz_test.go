package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"backupmonitor/services/internal/config"
)

// FuzzDotenv: any .env file is read, or refused with lines that tell none of
// its values.
func FuzzDotenv(f *testing.F) {
	for _, seed := range []string{
		"", "PASS=x\nUSER=y\n", "export TZ='UTC' # zone", "PASS='it''s'", "PASS=\"a\\n\\\"b\\\\\"", "PASS=\"open", "=x", "NO_SUCH=1", "TZ=UTC\nTZ=UTC",
		"\ufeffSHARE=d$\r\nFOLDER=a#b", "JWT_SECRET_KEY=sesame", "SMB_PORT=99999", "IB_STORAGE_DRIVES=,,", "A B=1", "\x00=\xff", "PROBE_TIMEOUT=1ns",
	} {
		f.Add(seed)
	}
	const secret = "zq-sesame-zq"
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "_FILE") {
			t.Skip() // names a file
		}
		path := filepath.Join(t.TempDir(), ".env")
		if err := os.WriteFile(path, []byte(text+"\nJWT_SECRET_KEY="+secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(nil, path)
		if err != nil {
			if strings.Contains(err.Error(), secret) && !strings.Contains(text, secret) {
				t.Errorf("an error tells a secret: %v", err)
			}
			return
		}
		if c.Zone() == nil {
			t.Error("no zone")
		}
	})
}

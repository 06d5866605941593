package main

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBadInput: a clear error, and nothing changed.
func TestBadInput(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = busy.Close() })
	good := outletsFile(t, "B0001,127.0.0.1:1,One")
	for name, c := range map[string]struct {
		settings settings
		args     []string
		want     []string // all of them in the error
	}{
		"wrong setting":       {settings{"PROBE_TIMEOUT": "soon", "SMB_PORT": "0"}, []string{"up"}, []string{`PROBE_TIMEOUT: "soon" is no duration`}},
		"two wrong settings":  {settings{"HTTP_ADDR": "x", "SMB_PORT": "0"}, []string{"config"}, []string{"HTTP_ADDR: ", "SMB_PORT: "}},
		"port in use":         {settings{"HTTP_ADDR": busy.Addr().String()}, []string{"up"}, []string{busy.Addr().String(), "HTTP_ADDR"}},
		"data dir is a file":  {settings{"DATA_DIR": file}, []string{"up"}, []string{"DATA_DIR", file}},
		"log dir is a file":   {settings{"LOG_DIR": file}, []string{"up"}, []string{"LOG_DIR", file}},
		"SQL Server":          {settings{"DB_SERVER": "10.0.0.1"}, []string{"up"}, []string{"DB_SERVER"}},
		"no NATS_URL":         {nil, []string{"prober"}, []string{"NATS_URL"}},
		"unknown command":     {nil, []string{"scann"}, []string{`unknown command "scann"`, "scan"}},
		"unknown flag":        {nil, []string{"scan", "--modes", "x"}, []string{"unknown flag: --modes"}},
		"bad mode":            {nil, []string{"scan", "--mode", "c_drive"}, []string{"c_drive", "d_drive, ib_storage or both"}},
		"no demo at all":      {nil, []string{"up", "--demo=0"}, []string{"--demo=0"}},
		"no such env file":    {nil, []string{"--env-file", file + "x", "config"}, []string{"--env-file", file + "x"}},
		"outlets: what":       {nil, []string{"outlets"}, []string{"outlets import FILE"}},
		"outlets: mistyped":   {nil, []string{"outlets", "improt", "x"}, []string{`unknown command "improt"`}},
		"probe: to come":      {settings{"USER": "u", "PASS": "p"}, []string{"probe", "B1", "--date", "2999-01-01"}, []string{"in the future"}},
		"bad demo":            {nil, []string{"up", "--demo=-1"}, []string{"--demo=-1"}},
		"bad log level":       {nil, []string{"up", "--log-level", "loud"}, []string{"loud"}},
		"no outlets":          {nil, []string{"scan"}, []string{"no outlets yet", "outlets import"}},
		"bad date":            {settings{"OUTLETS_FILE": good}, []string{"scan", "--date", "2026-02-30"}, []string{"2026-02-30", "YYYY-MM-DD"}},
		"date to come":        {settings{"OUTLETS_FILE": good}, []string{"scan", "--date", "2999-01-01"}, []string{"2999-01-01"}},
		"unknown outlet":      {settings{"OUTLETS_FILE": good}, []string{"scan", "--outlet", "nope", "--outlet", "B0001"}, []string{`no such outlet: "nope"`}},
		"no outlets file":     {settings{"OUTLETS_FILE": file + "x"}, []string{"up"}, []string{file + "x"}},
		"bad outlets file":    {settings{"OUTLETS_FILE": outletsFile(t, "B1,127.0.0.1,x", "b1,127.0.0.1,y", "B3,not an address,z")}, []string{"up"}, []string{"line 3", "line 4"}},
		"import: missing":     {nil, []string{"outlets", "import", file + "x"}, []string{file + "x"}},
		"import: bad lines":   {nil, []string{"outlets", "import", outletsFile(t, "B1,127.0.0.1,x", "b1,127.0.0.1,y", "B3,not an address,z")}, []string{"line 3", "b1", "line 4", "not an address", "nothing was changed"}},
		"probe: unknown":      {settings{"OUTLETS_FILE": good, "USER": "u", "PASS": "p"}, []string{"probe", "nope"}, []string{"nope", "--address"}},
		"probe: bad address":  {settings{"USER": "u", "PASS": "p"}, []string{"probe", "B1", "--address", "not an address"}, []string{"not an address"}},
		"probe: no account":   {nil, []string{"probe", "B1", "--address", "127.0.0.1"}, []string{"USER", "PASS"}},
		"argument to no one":  {nil, []string{"config", "x"}, []string{`unknown command "x"`}},
		"import without file": {nil, []string{"outlets", "import"}, []string{"accepts 1 arg"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSettings(t, c.settings)
			code, stdout, stderr := command(t, s, "", c.args...)
			if code != 1 {
				t.Errorf("exit code %d", code)
			}
			for _, w := range c.want {
				if !strings.Contains(stderr, w) {
					t.Errorf("%q is not in the error:\n%s%s", w, stdout, stderr)
				}
			}
			if strings.Contains(stderr, "goroutine ") || strings.Contains(stderr, ".go:") {
				t.Errorf("internals in the error:\n%s", stderr)
			}
		})
	}
}

// TestSecondProcess: a second `up` is refused; commands work inside the first.
func TestSecondProcess(t *testing.T) {
	t.Parallel()
	s := newSettings(t, nil)
	in, _ := startUp(t, s)
	code, _, stderr := command(t, s, "", "up")
	if code != 1 || !strings.Contains(stderr, "in use by another process") {
		t.Fatalf("%d %s", code, stderr)
	}
	csv := "OutletCode;IPAddress;OutletName;ActiveDepot\nB0001;127.0.0.1:1;One;Y\nB0002;127.0.0.1:1;Two;N\n"
	code, stdout, stderr := command(t, s, csv, "outlets", "import", "-", "--dry-run")
	if code != 0 || !strings.Contains(stdout, "2 added") || !strings.Contains(stdout, "nothing was changed") {
		t.Fatalf("dry run: %d %s %s", code, stdout, stderr)
	}
	if _, stdout, _ = command(t, s, "", "outlets", "list"); strings.Contains(stdout, "B0001") {
		t.Fatalf("a dry run changed the outlets:\n%s", stdout)
	}
	for _, want := range []string{"2 added", "2 unchanged"} {
		if code, stdout, stderr = command(t, s, csv, "outlets", "import", "-"); code != 0 || !strings.Contains(stdout, want) {
			t.Fatalf("import: %d %s %s, want %s", code, stdout, stderr, want)
		}
	}
	if _, stdout, _ = command(t, s, "", "outlets", "list"); !strings.Contains(stdout, "B0002") || !strings.Contains(stdout, "inactive") {
		t.Fatalf("list:\n%s", stdout)
	}
	code, stdout, stderr = command(t, s, "", "scan", "--mode", "d_drive")
	if code != exitFailures || !strings.Contains(stdout, "unreachable") || !strings.Contains(stdout, "1 not looked at") {
		t.Fatalf("scan: %d %s %s", code, stdout, stderr)
	}
	if rows := in.awaitRows("backup", 1); rows[0].Cause != "unreachable" || rows[0].Conclusive {
		t.Fatalf("rows: %+v", rows)
	}
	resp, err := in.request(t.Context(), http.MethodGet, "/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	scraped, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`outletbackup_outlets{mode="d_drive",outcome="not_observed"} 1`, `outletbackup_outlets{mode="d_drive",outcome="failed"} 0`,
		"outletbackup_outlets_active 1", "outletbackup_log_missing_events 0", `outletbackup_source_up{source="tables"} 1`, "go_goroutines",
	} {
		if !strings.Contains(string(scraped), want) {
			t.Errorf("%q is not in\n%s", want, scraped)
		}
	}
	for path, status := range map[string]int{"/livez": http.StatusOK, "/readyz": http.StatusOK, "/api/v1/openapi.yaml": http.StatusOK} {
		resp, err := in.request(t.Context(), http.MethodGet, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != status {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
	}
}

// TestCommandsWithoutUp: without a running instance a command works on the
// data directory itself, and what it did is there afterwards.
func TestCommandsWithoutUp(t *testing.T) {
	t.Parallel()
	s := newSettings(t, nil)
	code, stdout, stderr := command(t, s, "OutletCode,IPAddress\nB0001,127.0.0.1:1\n", "outlets", "import", "-")
	if code != 0 || !strings.Contains(stdout, "1 added") {
		t.Fatalf("import: %d %s %s", code, stdout, stderr)
	}
	if code, stdout, stderr = command(t, s, "", "scan"); code != exitFailures || !strings.Contains(stdout, "ib_storage: 1 outlets, 0 successful, 0 failed, 1 not looked at") {
		t.Fatalf("scan: %d %s %s", code, stdout, stderr)
	}
	in, _ := startUp(t, s)
	if rows := in.awaitRows("ibstorage", 1); rows[0].OutletCode != "B0001" {
		t.Fatalf("%+v", rows)
	}
}

func TestVersionAndHelp(t *testing.T) {
	t.Parallel()
	s := newSettings(t, settings{"SMB_PORT": "wrong"}) // neither needs the settings
	if code, stdout, _ := command(t, s, "", "version"); code != 0 || !strings.HasPrefix(stdout, "backup-monitor ") {
		t.Errorf("%d %s", code, stdout)
	}
	for _, c := range []string{"", "up", "scan", "probe", "outlets import", "config", "scheduler", "prober"} {
		code, stdout, stderr := command(t, s, "", append(strings.Fields(c), "--help")...)
		if code != 0 || !strings.Contains(stdout, "Usage:") || len(stdout) < 200 {
			t.Errorf("help of %q: %d %s %s", c, code, stdout, stderr)
		}
	}
}

package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"backupmonitor/services/internal/config"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	c, err := config.Load(nil, filepath.Join(t.TempDir(), "none"))
	if err != nil {
		t.Fatal(err)
	}
	p := c.Policy()
	if c.Share != "d$" || c.HTTPAddr != ":3004" || c.ProbeConcurrency != 128 || p.MaxAge() != 26*time.Hour || p.MinSizeBytes != 1024 ||
		!reflect.DeepEqual(c.IBStorageDrives, []string{"e$", "f$", "g$", "h$", "i$"}) || c.JWTExpirationHours != 8 || c.ScanDeadline != 2*time.Hour {
		t.Errorf("%+v", c)
	}
	if s := c.Schedule(); s.IntervalSeconds != 3600 || s.From != "00:00" || s.To != "24:00" || len(s.Days) != 7 {
		t.Errorf("%+v", s)
	}
}

// TestValuesStandAsTheyAre: nothing in a password is expanded or cut off, and
// what is wrong is told by its line without showing it.
func TestValuesStandAsTheyAre(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		`PASS=Summer$2024`: "Summer$2024", `PASS=a$HOME${HOME}`: "a$HOME${HOME}", `PASS=p#ss`: "p#ss", `PASS=p # comment`: "p",
		`PASS = p q `: "p q", `PASS='p # "q" $r \n'`: `p # "q" $r \n`, `PASS="p\"\\\n#"  # comment`: "p\"\\\n#", `export PASS=p=q`: "p=q",
		"\ufeffPASS=p\r": "p", `PASS=a\b"c`: `a\b"c`,
	} {
		c, err := config.Load(nil, write(t, ".env", line+"\nUSER=DOM\\user\n"))
		if err != nil || c.Pass != want || c.User != `DOM\user` {
			t.Errorf("%s: %+v %v, want %q", line, c, err, want)
		}
	}
	_, err := config.Load(nil, write(t, ".env", "SHARE=d$\nbad line\nPASS=hunter2\nUSER='x\nPASS=hunter3\n"))
	lines, ok := errors.AsType[config.Error](err)
	if !ok || len(lines) != 3 || strings.Contains(err.Error(), "hunter") || !strings.Contains(err.Error(), "line 2: it is not NAME=value") {
		t.Errorf("%v", err)
	}
}

func TestListsAreTrimmed(t *testing.T) {
	t.Parallel()
	c, err := config.Load([]string{"IB_STORAGE_DRIVES= e$ , f$", "SCAN_HOURS=22:00-04:00"}, filepath.Join(t.TempDir(), "none"))
	if err != nil || !reflect.DeepEqual(c.IBStorageDrives, []string{"e$", "f$"}) {
		t.Fatalf("%+v %v", c, err)
	}
	if !c.FirstStateSet() {
		t.Error("SCAN_HOURS was given")
	}
}

// TestOriginalFile: the original system's own .env is understood as it stands.
func TestOriginalFile(t *testing.T) {
	t.Parallel()
	path := write(t, ".env", `# Database
DB_SERVER=192.168.1.5
DB_DATABASE=DBBAK
DB_USERNAME=sa
DB_PASSWORD=your_password
SHARE=d$
FOLDER=BackupFull
USER=Administrator
PASS=p#ss
SMB_USER=Administrator
SMB_PASS=your_password
IB_STORAGE_DRIVES=e$,f$,g$,h$,i$
IB_STORAGE_FOLDER=BackupFull
JWT_SECRET_KEY=0123456789abcdef0123456789abcdef
JWT_EXPIRATION_HOURS=8
CORS_ORIGINS=http://localhost:3004
`)
	c, err := config.Load([]string{"USER=root", "HOME=/root"}, path)
	if err != nil {
		t.Fatal(err)
	}
	if c.User != "Administrator" || c.Pass != "p#ss" || c.Share != "d$" || len(c.IBStorageDrives) != 5 || c.IBStorageDrives[4] != "i$" {
		t.Errorf("%+v", c)
	}
}

func TestUserOfTheShellDoesNotCount(t *testing.T) {
	t.Parallel()
	none := filepath.Join(t.TempDir(), "none")
	for _, x := range []struct {
		environ []string
		want    string
	}{
		{[]string{"USER=root"}, ""},
		{[]string{"USER=root", "PASS=x"}, "root"},
		{[]string{"USER=root", "PASS="}, ""},
		{[]string{"PASS=x", "USER=root", "SMB_USER="}, "root"},
	} {
		if c, err := config.Load(x.environ, none); err != nil || c.User != x.want || c.SMBUser != x.want {
			t.Errorf("%v: %+v %v", x.environ, c, err)
		}
	}
}

func TestEnvironmentWinsAndSecretsComeFromFiles(t *testing.T) {
	t.Parallel()
	secret := write(t, "pass", "from file\r\n")
	path := write(t, ".env", "SHARE=x$\nSMB_PORT=4450\nPASS_FILE="+secret+"\nUSER=a\n")
	c, err := config.Load([]string{"SHARE=y$"}, path)
	if err != nil || c.Share != "y$" || c.SMBPort != 4450 || c.Pass != "from file" {
		t.Fatalf("%+v %v", c, err)
	}
	var out strings.Builder
	if err := c.Print(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"SHARE", "y$", "# environment", "********", "4450", "# " + path, "100GiB"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "from file") {
		t.Error("a secret is shown")
	}
}

func TestBadValues(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"SMB_PORT=abc":             `SMB_PORT: "abc" is no whole number`,
		"SMB_PORT=70000":           "SMB_PORT: 70000 is not a port",
		"PROBE_TIMEOUT=30":         `PROBE_TIMEOUT: "30" is no duration, as 30s, 5m or 26h`,
		"PROBE_TIMEOUT=2h":         "PROBE_TIMEOUT: 2h0m0s is not between",
		"DIAL_TIMEOUT=31s":         "DIAL_TIMEOUT: 31s is not between",
		"SCAN_DEADLINE=25h":        "SCAN_DEADLINE: 25h0m0s is not between",
		"MIN_BACKUP_SIZE=1 parsec": `MIN_BACKUP_SIZE: "1 parsec" is no size`,
		"BACKUP_MAX_AGE=-1h":       "BACKUP_MAX_AGE: -1h0m0s is negative",
		"TZ=Mars/Olympus":          `TZ: "Mars/Olympus" is no time zone`,
		"HTTP_ADDR=3004":           `HTTP_ADDR: "3004" is not host:port`,
		"JWT_SECRET_KEY=short":     "JWT_SECRET_KEY: has 5 bytes",
		"CORS_ORIGINS=localhost":   `CORS_ORIGINS: "localhost" is not an origin`,
		"SCAN_HOURS=23:00-6":       `SCAN_HOURS: "23:00-6" is not HH:MM-HH:MM`,
		"USER=a":                   "USER: USER and PASS belong together",
		"SMB_PASS=a":               "SMB_USER: SMB_USER and SMB_PASS belong together",
		"USER=D\\a\nPASS=x\nSMB_USER=d\\A\nSMB_PASS=y": "SMB_PASS: it differs from PASS, for the same account of a domain",
		"DB_ENCRYPT=maybe":   `DB_ENCRYPT: "maybe" is none of`,
		"DB_SERVER=10.0.0.1": "DB_USERNAME: DB_SERVER needs DB_USERNAME and DB_PASSWORD",
		"DB_SERVER=h,x\nDB_USERNAME=sa\nDB_PASSWORD=hunter2":                                     `DB_SERVER: "h,x" is none of`,
		"DB_SERVER=h\\\nDB_USERNAME=sa\nDB_PASSWORD=hunter2":                                     `DB_SERVER: "h\\" is none of`,
		"DB_SERVER=u:p@h\nDB_USERNAME=sa\nDB_PASSWORD=hunter2":                                   `DB_SERVER: "u:p@h" is none of`,
		"DB_SERVER=h\nDB_USERNAME=sa\nDB_PASSWORD=hunter2\nDB_ENCRYPT=disable\nDB_CERTIFICATE=x": "DB_CERTIFICATE: is of no use",
		"JWT_SECRET_KEY_PREVIOUS=short":                                                          "JWT_SECRET_KEY_PREVIOUS: has 5 bytes",
		"TLS_CERT=cert.pem":                                                                      "TLS_CERT: TLS_CERT and TLS_KEY belong together",
		"TRUSTED_PROXIES=10.0.0.1,proxy":                                                         "TRUSTED_PROXIES: \"proxy\" is neither an address nor a network",
		"SCAN_PUBLIC=perhaps":                                                                    "SCAN_PUBLIC: \"perhaps\" is no truth value",
		"CORS_ORIGINS=javascript://x":                                                            "CORS_ORIGINS: \"javascript://x\" is not an origin",
		"LEGACY_TZ=Mars":                                                                         `LEGACY_TZ: "Mars" is no time zone`,
		"NATS_URL=nats://u:hunter2@host:abc":                                                     "NATS_URL: is not nats://",
		"no assignment":                                                                          ", line 1: it is not NAME=value",
		"PASS='open":                                                                             ", line 1: a quote is not closed",
		"SCAN_DAYS=Mon-Fry":                                                                      `SCAN_DAYS: "Fry" is no day`,
		"SCAN_INTERVAL=1s":                                                                       "SCAN_INTERVAL: 1s is not between",
		"PROBE_CONCURENCY=4":                                                                     "PROBE_CONCURENCY is no setting",
		"SHARE_FILE=x":                                                                           "SHARE_FILE is no setting",
		"PASS_FILE=/does/not/be":                                                                 "PASS_FILE: ",
		"IB_STORAGE_DRIVES=e$,,f$":                                                               "IB_STORAGE_DRIVES: list the shares",
	} {
		_, err := config.Load(nil, write(t, ".env", line+"\n"))
		lines, ok := errors.AsType[config.Error](err)
		if !ok || len(lines) != 1 || !strings.Contains(lines[0], want) || strings.Contains(lines[0], "hunter2") {
			t.Errorf("%s: %v, want one line with %q", line, err, want)
		}
	}
	_, err := config.Load(nil, write(t, ".env", "SMB_PORT=x\nPROBE_TIMEOUT=x\nJWT_SECRET_KEY=x\nFOO=1\n"))
	if lines, ok := errors.AsType[config.Error](err); !ok || len(lines) != 3 {
		t.Errorf("several bad values: %v", err)
	}
}

func TestSizeAndDays(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]config.Size{"0": 0, "1024": 1024, "1KiB": 1024, "1.5 KB": 1536, "2G": 2 << 30, "3tib": 3 << 40, "5B": 5} {
		var s config.Size
		if err := s.UnmarshalText([]byte(in)); err != nil || s != want {
			t.Errorf("%s: %d %v", in, s, err)
		}
		var again config.Size
		if err := again.UnmarshalText([]byte(s.String())); err != nil || again != s {
			t.Errorf("%s is written as %s", in, s)
		}
	}
	for in, want := range map[string][]int{"Mon-Fri": {1, 2, 3, 4, 5}, "sat-mon": {0, 1, 6}, "Sun,Wed": {0, 3}, "Mon-Tue,Tue-Wed": {1, 2, 3}} {
		c, err := config.Load([]string{"SCAN_DAYS=" + in}, filepath.Join(t.TempDir(), "none"))
		if err != nil || !reflect.DeepEqual(c.Schedule().Days, want) {
			t.Errorf("%s: %v %v", in, c, err)
		}
	}
}

package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"backupmonitor/services/internal/fleet"
	"backupmonitor/services/internal/store/sqlserver/sqlservertest"
)

func twoOutlets(t *testing.T, more settings) settings {
	t.Helper()
	_, s := startFleet(t, []fleet.Spec{
		fleet.New(fleet.Plan{Code: "A0001", Preset: fleet.Good, Seed: 1, Now: time.Now()}),
		fleet.New(fleet.Plan{Code: "A0002", Preset: fleet.Good, Seed: 2, Now: time.Now()}),
	}, more)
	return s
}

// readiness is what /readyz?verbose says of each check.
func readiness(t *testing.T, base string) map[string]string {
	t.Helper()
	resp, err := http.Get(base + "/readyz?verbose")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		Checks []struct {
			Name, Detail string
			OK           bool
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	said := map[string]string{}
	for _, c := range answer.Checks {
		if said[c.Name] = c.Detail; c.OK {
			said[c.Name] = "ok"
		}
	}
	return said
}

// startWithoutTables runs `up` whose database is away, and does not sign in.
func startWithoutTables(t *testing.T, s settings) (base string, rest *syncBuffer) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	logs := &syncBuffer{}
	ended := make(chan int, 1)
	go func() {
		code := run(ctx, []string{"--env-file", os.DevNull, "up"}, strings.NewReader(""), w, logs, s.environ())
		_ = w.Close()
		ended <- code
	}()
	t.Cleanup(func() {
		cancel()
		if code := <-ended; code != 0 {
			t.Errorf("exit code %d", code)
		}
		if strings.Contains(logs.String(), s["DB_PASSWORD"]) {
			t.Error("the database's password is in the log")
		}
	})
	return awaitBanner(t, r)
}

// TestSQLServerAway: scans go on, the log keeps what they find, and readiness
// says why the tables do not show it.
func TestSQLServerAway(t *testing.T) {
	t.Parallel()
	at := strings.Replace(sqlservertest.Nowhere(t), ":", ",", 1)
	s := twoOutlets(t, settings{"DB_SERVER": at, "DB_USERNAME": "sa", "DB_PASSWORD": "hunter2-hunter2", "DB_ENCRYPT": "disable"})
	base, _ := startWithoutTables(t, s)
	if code, out, errs := command(t, s, "", "scan"); code != 0 || !strings.Contains(out, "ib_storage: 2 outlets, 2 successful") {
		t.Errorf("exit code %d: %s %s", code, out, errs)
	}
	said := readiness(t, base)
	if !strings.Contains(said["database"], "cannot be reached") || !strings.Contains(said["projector"], "cannot be reached") || said["prober"] != "ok" {
		t.Errorf("readiness %v", said)
	}
	for _, why := range said {
		if strings.Contains(why, "127.0.0.1") || strings.Contains(why, "hunter2") {
			t.Errorf("readiness tells %q", why)
		}
	}
}

// TestSQLServerComes: the whole on SQL Server, which is away at the start; and
// a projector and a gateway of their own beside it, which agree with it on what
// cannot be read, and on what of that is dismissed.
func TestSQLServerComes(t *testing.T) {
	t.Parallel()
	line, dsn := sqlservertest.NewLine(t, sqlservertest.Database(t))
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal("no URL")
	}
	password, _ := u.User.Password()
	database := settings{
		"DB_SERVER": strings.Replace(u.Host, ":", ",", 1), "DB_DATABASE": u.Query().Get("database"), "DB_USERNAME": u.User.Username(),
		"DB_PASSWORD": password, "DB_ENCRYPT": "disable", "NATS_LISTEN": "127.0.0.1:0",
	}
	s := twoOutlets(t, database)
	line.Cut()
	base, _ := startWithoutTables(t, s)
	if code, out, errs := command(t, s, "", "scan"); code != 0 {
		t.Fatalf("exit code %d: %s %s", code, out, errs)
	}
	line.Mend(t)
	in := &instanceUnderTest{t: t, base: base}
	deadline := time.Now().Add(3 * time.Minute)
	for said := readiness(t, base); said["database"] != "ok" || said["tables"] != "ok" || said["projector"] != "ok"; said = readiness(t, base) {
		if time.Now().After(deadline) {
			t.Fatalf("readiness %v", said)
		}
	}
	for { // the first Admin is made when the tables are there
		resp, err := in.request(t.Context(), http.MethodPost, "/api/v1/auth/login", map[string]string{"userId": testAdmin, "password": testPassword})
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("signing in: status %d", resp.StatusCode)
		}
		timer := time.NewTimer(time.Second)
		<-timer.C
	}
	in.signIn()
	for _, path := range []string{"backup", "ibstorage"} {
		if rows := in.rows(path, ""); len(rows) != 2 {
			t.Errorf("%s: %d rows, want 2", path, len(rows))
		}
	}

	nats := natsAddress(t, s)
	elsewhere := newSettings(t, database)
	delete(elsewhere, "NATS_LISTEN")
	elsewhere["NATS_URL"] = strings.Replace(nats.URL, "nats://", "nats://"+nats.User+":"+nats.Password+"@", 1)
	elsewhere["JWT_SECRET_KEY"] = strings.Repeat("k", 32)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan int, 2)
	logs := &syncBuffer{}
	r, w := io.Pipe()
	go func() {
		ended <- run(ctx, []string{"--env-file", os.DevNull, "projector"}, strings.NewReader(""), logs, logs, elsewhere.environ())
	}()
	go func() {
		code := run(ctx, []string{"--env-file", os.DevNull, "gateway"}, strings.NewReader(""), w, logs, elsewhere.environ())
		_ = w.Close()
		ended <- code
	}()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if code := <-ended; code != 0 {
				t.Errorf("exit code %d:\n%s", code, logs)
			}
		}
	})
	other, _ := awaitBanner(t, r)
	second := &instanceUnderTest{t: t, base: other}
	second.signIn()
	if rows := second.rows("backup", ""); len(rows) != 2 {
		t.Errorf("the other gateway has %d rows, want 2", len(rows))
	}
	if code, _, errs := command(t, elsewhere, "sunny-monday-9\n", "users", "add", "32787"); code != 0 {
		t.Errorf("users add: exit code %d: %s", code, errs)
	}
	if code, out, errs := command(t, elsewhere, "", "users", "list"); code != 0 || !strings.Contains(out, "\n32787 ") {
		t.Errorf("users list: exit code %d: %s %s", code, out, errs)
	}
	mended(t, s, dsn)
	mended(t, elsewhere, dsn)
	if code, out, errs := command(t, s, "", "quarantine", "list"); code != 0 || !strings.Contains(out, "empty") {
		t.Errorf("quarantine list: exit code %d: %s %s", code, out, errs)
	}
	if said := readiness(t, other); said["database"] != "ok" || said["tables"] != "ok" {
		t.Errorf("the other gateway's readiness %v", said)
	}

	poison(t, s, "prober.changed.v1", "{")
	for _, g := range []*instanceUnderTest{in, second} {
		g.awaitReadiness(http.StatusServiceUnavailable, `"name":"quarantine","ok":false,"detail":"events of the log could not be read`)
	}
	seq := quarantinedSeqs(t, s)[0]
	says(t, elsewhere, 0, "quarantine dismiss --reason=nothing "+seq, "Event "+seq+" is dismissed.\n")
	for _, g := range []*instanceUnderTest{in, second} {
		g.awaitReadiness(http.StatusOK, `"name":"quarantine","ok":true,"detail":"events of the log`)
	}
	says(t, s, 0, "fsck", "1 event that cannot be read or stored is dismissed", "Everything is as it must be.")
	says(t, s, 0, "quarantine dismiss --undo "+seq, "Event "+seq+" is no longer dismissed.")
	second.awaitReadiness(http.StatusServiceUnavailable, `"name":"quarantine","ok":false`)
}

// mended damages the tables, and has them put right.
func mended(t *testing.T, s settings, dsn string) {
	t.Helper()
	check := func(want int, says string, what ...string) {
		t.Helper()
		if code, out, errs := command(t, s, "", what...); code != want || !strings.Contains(out, says) {
			t.Errorf("%v: exit code %d, want %d and %q: %s %s", what, code, want, says, out, errs)
		}
	}
	check(0, "Everything is as it must be.", "fsck")
	sqlservertest.Exec(t, dsn, "UPDATE D_Drive_Backup_Stat SET Status = 'Failed' WHERE OutletServer = 'A0001'",
		"DELETE FROM IB_Storage_Backup_Stat WHERE OutletServer = 'A0002'")
	check(1, "A0001", "fsck")
	check(0, "2 rows would be put right", "rebuild", "--dry-run")
	check(0, "2 rows put right", "rebuild")
	check(0, "Everything is as it must be.", "fsck")
	check(0, "0 events read", "quarantine", "retry")
}

// TestServicesOfTheirOwnNeed: what projector and gateway need is asked for.
func TestServicesOfTheirOwnNeed(t *testing.T) {
	t.Parallel()
	s := newSettings(t, settings{"NATS_LISTEN": "127.0.0.1:0"})
	startUp(t, s)
	nats := natsAddress(t, s)
	url := strings.Replace(nats.URL, "nats://", "nats://"+nats.User+":"+nats.Password+"@", 1)
	database := settings{"NATS_URL": url, "DB_SERVER": "db.example", "DB_USERNAME": "sa", "DB_PASSWORD": "hunter2"}
	for _, x := range []struct {
		name string
		with settings
		want string
	}{
		{"projector", nil, "NATS_URL is not set"}, {"gateway", nil, "NATS_URL is not set"},
		{"projector", settings{"NATS_URL": url}, "DB_SERVER is not set"}, {"gateway", settings{"NATS_URL": url}, "DB_SERVER is not set"},
		{"gateway", database, "JWT_SECRET_KEY is not set"},
	} {
		if code, _, errs := command(t, newSettings(t, x.with), "", x.name); code != 1 || !strings.Contains(errs, x.want) {
			t.Errorf("%s: exit code %d, want 1 and %q: %s", x.name, code, x.want, errs)
		}
	}
}

// TestRestoreIntoSQLServer: users and tokens go where DB_SERVER says, unless
// others are there.
func TestRestoreIntoSQLServer(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(sqlservertest.Database(t))
	if err != nil {
		t.Fatal("no URL")
	}
	password, _ := u.User.Password()
	s := newSettings(t, nil)
	if code, _, errs := command(t, s, testPassword+"\n", "users", "add", "ada", "--type", "A"); code != 0 {
		t.Fatal(errs)
	}
	dir := backup(t, s)
	elsewhere := func() settings {
		return newSettings(t, settings{
			"DB_SERVER": strings.Replace(u.Host, ":", ",", 1), "DB_DATABASE": u.Query().Get("database"), "DB_USERNAME": u.User.Username(),
			"DB_PASSWORD": password, "DB_ENCRYPT": "disable",
		})
	}
	s = elsewhere()
	says(t, s, 0, "restore "+dir, "1 user, 0 API tokens, and the secrets.")
	says(t, s, 0, "users list", "ada")
	says(t, elsewhere(), 0, "restore "+dir, "1 user, 0 API tokens")
	if code, _, errs := command(t, s, testPassword+"\n", "users", "add", "eve"); code != 0 {
		t.Fatal(errs)
	}
	says(t, elsewhere(), 0, "restore "+dir, "not the users and API tokens", "has its own, which stay", "empty UserManager")
	s = elsewhere()
	s["DB_SERVER"] = "127.0.0.1,1"
	says(t, s, 1, "restore "+dir, "cannot be reached")
	if _, err := os.Stat(s["DATA_DIR"]); err == nil {
		t.Error("it made a data directory before it knew the database")
	}
}

package main

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"backupmonitor/services/internal/fleet"
)

// hurt runs SQL on a database behind everybody's back.
func hurt(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", path+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// ask is what a query of one row and column gives.
func ask(t *testing.T, path, query string) (answer string) {
	t.Helper()
	db, err := sql.Open("sqlite", path+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	if err := db.QueryRowContext(t.Context(), query).Scan(&answer); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return answer
}

// says runs a command and checks its exit code, and what it says.
func says(t *testing.T, s settings, code int, args string, want ...string) string {
	t.Helper()
	got, stdout, stderr := command(t, s, "", strings.Fields(args)...)
	if got != code {
		t.Errorf("%s: exit code %d, want %d\n%s%s", args, got, code, stdout, stderr)
	}
	for _, w := range want {
		if !strings.Contains(stdout+stderr, w) {
			t.Errorf("%s: says\n%s%s\nwant %q", args, stdout, stderr, w)
		}
	}
	return stdout
}

// scannedFleet is a running `up` that has scanned some outlets.
func scannedFleet(t *testing.T, n int) (in *instanceUnderTest, stop func() int, s settings) {
	t.Helper()
	var specs []fleet.Spec
	for i := range n {
		specs = append(specs, fleet.New(fleet.Plan{Code: fmt.Sprintf("B%04d", i), Preset: fleet.Presets()[i%3], Seed: uint64(i), Now: time.Now()}))
	}
	_, s = startFleet(t, specs, nil)
	in, stop = startUp(t, s)
	in.follow(in.startScan(map[string]any{}), 0)
	return in, stop, s
}

// TestRebuildAndFsck, by a running instance and without one.
func TestRebuildAndFsck(t *testing.T) {
	t.Parallel()
	_, stop, s := scannedFleet(t, 9)
	db := filepath.Join(s["DATA_DIR"], "backup-monitor.db")
	for _, how := range []string{"while `up` runs", "without it"} {
		says(t, s, 0, "fsck", "Everything is as it must be.", "D_Drive_Backup_Stat")
		says(t, s, 0, "rebuild", "Nothing is missing or different.")
		hurt(t, db, "DELETE FROM IB_Storage_Backup_Stat WHERE OutletServer = 'B0003'", "UPDATE D_Drive_Backup_Stat SET BackupFile = 'x"+"\x1b"+"[2J.bak' WHERE OutletServer = 'B0004'",
			"INSERT INTO D_Drive_Backup_Stat (OutletServer, ScanDate, Status) VALUES ('OLD', '2019-01-01', 'Error')")
		out := says(t, s, 1, "fsck", "1. D_Drive_Backup_Stat has 1 rows that are not as the log says (as B0004", "IB_Storage_Backup_Stat lacks 1 rows", "the log does not know (as OLD on 2019-01-01)", "backup-monitor rebuild")
		out += says(t, s, 0, "rebuild --dry-run", "2 rows would be put right (dry run: nothing was changed). 1 row that the log does not know stays.", "B0003", "missing in the table", "BackupFile is")
		if strings.Contains(out, "\x1b") {
			t.Errorf("%s: what a database says reaches the terminal as it is: %q", how, out)
		}
		says(t, s, 1, "fsck")
		says(t, s, 0, "rebuild", "2 rows put right. 1 row that the log does not know stays.")
		hurt(t, db, "DELETE FROM D_Drive_Backup_Stat WHERE OutletServer = 'OLD'")
		says(t, s, 0, "fsck", "Everything is as it must be.")
		if code := stop(); code != 0 { // the second time it has stopped already
			t.Fatal(code)
		}
		if t.Failed() {
			t.Fatalf("%s", how)
		}
	}
	if left, _ := filepath.Glob(db + ".rebuild*"); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
	// What a killed rebuild leaves is gone after the next start.
	if err := os.WriteFile(db+".rebuild", []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	says(t, s, 0, "quarantine list", "The quarantine is empty.")
	if left, _ := filepath.Glob(db + ".rebuild*"); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

// TestFsckOnADamagedLog: damage is told in words, and never put right by
// taking from the tables what the log has lost.
func TestFsckOnADamagedLog(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func([]byte) []byte{
		"flipped": func(b []byte) []byte {
			i := len(b) / 3
			return slices.Concat(b[:i], bytes.Repeat([]byte{0xff}, 64), b[i+64:])
		},
		"cut":  func(b []byte) []byte { return b[:len(b)/2] },
		"gone": func([]byte) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSettings(t, settings{"OUTLETS_FILE": outletsFile(t, "B0001,127.0.0.1:1,One", "B0002,127.0.0.1:1,Two")})
			in, stop := startUp(t, s)
			in.follow(in.startScan(map[string]any{}), 0)
			if code := stop(); code != 0 {
				t.Fatal(code)
			}
			db := filepath.Join(s["DATA_DIR"], "backup-monitor.db")
			rows := ask(t, db, "SELECT COUNT(*) FROM MonitorHistory")
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
			_, stdout, stderr := command(t, s, "", "fsck")
			t.Logf("%s%s", stdout, stderr)
			says(t, s, 1, "fsck")
			says(t, s, 1, "rebuild")
			if now := ask(t, db, "SELECT COUNT(*) FROM MonitorHistory"); now != rows {
				t.Errorf("%s lines of history, and there were %s", now, rows)
			}
		})
	}
}

// TestUnstorable: an event that the tables could not hold is named, with what to
// do, and goes in when they take it.
func TestUnstorable(t *testing.T) {
	t.Parallel()
	_, stop, s := scannedFleet(t, 3)
	db := filepath.Join(s["DATA_DIR"], "backup-monitor.db")
	seq := ask(t, db, "SELECT Seq FROM MonitorHistory WHERE OutletServer = 'B0001' AND Mode = 'd_drive'")
	for range 2 { // by the running instance, and without one
		hurt(t, db, "DELETE FROM D_Drive_Backup_Stat WHERE OutletServer = 'B0001'", "DELETE FROM MonitorStat WHERE Seq = "+seq, "DELETE FROM MonitorHistory WHERE Seq = "+seq,
			"INSERT INTO MonitorQuarantine (Seq, Subject, Type, Stored, Reason) VALUES ("+seq+", '', '', '', 'a column does not take a value: \x1b[2J')")
		for _, how := range []string{"--dry-run", ""} {
			out := says(t, s, 3, "rebuild "+how, "1 row ", "\n1 events could not be stored: event "+seq+" of outlet B0001, d_drive, day ", "\nMend the column, then run `backup-monitor quarantine retry`")
			if strings.Contains(out, "\x1b") {
				t.Errorf("what a database says reaches the terminal as it is: %q", out)
			}
		}
		says(t, s, 1, "fsck", "\n1. 1 events could not be stored: event "+seq+" of outlet B0001", "Mend the column")
		says(t, s, 3, "rebuild", "Nothing is missing or different.\n1 events could not be stored")
		says(t, s, 0, "quarantine dismiss --reason=x "+seq)
		says(t, s, 0, "rebuild", "Nothing is missing or different.\n1 event that cannot be read or stored is dismissed")
		// It is dismissed no longer when it is read: the next round, where it is set aside again, must tell.
		says(t, s, 0, "quarantine retry", "1 event read; 0 stay in quarantine.")
		says(t, s, 0, "rebuild", "Nothing is missing or different.")
		says(t, s, 0, "fsck", "Everything is as it must be.")
		if code := stop(); code != 0 {
			t.Fatal(code)
		}
	}
}

// TestReplay makes databases as known now, at a moment, and judged anew.
func TestReplay(t *testing.T) {
	t.Parallel()
	in, stop, s := scannedFleet(t, 6)
	db := filepath.Join(s["DATA_DIR"], "backup-monitor.db")
	first := ask(t, db, "SELECT MAX(Seq) FROM MonitorHistory")
	between := time.Now().UTC()
	in.follow(in.startScan(map[string]any{}), 0)
	const content = `SELECT group_concat(x, '|') FROM (SELECT OutletServer || Status || COALESCE(BackupFile, '') || ScanDate || (SELECT Seq FROM MonitorStat m
		WHERE m.OutletServer = s.OutletServer AND m.Mode = 'd_drive') AS x FROM D_Drive_Backup_Stat s ORDER BY 1)`
	now, then, anew := filepath.Join(t.TempDir(), "now.db"), filepath.Join(t.TempDir(), "then.db"), filepath.Join(t.TempDir(), "anew.db")
	says(t, s, 0, "replay --into sqlite://"+now, "is as known at event")
	if a, b := ask(t, db, content), ask(t, now, content); a != b {
		t.Errorf("the tables are %s\nreplayed %s", a, b)
	}
	says(t, s, 0, "replay --until "+between.Format(time.RFC3339Nano)+" --into sqlite://"+then)
	if got := ask(t, then, "SELECT MAX(Seq) FROM MonitorHistory"); got != first {
		t.Errorf("the database of then has looks up to %s, want %s", got, first)
	}
	says(t, s, 1, "replay --into sqlite://"+then, "is there already")
	if code := stop(); code != 0 {
		t.Fatal(code)
	}
	says(t, s, 0, "replay --until "+first+" --policy max_age=1s --into sqlite://"+anew, "judged anew", "12 looks")
	if n := ask(t, anew, "SELECT COUNT(*) FROM MonitorHistory WHERE Status = 'Successful'"); n != "0" {
		t.Errorf("%s looks are Successful though no backup is younger than a second", n)
	}
	if n := ask(t, anew, "SELECT Stream FROM MonitorCheckpoint"); !strings.Contains(n, "judged anew") {
		t.Errorf("the checkpoint says %q: a projector would go on with it", n)
	}
	for _, bad := range []string{
		"replay", "replay --into mysql://x", "replay --into sqlite:", "replay --into sqlite://x --until yesterday", "replay --into sqlite://x --until 0",
		"replay --into sqlite://x --policy age=3", "replay --into sqlite://x --policy max_age=-1h,min_size=x,patterns=", "replay --until 99999 --into sqlite://" + anew + "2",
	} {
		says(t, s, 1, bad, "backup-monitor: ")
	}
	if left, _ := filepath.Glob(anew + "2*"); len(left) > 0 {
		t.Errorf("a replay that failed left %v", left)
	}
}

// TestQuarantine: what cannot be read makes readiness red, is shown safely,
// and can be read again.
func TestQuarantine(t *testing.T) {
	t.Parallel()
	s := newSettings(t, nil)
	in, stop := startUp(t, s)
	in.awaitReadiness(http.StatusOK, `{"name":"quarantine","ok":true}`)
	poison(t, s, "backup.observed.v1", "{\x1b[2J")
	poison(t, s, "outlet.%1B[2Junheard.v9", `{"a":1}`)
	in.awaitReadiness(http.StatusServiceUnavailable, `"name":"quarantine","ok":false,"detail":"events of the log could not be read`)
	db := filepath.Join(s["DATA_DIR"], "backup-monitor.db")
	for deadline := time.Now().Add(patience); ask(t, db, "SELECT COUNT(*) FROM MonitorQuarantine") != "2"; {
		if time.Now().After(deadline) {
			t.Fatal("not both are in quarantine")
		}
	}
	for range 2 { // by the running instance, and without one
		list := says(t, s, 0, "quarantine list", "REASON", "backup.observed.v1", "unknown event type")
		var seq string
		for line := range strings.Lines(list) {
			if strings.Contains(line, "observed") {
				seq = strings.Fields(line)[0]
			}
		}
		list += says(t, s, 0, "quarantine show "+seq, "ev.backup.observed.d_drive.X", "malformed", "Dismissed  no", "Data       5 bytes")
		if strings.Contains(list, "\x1b") {
			t.Errorf("what an event says reaches the terminal as it is: %q", list)
		}
		if raw := says(t, s, 0, "quarantine show --raw "+seq); raw != "{\x1b[2J" {
			t.Errorf("raw %q", raw)
		}
		says(t, s, 0, "quarantine retry", "0 events read; 2 stay in quarantine.", " stays in quarantine: ", "malformed event")
		says(t, s, 1, "quarantine show 99999", "is not in quarantine")
		says(t, s, 1, "quarantine retry 99999", "is not in quarantine")
		says(t, s, 1, "quarantine show x", "is not the sequence")
		says(t, s, 1, "quarantine", "say which")
		says(t, s, 1, "fsck", "2 events in the log cannot be read by this version")
		if code := stop(); code != 0 {
			t.Fatal(code)
		}
	}
}

// awaitReadiness polls /readyz?verbose until it has a status and says something.
func (in *instanceUnderTest) awaitReadiness(status int, want string) {
	in.t.Helper()
	var last string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		resp, err := in.request(in.t.Context(), http.MethodGet, "/readyz?verbose", nil)
		if err != nil {
			in.t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		if err := errors.Join(err, resp.Body.Close()); err != nil {
			in.t.Fatal(err)
		}
		if last = fmt.Sprint(resp.StatusCode, string(b)); resp.StatusCode == status && strings.Contains(last, want) {
			return
		}
	}
	in.t.Fatalf("readiness says %s, want %d and %q", last, status, want)
}

// poison stores what is no event.
func poison(t *testing.T, s settings, kind, data string) {
	t.Helper()
	at := natsAddress(t, s)
	nc, err := nats.Connect(at.URL, nats.UserInfo(at.User, at.Password))
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	m := &nats.Msg{Subject: "ev.backup.observed.d_drive.X", Data: []byte(data), Header: nats.Header{
		"ce-type": {kind}, "ce-specversion": {"1.0"}, "ce-id": {data}, "ce-source": {"x"}, "evil": {"\x1b[2J"},
	}}
	_, err = js.PublishMsg(t.Context(), m)
	if err := errors.Join(err, closeConn(nc)); err != nil {
		t.Fatal(err)
	}
}

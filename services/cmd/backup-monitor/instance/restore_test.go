package instance_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"backupmonitor/events"
	"backupmonitor/services/cmd/backup-monitor/instance"
)

func write(t *testing.T, path string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o750), os.WriteFile(path, []byte("x"), 0o600)); err != nil {
		t.Fatal(err)
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestOnlyAnEmptyDirectoryIsRestoredInto: whatever stands in it stays, but for
// what an interrupted restore has left; until a restore has come to its end
// nothing else may use the directory.
func TestOnlyAnEmptyDirectoryIsRestoredInto(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data")
	file := filepath.Join(path, "anything")
	write(t, file)
	if _, err := instance.OpenEmpty(path); !errors.Is(err, instance.ErrNotEmpty) {
		t.Fatalf("error %v, want ErrNotEmpty", err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	archived := filepath.Join(path, instance.ArchiveName, "archive-1", "manifest.json")
	write(t, archived)
	for _, moved := range []bool{false, true} { // where the restore before was interrupted
		d, err := instance.OpenEmpty(path)
		if err != nil {
			t.Fatal(err)
		}
		if left := names(t, d.Prepared().Path()); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
		if _, err := instance.OpenEmpty(path); !errors.Is(err, instance.ErrInUse) {
			t.Errorf("error %v, want ErrInUse", err)
		}
		write(t, filepath.Join(d.Prepared().Path(), "nats", "a"))
		if moved {
			write(t, filepath.Join(path, "backup-monitor.db"))
		}
		closeDir(t, d)
		if _, err := instance.Open(path); !errors.Is(err, instance.ErrRestoring) {
			t.Errorf("error %v, want ErrRestoring", err)
		}
	}
	d, err := instance.OpenEmpty(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, d.Prepared().Database())
	write(t, filepath.Join(d.Prepared().Log(), "a"))
	if err := d.Finish(); err != nil {
		t.Fatal(err)
	}
	closeDir(t, d)
	if got, want := names(t, path), []string{"archive", "backup-monitor.db", "lock", "nats"}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if _, err := os.Stat(archived); err != nil {
		t.Error(err)
	}
	write(t, filepath.Join(path, instance.Passing+"1", "a"))
	if d, err = instance.Open(path); err != nil {
		t.Fatal(err)
	}
	closeDir(t, d)
	if left, err := filepath.Glob(filepath.Join(path, instance.Passing+"*")); err != nil || len(left) > 0 {
		t.Errorf("what a killed command left is still there: %v %v", left, err)
	}
}

// TestWhatCameMeanwhileStays: only what a restore makes is removed when it is
// repeated, and nothing at all where there is something else.
func TestWhatCameMeanwhileStays(t *testing.T) {
	t.Parallel()
	for _, came := range []string{"backup-20260314T010000Z/manifest.json", "backup-monitor.db.kept", "secrets", "natsy"} {
		path := filepath.Join(t.TempDir(), "data")
		d, err := instance.OpenEmpty(path)
		if err != nil {
			t.Fatal(err)
		}
		closeDir(t, d)
		made := []string{"backup-monitor.db", "backup-monitor.db-wal", "nats/a", instance.SecretJWT, "nats-password", ".new-1"}
		for _, name := range append([]string{came}, made...) {
			write(t, filepath.Join(path, name))
		}
		first, _, _ := strings.Cut(came, "/")
		if _, err := instance.OpenEmpty(path); !errors.Is(err, instance.ErrNotEmpty) || !strings.Contains(err.Error(), first) {
			t.Errorf("%s: error %v, want ErrNotEmpty and the name", came, err)
		}
		for _, name := range append([]string{came}, made...) {
			if _, err := os.Stat(filepath.Join(path, name)); err != nil {
				t.Errorf("beside %s: %v", came, err)
			}
		}
		if err := os.RemoveAll(filepath.Join(path, first)); err != nil {
			t.Fatal(err)
		}
		if d, err = instance.OpenEmpty(path); err != nil {
			t.Fatal(err)
		}
		if got, want := names(t, path), []string{".restoring", "lock"}; !reflect.DeepEqual(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		closeDir(t, d)
	}
}

// TestTake: whoever answers a command names no other file than one that is left
// for it.
func TestTake(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	for _, name := range []string{"backup-monitor.db", instance.SecretJWT, "archive/" + instance.Passing + "1"} {
		write(t, filepath.Join(path, name))
		for _, named := range []string{name, instance.Passing + "x/../" + name, "../" + filepath.Base(path) + "/" + name} {
			if b, err := instance.Take(path, named); err == nil || b != nil {
				t.Errorf("%s: read %q", named, b)
			}
			if _, err := os.Stat(filepath.Join(path, name)); err != nil {
				t.Fatalf("%s: %v", named, err)
			}
		}
	}
	left := instance.Passing + "1"
	write(t, filepath.Join(path, left))
	if b, err := instance.Take(path, left); err != nil || string(b) != "x" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := instance.Take(path, left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the second time: error %v", err)
	}
}

// TestLoad: a stream has exactly the records that it was loaded with, gaps at
// both ends and between included, also for a server that has only its files;
// what is stored next follows them, and ids are known that were stored lately.
func TestLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	record := func(seq uint64, subject string, h nats.Header) events.Record {
		return events.Record{Seq: seq, Stored: time.Now().UTC().Add(-time.Hour).Add(time.Duration(seq) * 1234567), Subject: subject, Header: h, Data: []byte{0, byte(seq), '\r', '\n'}}
	}
	want := []events.Record{
		record(3, "ev.settings", nats.Header{"ce-id": {"a"}, nats.MsgIdHdr: {"a"}}),
		record(7, "ev.outlet.A", nil),
		record(8, "ev.outlet.B", nats.Header{"ce-ID": {"b", "%20c"}, "X": {""}}),
	}
	rest := want
	n, err := instance.Scratch(dir, quiet())
	if err != nil {
		t.Fatal(err)
	}
	config := events.Limits{EventsMaxBytes: 1 << 20}.Log()
	err = n.Load(config, instance.Contents{First: 2, Last: 10, Records: 3, Next: func() (events.Record, error) {
		if len(rest) == 0 {
			return events.Record{}, io.EOF
		}
		r := rest[0]
		rest = rest[1:]
		return r, nil
	}})
	if err := errors.Join(err, n.Close()); err != nil {
		t.Fatal(err)
	}
	if n, err = instance.Scratch(dir, quiet()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}()
	closed := make(chan struct{})
	nc, err := n.ConnectKeeper("test", nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { nc.Close(); <-closed }()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if err := events.Provision(t.Context(), js, events.Limits{EventsMaxBytes: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(t.Context(), events.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	if st := s.CachedInfo().State; st.Msgs != 3 || st.LastSeq != 10 {
		t.Errorf("%+v", st)
	}
	feed, err := events.NewLog(js, "test").Feed(t.Context(), events.FeedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Stop()
	for _, w := range want {
		r, err := feed.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r.Pending = 0
		if len(r.Header) == 0 {
			r.Header = nil
		}
		if !reflect.DeepEqual(r, w) {
			t.Errorf("%+v, want %+v", r, w)
		}
	}
	m := nats.NewMsg("ev.settings")
	m.Header.Set(nats.MsgIdHdr, "a")
	if ack, err := js.PublishMsg(t.Context(), m); err != nil || !ack.Duplicate {
		t.Errorf("%+v %v, want a duplicate", ack, err)
	}
	m.Header.Set(nats.MsgIdHdr, "new")
	if ack, err := js.PublishMsg(t.Context(), m); err != nil || ack.Sequence != 11 {
		t.Errorf("%+v %v, want sequence 11", ack, err)
	}
}

// TestLoadEndsWithItsSource: what cannot be read is not taken for the end.
func TestLoadEndsWithItsSource(t *testing.T) {
	t.Parallel()
	n, err := instance.Scratch(t.TempDir(), quiet())
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	err = n.Load(events.Limits{EventsMaxBytes: 1 << 20}.Log(), instance.Contents{First: 1, Last: 2, Records: 2, Next: func() (events.Record, error) {
		return events.Record{}, broken
	}})
	if !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
}

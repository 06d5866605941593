package instance_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
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

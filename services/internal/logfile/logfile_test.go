package logfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"backupmonitor/events"
	"backupmonitor/services/internal/natstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestRecords: what is written of a record is read again, and one that was cut
// or changed anywhere is either another record or an error, never a panic.
func TestRecords(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := events.Record{
			Seq: rapid.Uint64Min(1).Draw(t, "seq"), Stored: time.Unix(0, rapid.Int64().Draw(t, "stored")).UTC(),
			Subject: rapid.String().Draw(t, "subject"), Data: rapid.SliceOf(rapid.Byte()).Draw(t, "data"),
		}
		if names := rapid.SliceOfDistinct(rapid.String(), rapid.ID[string]).Draw(t, "names"); len(names) > 0 {
			want.Header = nats.Header{}
			for _, n := range names {
				want.Header[n] = rapid.SliceOfN(rapid.String(), 1, 3).Draw(t, "values")
			}
		}
		b := appendRecord(nil, want)
		got, err := decodeRecord(skipLength(b))
		if err != nil {
			t.Fatal(err)
		}
		if len(want.Data) == 0 {
			got.Data, want.Data = nil, nil
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v, want %+v", got, want)
		}
		body := skipLength(b)
		body[rapid.IntRange(0, len(body)-1).Draw(t, "at")] ^= byte(rapid.IntRange(1, 255).Draw(t, "with"))
		_, _ = decodeRecord(body)
		_, _ = decodeRecord(body[:rapid.IntRange(0, len(body)).Draw(t, "cut")])
	})
}

func skipLength(b []byte) []byte {
	c := cursor{rest: b}
	c.uvarint()
	return c.rest
}

func look(scan, outlet int) events.BackupObserved {
	return events.BackupObserved{
		Outlet: fmt.Sprintf("B%04d", outlet), Mode: events.DDrive, ScanID: fmt.Sprintf("s%d", scan), ScanDate: "2026-03-14",
		Server: "10.0.0.1", StartedAt: time.Date(2026, 3, 14, 2, 0, 0, 0, time.UTC),
	}
}

// story appends scans of ten outlets with an outlet's change before each.
func story(t testing.TB, log *events.Log, from, scans int) uint64 {
	t.Helper()
	var last uint64
	say := func(p events.Payload) {
		seq, _, err := log.Append(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		last = seq
	}
	for s := from; s < from+scans; s++ {
		say(events.OutletChanged{Code: fmt.Sprintf("B%04d", s), Address: "10.0.0.1", Source: events.SourceUser, Previous: last})
		say(events.ScanRequested{ScanID: fmt.Sprintf("s%d", s)})
		for o := range 10 {
			say(look(s, o))
		}
		say(events.ScanCompleted{ScanID: fmt.Sprintf("s%d", s)})
	}
	return last
}

func readAll(t testing.TB, next func(context.Context) (events.Record, error), until uint64) []events.Record {
	t.Helper()
	var all []events.Record
	for {
		r, err := next(t.Context())
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		r.Pending = 0
		all = append(all, r)
		if r.Seq == until {
			return all
		}
	}
}

func ofLog(t testing.TB, log *events.Log, until uint64) []events.Record {
	t.Helper()
	f, err := log.Feed(t.Context(), events.FeedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Stop()
	return readAll(t, f.Next, until)
}

func same(t testing.TB, got, want []events.Record) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	for i := range got {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Fatalf("record %d: %+v, want %+v", i, got[i], want[i])
		}
	}
}

// TestCopyWhileWritten: a copy ends where the log ended when it began, holds
// exactly what the log held, and what it was given beside it.
func TestCopyWhileWritten(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	last := story(t, n.Log, 0, 20)
	dir := filepath.Join(t.TempDir(), "copies", "one")
	written := false
	var steps []Step
	m, err := Copy(t.Context(), n.Log, Options{
		Dir: dir, Product: "test", Attach: map[string][]byte{"users.json": []byte("[]")},
		Progress: func(s Step, done, total uint64) {
			steps = append(steps, s)
			if done != total || total != last {
				t.Errorf("%s %d of %d", s, done, total)
			}
			if !written {
				written = true
				story(t, n.Log, 100, 3)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	id, err := n.Log.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if m.First != 1 || m.Last != last || m.Records != last || m.Log != id.ID() || id.LastSeq <= last {
		t.Fatalf("%+v of a log that ends at %d", m, id.LastSeq)
	}
	if !reflect.DeepEqual(steps, []Step{Writing, Verifying}) {
		t.Errorf("steps %v", steps)
	}
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	same(t, readAll(t, r.Next, 0), ofLog(t, n.Log, last))
	if b, err := r.Attachment("users.json"); err != nil || string(b) != "[]" {
		t.Errorf("%q %v", b, err)
	}
	if _, err := r.Attachment("manifest.json"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	if v, err := Verify(t.Context(), dir, nil); err != nil || v.Digest != m.Digest {
		t.Errorf("%+v %v", v, err)
	}
	ownerOnly(t, dir)
	if _, err := Copy(t.Context(), n.Log, Options{Dir: dir}); err == nil {
		t.Error("a copy was written over another")
	}
}

func ownerOnly(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestCopyInSegments: a copy of many files is read as one.
func TestCopyInSegments(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	last := story(t, n.Log, 0, 10)
	want := ofLog(t, n.Log, last)
	dir := filepath.Join(t.TempDir(), "one")
	write(t, dir, want, 4000)
	m, err := Verify(t.Context(), dir, nil)
	if err != nil || len(m.Segments) < 5 {
		t.Fatalf("%d segments, %v", len(m.Segments), err)
	}
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	same(t, readAll(t, r.Next, 0), want)
}

func write(t *testing.T, dir string, records []events.Record, limit int64) {
	t.Helper()
	w, err := Create(dir, Manifest{First: 1, Last: records[len(records)-1].Seq})
	if err != nil {
		t.Fatal(err)
	}
	w.limit = limit
	for _, r := range records {
		if err := w.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Attach("users.json", []byte("[]")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Finish(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}

// TestDamageIsFound: whatever byte of whatever file is another, and whatever
// file is cut or gone, a copy is not called good.
func TestDamageIsFound(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	dir := filepath.Join(t.TempDir(), "one")
	write(t, dir, ofLog(t, n.Log, story(t, n.Log, 0, 3)), 4000)
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 4 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	bad := func(t *testing.T) {
		t.Helper()
		if _, err := Verify(t.Context(), dir, nil); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNoCopy) {
			t.Errorf("error %v, want ErrDamaged", err)
		}
	}
	for _, f := range files {
		path := filepath.Join(dir, f.Name())
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		put := func(b []byte) {
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for at := 0; at < len(whole); at += 1 + len(whole)/40 {
			b := append([]byte{}, whole...)
			b[at] ^= 0x10
			put(b)
			bad(t)
		}
		put(append(append([]byte{}, whole...), 0))
		bad(t)
		put(whole[:len(whole)/2])
		bad(t)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		bad(t)
		put(whole)
	}
	if _, err := Verify(t.Context(), dir, nil); err != nil {
		t.Errorf("put right again: %v", err)
	}
	manifest := filepath.Join(dir, manifestName)
	b, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{`"users.json"`: `"../users.json"`, `"last":`: `"last": 1, "was":`} {
		if err := os.WriteFile(manifest, []byte(strings.Replace(string(b), from, to, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		bad(t)
	}
	if err := os.WriteFile(manifest, []byte(strings.Replace(string(b), `"format": 1`, `"format": 2`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(t.Context(), dir, nil); err == nil || errors.Is(err, ErrDamaged) {
		t.Errorf("a later format: error %v", err)
	}
}

// TestNothingIsLeftOfAFailedCopy, and nothing copied of a damaged log.
func TestNothingIsLeftOfAFailedCopy(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	story(t, n.Log, 0, 3)
	dir := filepath.Join(t.TempDir(), "one")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := Copy(ctx, n.Log, Options{Dir: dir, Progress: func(s Step, _, _ uint64) {
		if s == Verifying {
			t.Error("it went on")
		}
		cancel()
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	empty(t, filepath.Dir(dir))
	s, err := n.JS.Stream(t.Context(), events.StreamEvents)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Purge(t.Context(), jetstream.WithPurgeSubject(events.RequestedSubject("s1"))); err != nil {
		t.Fatal(err)
	}
	if _, err := Copy(t.Context(), n.Log, Options{Dir: dir}); !errors.Is(err, ErrIncomplete) {
		t.Errorf("error %v, want ErrIncomplete", err)
	}
	empty(t, filepath.Dir(dir))
	if _, err := Open(dir); !errors.Is(err, ErrNoCopy) {
		t.Errorf("error %v, want ErrNoCopy", err)
	}
}

func empty(t *testing.T, dir string) {
	t.Helper()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left in the directory: %v %v", left, err)
	}
}

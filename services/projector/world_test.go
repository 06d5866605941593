package projector

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"backupmonitor/events"
	"backupmonitor/services/internal/logfile"
	"backupmonitor/services/internal/natstest"
	"backupmonitor/services/internal/store"
	"backupmonitor/services/internal/store/sqlite"
	"backupmonitor/services/internal/store/sqlserver"
	"backupmonitor/services/internal/store/sqlserver/sqlservertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 3 * time.Minute

// quick is the production configuration with short waits.
func quick() Config {
	return Config{
		BatchSize: 50, BatchWait: 50 * time.Millisecond, TakeOver: 300 * time.Millisecond, CheckEvery: 50 * time.Millisecond,
		RetryFirst: 5 * time.Millisecond, RetryMost: 50 * time.Millisecond,
	}
}

// world is a log and a database.
type world struct {
	*natstest.Server
	path string // of a SQLite file
	db   store.Backend
	logs *logBuffer
	// archives is where what was taken out of the log is.
	archives string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{Server: natstest.Start(t), path: filepath.Join(t.TempDir(), "monitor.db"), logs: &logBuffer{}, archives: filepath.Join(t.TempDir(), "archive")}
	w.db = w.open(t)
	if err := w.db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w
}

// onSQLServer is a world whose tables are in a SQL Server.
func onSQLServer(t testing.TB) (w *world, dsn string) {
	t.Helper()
	dsn = sqlservertest.Database(t)
	w = &world{Server: natstest.Start(t), logs: &logBuffer{}}
	w.db = opened(t, dsn)
	if err := w.db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w, dsn
}

func opened(t testing.TB, dsn string) store.Backend {
	t.Helper()
	db, err := sqlserver.OpenDSN(dsn)
	return closing(t, db, err)
}

func (w *world) open(t testing.TB) store.Backend {
	t.Helper()
	db, err := sqlite.Open(t.Context(), w.path)
	return closing(t, db, err)
}

func closing(t testing.TB, db store.Backend, err error) store.Backend {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func (w *world) projector(db Store) *Projector {
	cfg := quick()
	cfg.Archives = w.archives
	return New(cfg, w.Log, db, slog.New(slog.NewTextHandler(w.logs, nil)))
}

// running runs p until the returned function is called or the test ends; that
// function gives what Run returned.
func running(t testing.TB, p *Projector) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var err error
	var wg sync.WaitGroup
	wg.Go(func() { err = p.Run(ctx) })
	stop = func() error { cancel(); wg.Wait(); return err }
	t.Cleanup(func() { _ = stop() })
	return stop
}

func (w *world) append(t testing.TB, payloads ...events.Payload) (last uint64) {
	t.Helper()
	for _, p := range payloads {
		seq, _, err := w.Log.Append(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		last = seq
	}
	return last
}

// poison stores what is no event.
func (w *world) poison(t testing.TB) {
	t.Helper()
	m := &nats.Msg{Subject: "ev.backup.observed.d_drive.X", Header: nats.Header{"ce-type": {"backup.observed.v1"}}, Data: []byte("{")}
	if _, err := w.JS.PublishMsg(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !is() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s in vain until %s", patience, what)
		}
		pause(t.Context(), 2*time.Millisecond)
	}
}

func (w *world) reached(t testing.TB, seq uint64) {
	t.Helper()
	until(t, fmt.Sprintf("the checkpoint is %d", seq), func() bool { return w.checkpoint(t).Seq == seq })
}

func (w *world) checkpoint(t testing.TB) store.Checkpoint {
	t.Helper()
	cp, err := w.db.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return cp
}

// story is scans of some outlets with every kind of event among them.
func (w *world) story(t testing.TB, scan, outlets int) uint64 {
	t.Helper()
	id := fmt.Sprintf("scan-%03d", scan)
	var last uint64
	w.append(t, events.ScanRequested{ScanID: id})
	for o := range outlets {
		code := fmt.Sprintf("OUT%03d", o)
		if scan == 0 {
			w.append(t, events.OutletChanged{Code: code, Address: "192.0.2.1", Active: true, Source: events.SourceUser})
		}
		for _, m := range events.Modes() {
			e := observed(id, code, m)
			if (scan+o)%3 == 0 {
				e.Verdict = events.Verdict{Status: events.Failed, Cause: events.CauseTimeout, Detail: "no answer"}
			}
			last = w.append(t, e)
		}
	}
	return last
}

// agrees compares the tables with a fold of the log, and every event with its
// line of history.
func (w *world) agrees(t testing.TB) {
	t.Helper()
	cp := w.checkpoint(t)
	want := map[events.Mode]map[string]store.Look{events.DDrive: {}, events.IBStorage: {}}
	past := map[events.Mode][]string{}
	feed, err := logfile.Read(t.Context(), w.Log, w.archives, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Stop()
	for seq := uint64(0); seq < cp.Seq; {
		r, err := feed.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		seq = r.Seq
		l := Project(r).Look
		if l == nil {
			continue
		}
		past[l.Mode] = append(past[l.Mode], fmt.Sprint(l.Seq, " ", l.EventID))
		if s, ok := want[l.Mode][l.Outlet]; !ok || l.Beats(s.Evidence, s.Seq) {
			want[l.Mode][l.Outlet] = *l
		}
	}
	for _, m := range events.Modes() {
		got := map[string]store.Look{}
		err := w.db.Rows(t.Context(), store.Query{Mode: m}, func(r store.Row) error { got[r.Outlet] = r.Look; return nil })
		if err != nil {
			t.Fatal(err)
		}
		for code, l := range want[m] {
			want[m][code] = l.Normal()
		}
		if g, x := text(got), text(want[m]); g != x {
			t.Fatalf("rows of %s: got %s\nwant %s", m, g, x)
		}
		var lines []string
		err = w.db.History(t.Context(), store.Query{Mode: m}, func(l store.Look) error {
			lines = append(lines, fmt.Sprint(l.Seq, " ", l.EventID))
			return nil
		})
		if g, x := text(lines), text(past[m]); err != nil || g != x {
			t.Fatalf("history of %s, %v: got %s\nwant %s", m, err, g, x)
		}
	}
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logBuffer) contains(s string) bool { return strings.Contains(l.text(), s) }

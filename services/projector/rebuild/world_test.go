package rebuild_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
	"backupmonitor/services/internal/store/sqlite"
	"backupmonitor/services/projector"
	"backupmonitor/services/projector/rebuild"
)

func TestMain(m *testing.M) {
	if at := os.Getenv(killAtEnv); at != "" {
		killed(at) // a child of TestKilled
		os.Exit(0)
	}
	fewer()
	goleak.VerifyTestMain(m)
}

// fewer lets the properties run with fewer histories than rapid would, unless the
// command line says how many: each has a log and databases on disk.
func fewer() {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	if !given {
		if err := flag.Set("rapid.checks", "15"); err != nil {
			panic(err)
		}
	}
}

func start() time.Time { return time.Date(2025, 3, 1, 4, 0, 0, 0, time.UTC) }

// look is the n-th of looks at 20 outlets in both modes, day after day; every
// third could not look, and every seventh is back-dated and found none.
func look(n int) events.BackupObserved {
	m := events.Modes()[n%2]
	date := events.DateOf(start().AddDate(0, 0, n/80), time.UTC)
	f := events.File{Name: fmt.Sprintf("full_%d.bak", n), Bytes: 2630667468, Modified: start().Add(time.Duration(n) * time.Minute)}
	e := events.BackupObserved{
		Outlet: fmt.Sprintf("OUT%03d", n/2%20), Server: "192.0.2.1", Mode: m, ScanID: fmt.Sprint("scan-", n), ScanDate: date, Attempt: 1,
		StartedAt: start().Add(time.Duration(n) * time.Minute), DurationMS: 1254, Today: true, Cutoff: f.Modified.Add(time.Hour),
		Drives:  []events.Drive{{Letter: "D", FreeBytes: new(uint64(10)), TotalBytes: new(uint64(20)), FileCount: 1, Files: []events.File{f}}},
		Verdict: events.Verdict{Status: events.Successful, Cause: events.CauseOK, Conclusive: true, Evidence: events.EvidenceFull, DriveLetter: "D", File: &f},
	}
	e.Verdict.Policy = events.Policy{MaxAgeSeconds: 93600, MinSizeBytes: 1024, Patterns: []string{"*.bak"}}
	switch {
	case n%3 == 0:
		e.Verdict = events.Verdict{Status: events.Failed, Cause: events.CauseTimeout, Detail: "no answer"}
	case n%7 == 0:
		e.Verdict = events.Verdict{Status: events.Failed, Cause: events.CauseNoBackup, Conclusive: true, Evidence: events.EvidenceBackNone, Detail: "none"}
	}
	return e
}

// story is n events of every kind, the same ones every time.
func story(n int) []events.Payload {
	var all []events.Payload
	for i := range n {
		switch i % 20 {
		case 0:
			all = append(all, events.OutletChanged{Code: fmt.Sprintf("OUT%03d", i/20%20), Address: "192.0.2.1", Active: i%40 == 0, Source: events.SourceUser, Previous: uint64(i)})
		case 1:
			all = append(all, events.HistoryImported{Outlet: fmt.Sprintf("OUT%03d", i/20%20), Mode: events.DDrive, ScanDate: "2025-02-01", Status: events.Failed})
		case 2:
			all = append(all, events.ScanRequested{ScanID: fmt.Sprint("scan-", i)})
		case 3:
			all = append(all, look(max(i-20, 0))) // said before
		default:
			all = append(all, look(i))
		}
	}
	return all
}

// memory is a log without a server.
type memory struct {
	records  []events.Record
	made     time.Duration // how long after the others
	restored events.LogRestored

	dismissed events.LogDismissed
}

func (l *memory) add(t testing.TB, payloads ...events.Payload) {
	t.Helper()
	for _, p := range payloads {
		m, err := events.Encode("/backup-monitor/test", start(), p)
		if err != nil {
			t.Fatal(err)
		}
		l.addRaw(m.Subject, m.Header, m.Data)
	}
}

func (l *memory) addRaw(subject string, h nats.Header, data []byte) {
	seq := uint64(len(l.records) + 1)
	l.records = append(l.records, events.Record{
		Seq: seq, Stored: start().Add(time.Duration(seq) * time.Second), Subject: subject, Header: h, Data: data,
	})
}

// poison adds what nobody can read.
func (l *memory) poison() {
	l.addRaw("ev.backup.observed.d_drive.X", nats.Header{"ce-type": {"backup.observed.v1"}}, []byte("{"))
}

func (l *memory) Identity(context.Context) (events.Identity, error) {
	id := events.Identity{Created: start().Add(l.made), LastSeq: uint64(len(l.records))}
	if len(l.records) > 0 {
		id.FirstSeq = l.records[0].Seq
		id.LastSeq = l.records[len(l.records)-1].Seq
		id.Missing = int(id.LastSeq-id.FirstSeq) + 1 - len(l.records)
	}
	return id, nil
}

func (l *memory) Restored(context.Context) (events.LogRestored, uint64, error) {
	return l.restored, 0, nil
}

func (l *memory) Read(ctx context.Context, from, to uint64, each func(events.Record) error) error {
	for seq := from; seq <= to; seq++ {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := each(l.records[seq-1]); err != nil {
			return err
		}
	}
	return nil
}

func (l *memory) Dismissed(context.Context) (events.LogDismissed, uint64, error) {
	return l.dismissed, 0, nil
}

func (l *memory) SequenceAt(_ context.Context, t time.Time) (seq uint64, err error) {
	for _, r := range l.records {
		if !r.Stored.After(t) {
			seq = r.Seq
		}
	}
	return seq, nil
}

func open(t testing.TB, path string) *sqlite.Store {
	t.Helper()
	db, err := sqlite.Open(context.Background(), path)
	if err == nil {
		err = db.Migrate(context.Background())
	}
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

// project does what a projector does, without one.
func project(t testing.TB, l *memory, db rebuild.Quarantine, size int) {
	t.Helper()
	id, _ := l.Identity(t.Context())
	cp, err := db.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for cp.Seq < id.LastSeq {
		b := store.Batch{Old: cp, New: store.Checkpoint{Stream: id.ID(), Seq: min(cp.Seq+uint64(size), id.LastSeq)}}
		for _, r := range l.records[cp.Seq:b.New.Seq] {
			put(&b, projector.Project(r))
		}
		if err := db.Apply(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		cp = b.New
	}
}

func put(b *store.Batch, p projector.Projection) {
	if p.Look != nil {
		b.Looks = append(b.Looks, *p.Look)
	}
	if p.Outlet != nil {
		b.Outlets = append(b.Outlets, *p.Outlet)
	}
	if p.Quarantined != nil {
		b.Quarantined = append(b.Quarantined, *p.Quarantined)
	}
}

func quiet(string, uint64, uint64) {}

func run(t testing.TB, log rebuild.Log, db store.Rebuilder, dry bool) rebuild.Report {
	t.Helper()
	r, err := rebuild.Run(t.Context(), log, db, dry, quiet)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// agree fails unless the tables are as the log says, row for row.
func agree(t testing.TB, log rebuild.Log, db store.Rebuilder) rebuild.Report {
	t.Helper()
	r := run(t, log, db, true)
	for _, x := range r.Tables {
		if x.Digest != x.LogDigest || x.Rows != x.LogRows || x.Missing+x.Different+x.Unknown > 0 {
			t.Fatalf("%s differs: %s", x.Name, text(x))
		}
	}
	return r
}

// openSQL opens a database as another program would.
func openSQL(path string) (*sql.DB, error) {
	return sql.Open("sqlite", path+"?_pragma=busy_timeout(10000)")
}

// damage runs SQL on the database behind everybody's back.
func damage(t testing.TB, path string, statements ...string) {
	t.Helper()
	db, err := openSQL(path)
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

func stagingGone(t testing.TB, path string) {
	t.Helper()
	left, err := filepath.Glob(path + ".rebuild*")
	if err != nil || len(left) > 0 {
		t.Fatalf("left over: %v, %v", left, err)
	}
}

func text(v any) string {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(b)
}

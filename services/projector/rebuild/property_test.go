package rebuild_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"pgregory.net/rapid"

	"backupmonitor/events"
	"backupmonitor/services/internal/logfile"
	"backupmonitor/services/internal/natstest"
	"backupmonitor/services/internal/store"
	"backupmonitor/services/internal/store/sqlite"
	"backupmonitor/services/projector"
	"backupmonitor/services/projector/rebuild"
)

// model is what the tables must be, said once more and shortly: the day's row
// is the maximum by evidence and then sequence, a known id is ignored, an
// outlet is its latest state, and what is no event stands aside.
type model struct {
	said               []said // all of it, in the order of the log
	known              map[string]bool
	rows, outlets      map[string]modelRow
	lines, quarantined []string
}

type said struct {
	seq uint64
	id  string
	p   events.Payload
}

type modelRow struct {
	evidence events.Evidence
	seq      uint64
	text     string
}

func newModel() *model {
	return &model{known: map[string]bool{}, rows: map[string]modelRow{}, outlets: map[string]modelRow{}}
}

// asOf is the model of what was said up to a sequence.
func (m *model) asOf(seq uint64) *model {
	then := newModel()
	for _, s := range m.said {
		if s.seq <= seq {
			then.add(s.seq, s.id, s.p)
		}
	}
	return then
}

func (m *model) add(seq uint64, id string, p events.Payload) {
	m.said = append(m.said, said{seq, id, p})
	switch e := p.(type) {
	case nil:
		m.quarantined = append(m.quarantined, fmt.Sprint(seq))
	case events.BackupObserved:
		m.look(seq, id, e.Mode, e.Outlet, e.ScanDate, e.Verdict.Evidence, string(e.Verdict.Status))
	case events.HistoryImported:
		m.look(seq, id, e.Mode, e.Outlet, e.ScanDate, events.EvidenceImported, string(e.Status))
	case events.OutletChanged:
		m.outlets[strings.ToUpper(e.Code)] = modelRow{seq: seq, text: fmt.Sprint(e.Code, e.Address, e.Active)}
	}
}

func (m *model) look(seq uint64, id string, mode events.Mode, outlet string, d events.Date, e events.Evidence, status string) {
	if m.known[id] {
		return
	}
	m.known[id] = true
	m.lines = append(m.lines, fmt.Sprint(seq, " ", id))
	day := fmt.Sprint(mode, "/", strings.ToUpper(outlet), "/", d)
	if r, ok := m.rows[day]; !ok || e > r.evidence || e == r.evidence && seq > r.seq {
		m.rows[day] = modelRow{e, seq, fmt.Sprint(outlet, status)}
	}
}

// text is all of it, in order.
func (m *model) text() string {
	var all []string
	for day, r := range m.rows {
		all = append(all, fmt.Sprint("row ", day, " ", r))
	}
	for code, o := range m.outlets {
		all = append(all, fmt.Sprint("outlet ", code, " ", o.seq, " ", o.text))
	}
	for _, l := range m.lines {
		all = append(all, "line "+l)
	}
	for _, q := range m.quarantined {
		all = append(all, "quarantined "+q)
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// seen is a database in the words of the model.
func seen(t *rapid.T, db store.Rebuilder) string {
	m := newModel()
	err := db.View(context.Background(), func(ctx context.Context, v store.Tables) error {
		for _, mode := range events.Modes() {
			days, err := v.ScanDates(ctx, mode)
			for _, d := range days {
				rows, derr := v.DayRows(ctx, mode, d)
				err = errors.Join(err, derr)
				for _, l := range rows {
					m.rows[fmt.Sprint(mode, "/", strings.ToUpper(l.Outlet), "/", d)] = modelRow{l.Evidence, l.Seq, fmt.Sprint(l.Outlet, l.Status)}
				}
			}
			if err != nil {
				return err
			}
		}
		lines, err := v.Lines(ctx, 0, 1000)
		for _, l := range lines {
			m.lines = append(m.lines, fmt.Sprint(l.Seq, " ", l.EventID))
		}
		outlets, oerr := v.Registrations(ctx)
		for _, o := range outlets {
			m.outlets[strings.ToUpper(o.Code)] = modelRow{seq: o.Seq, text: fmt.Sprint(o.Code, o.Address, o.Active)}
		}
		quarantined, qerr := v.QuarantinedAfter(ctx, 0, 1000)
		for _, q := range quarantined {
			m.quarantined = append(m.quarantined, fmt.Sprint(q.Seq))
		}
		return errors.Join(err, oerr, qerr)
	})
	if err != nil {
		t.Fatal(err)
	}
	return m.text()
}

// TestEverythingAgrees: after any history, and whatever crashed on the way or
// was damaged, the fold of the log, the live tables, a rebuild, a replay until
// now and a model of it all are the same, row for row, now and as of any sequence.
func TestEverythingAgrees(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	dir := t.TempDir()
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		w := &anyWorld{T: rt, n: n, model: newModel(), path: filepath.Join(dir, fmt.Sprintf("%d.db", run))}
		w.begin()
		defer w.end()
		parts := rapid.IntRange(1, 3).Draw(rt, "parts")
		for range parts {
			w.history(rapid.IntRange(0, 12).Draw(rt, "events"))
			damaged := ""
			if rapid.IntRange(0, 2).Draw(rt, "damaged") == 0 {
				damaged = rapid.SampledFrom(damages()).Draw(rt, "damage")
			}
			w.projected(damaged)
			if damaged != "" {
				w.mended()
			}
			w.agrees()
		}
		w.replayed()
	})
}

// damages are what may happen to a database behind everybody's back.
func damages() []string {
	return []string{
		"DELETE FROM D_Drive_Backup_Stat", "DELETE FROM IB_Storage_Backup_Stat WHERE ScanDate = '2025-03-02'", "DELETE FROM MonitorStat",
		"UPDATE D_Drive_Backup_Stat SET Status = 'Successful'", "UPDATE MonitorStat SET Evidence = 3", "UPDATE MonitorStat SET OutletServer = 'OUT1'",
		"DELETE FROM MonitorHistory WHERE Seq % 2 = 0", "UPDATE MonitorHistory SET EventID = 'x' || EventID", "DELETE FROM MonitorHistory",
		"UPDATE MonitorHistory SET Seq = Seq + 100000", "DELETE FROM Outlets", "DELETE FROM MonitorOutlet", "DELETE FROM MonitorQuarantine",
		"UPDATE MonitorOutlet SET Seq = 100000", "UPDATE MonitorStat SET Seq = 100000, Evidence = 3",
	}
}

type anyWorld struct {
	*rapid.T
	n     *natstest.Server
	model *model
	path  string
	db    *sqlite.Store
	looks []events.BackupObserved // said so far
	last  uint64

	report rebuild.Report // of the last comparison
}

func (w *anyWorld) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// begin makes a log and a database, both empty.
func (w *anyWorld) begin() {
	ctx := context.Background()
	w.must(w.n.JS.DeleteStream(ctx, events.StreamEvents))
	w.must(events.Provision(ctx, w.n.JS, events.Limits{EventsMaxBytes: natstest.MaxBytes}))
	w.db = w.open(w.path)
}

func (w *anyWorld) open(path string) *sqlite.Store {
	db, err := sqlite.Open(context.Background(), path)
	if err == nil {
		err = db.Migrate(context.Background())
	}
	w.must(err)
	return db
}

func (w *anyWorld) end() { w.must(errors.Join(w.db.Close(), sqlite.Remove(w.path))) }

// history stores events of any kind. They carry no Nats-Msg-Id: what is stored
// twice is there twice, as after the window in which the log notices.
func (w *anyWorld) history(events int) {
	for range events {
		switch kind := rapid.IntRange(0, 19).Draw(w.T, "kind"); {
		case kind < 11:
			w.store(w.look())
		case kind < 13 && len(w.looks) > 0:
			w.store(rapid.SampledFrom(w.looks).Draw(w.T, "again"))
		case kind < 15:
			w.store(w.imported())
		case kind < 18:
			w.store(w.outlet())
		case kind < 19:
			w.storeRaw("ev.backup.observed.d_drive.X", nats.Header{"ce-type": {"backup.observed.v1"}}, []byte("{"), "", nil)
		default:
			w.store(w.other())
		}
	}
}

func (w *anyWorld) store(p events.Payload) {
	m, err := events.Encode("/backup-monitor/test", start(), p)
	w.must(err)
	delete(m.Header, nats.MsgIdHdr)
	w.storeRaw(m.Subject, m.Header, m.Data, events.ID(m.Header), p)
}

func (w *anyWorld) storeRaw(subject string, h nats.Header, data []byte, id string, p events.Payload) {
	ack, err := w.n.JS.PublishMsg(context.Background(), &nats.Msg{Subject: subject, Header: h, Data: data})
	w.must(err)
	w.last = ack.Sequence
	w.model.add(ack.Sequence, id, p)
}

func (w *anyWorld) code() string {
	return rapid.SampledFrom([]string{"OUT1", "out1", "OUT2", "café", "CAFÉ"}).Draw(w.T, "outlet")
}

func (w *anyWorld) mode() events.Mode { return rapid.SampledFrom(events.Modes()).Draw(w.T, "mode") }

func (w *anyWorld) date() events.Date {
	return rapid.SampledFrom([]events.Date{"2025-03-01", "2025-03-02", "2024-12-31"}).Draw(w.T, "date")
}

// look is one on the day or back-dated, by any clock. Few scans, so that ids
// come again with other facts.
func (w *anyWorld) look() events.BackupObserved {
	e := look(1)
	e.Outlet, e.Mode, e.ScanDate = w.code(), w.mode(), w.date()
	e.ScanID = fmt.Sprint("scan-", rapid.IntRange(0, 6).Draw(w.T, "scan"))
	skew := time.Duration(rapid.Int64Range(-9e12, 9e12).Draw(w.T, "skew")) * time.Millisecond
	e.StartedAt = start().Add(time.Duration(rapid.IntRange(-1e6, 1e6).Draw(w.T, "at")) * time.Second)
	e.ServerTime, e.ClockSkewMS = new(e.StartedAt.Add(skew%(1e5*time.Hour))), float64(skew.Milliseconds())
	e.Verdict.Evidence = events.Evidence(rapid.IntRange(0, 3).Draw(w.T, "evidence"))
	e.Verdict.File.Modified = e.StartedAt.AddDate(rapid.SampledFrom([]int{0, -424, 1, 7900}).Draw(w.T, "years"), 0, 0)
	if rapid.Bool().Draw(w.T, "failed") {
		e.Verdict.Status, e.Verdict.Cause = events.Failed, rapid.SampledFrom(events.Causes()[1:]).Draw(w.T, "cause")
		e.Verdict.File, e.Verdict.Detail = nil, strings.Repeat("ü", rapid.IntRange(0, 600).Draw(w.T, "detail"))
	}
	w.looks = append(w.looks, e)
	return e
}

func (w *anyWorld) imported() events.HistoryImported {
	return events.HistoryImported{
		Outlet: w.code(), Mode: w.mode(), ScanDate: w.date(), BackupFile: "N/A",
		Status: rapid.SampledFrom([]events.Status{events.Successful, events.Failed}).Draw(w.T, "status"),
	}
}

func (w *anyWorld) outlet() events.OutletChanged {
	return events.OutletChanged{
		Code: w.code(), Address: rapid.SampledFrom([]string{"192.0.2.1", "192.0.2.2"}).Draw(w.T, "address"),
		Active: rapid.Bool().Draw(w.T, "active"), Source: events.SourceUser,
	}
}

func (w *anyWorld) other() events.Payload {
	return rapid.SampledFrom([]events.Payload{events.ScanRequested{ScanID: "s"}, events.Audited{ID: "1", Kind: events.SignedIn}}).Draw(w.T, "other")
}

// crash is what becomes of one transaction.
type crash int

const (
	crashBefore crash = iota
	crashAfter
	noCrash
)

// projected runs projectors, each until it crashes at one of its writes, and
// then one that reaches the end of the log, and rebuilds meanwhile. In the end
// the database may be damaged.
func (w *anyWorld) projected(damaged string) {
	crashes := rapid.SliceOfN(rapid.SampledFrom([]crash{crashBefore, crashAfter, noCrash, noCrash}), 0, 6).Draw(w.T, "crashes")
	size := rapid.IntRange(1, 5).Draw(w.T, "batch")
	rebuilt := damaged != "" // what is about to be damaged is rebuilt later
	for reached := false; !reached; {
		ctx, cancel := context.WithCancel(context.Background())
		c := &crashing{Store: w.db, script: &crashes, die: cancel}
		cfg := projector.Config{BatchSize: size, BatchWait: time.Millisecond, CheckEvery: 5 * time.Millisecond, RetryFirst: time.Millisecond}
		p := projector.New(cfg, w.n.Log, c, slog.New(slog.DiscardHandler))
		var wg sync.WaitGroup
		var failed error
		wg.Go(func() { failed = p.Run(ctx) })
		if !rebuilt {
			rebuilt = true
			_, err := rebuild.Run(context.Background(), logfile.Whole{Log: w.n.Log}, w.db, false, quiet)
			w.must(err)
		}
		for ctx.Err() == nil && !reached {
			cp, err := w.db.Checkpoint(context.Background())
			w.must(err)
			if reached = cp.Seq >= w.last; !reached {
				wait(ctx, time.Millisecond)
			}
		}
		cancel()
		wg.Wait()
		w.must(failed)
	}
	if damaged != "" {
		hurtAll(w.T, w.path, damaged)
	}
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

type crashing struct {
	projector.Store
	script *[]crash
	die    func()
}

func (c *crashing) Apply(ctx context.Context, b store.Batch) error {
	now := noCrash
	if s := *c.script; len(s) > 0 {
		now, *c.script = s[0], s[1:]
	}
	if now == crashBefore {
		c.die()
		return errors.New("crashed before the transaction")
	}
	if err := c.Store.Apply(ctx, b); err != nil || now == noCrash {
		return err
	}
	c.die()
	return errors.New("crashed after the transaction")
}

func hurtAll(t *rapid.T, path string, statement string) {
	db, err := openSQL(path)
	if err == nil {
		_, err = db.ExecContext(context.Background(), statement)
		err = errors.Join(err, db.Close())
	}
	// What the tables refuse, as two rows of one key, is no damage.
	if err != nil && !strings.Contains(err.Error(), "constraint") {
		t.Fatal(err)
	}
}

// mended rebuilds, crashing at some writes first.
func (w *anyWorld) mended() {
	for _, at := range rapid.SliceOfN(rapid.IntRange(1, 12), 0, 3).Draw(w.T, "rebuilds that crash") {
		db := &crashingRebuild{Store: w.db, left: at}
		if _, err := rebuild.Run(context.Background(), logfile.Whole{Log: w.n.Log}, db, false, quiet); err != nil && !errors.Is(err, errCrashed) {
			w.Fatal(err)
		}
	}
	_, err := rebuild.Run(context.Background(), logfile.Whole{Log: w.n.Log}, w.db, false, quiet)
	w.must(err)
}

var errCrashed = errors.New("crashed")

// crashingRebuild fails at one of its writes.
type crashingRebuild struct {
	*sqlite.Store
	left int
}

func (c *crashingRebuild) crash() error {
	if c.left--; c.left == 0 {
		return errCrashed
	}
	return nil
}

func (c *crashingRebuild) Stage(ctx context.Context) (store.Staging, error) {
	s, err := c.Store.Stage(ctx)
	return crashingStaging{s, c}, err
}

func (c *crashingRebuild) Repair(ctx context.Context, plan store.Plan) error {
	return errors.Join(c.Store.Repair(ctx, func(ctx context.Context, t store.Tables, put func(store.Repairs) error) error {
		err := plan(ctx, t, func(r store.Repairs) error { return errors.Join(c.crash(), put(r), c.crash()) })
		return errors.Join(err, c.crash())
	}), c.crash())
}

type crashingStaging struct {
	store.Staging
	c *crashingRebuild
}

func (s crashingStaging) Apply(ctx context.Context, b store.Batch) error {
	return errors.Join(s.c.crash(), s.Staging.Apply(ctx, b), s.c.crash())
}

// then compares what a database says of any moment with the model of then.
func (w *anyWorld) then(what string, db *sqlite.Store) {
	w.Helper()
	seq := rapid.Uint64Range(0, w.last).Draw(w.T, "as of")
	m := w.model.asOf(seq)
	var want, got []string
	days := map[string]store.DaySummary{}
	for day, r := range m.rows {
		want = append(want, fmt.Sprint(day, " ", r))
		mode, rest, _ := strings.Cut(day, "/")
		d := days[mode+rest[len(rest)-len(time.DateOnly):]]
		d.ScanDate = events.Date(rest[len(rest)-len(time.DateOnly):])
		d.Total++
		switch {
		case strings.HasSuffix(r.text, string(events.Successful)):
			d.Successful++
		default:
			d.Failed++
		}
		if r.evidence == events.EvidenceNone {
			d.NotObserved++
		}
		days[mode+string(d.ScanDate)] = d
	}
	for _, mode := range events.Modes() {
		q := store.Query{Mode: mode, AsOf: &seq}
		w.must(db.Rows(context.Background(), q, func(r store.Row) error {
			got = append(got, fmt.Sprint(mode, "/", strings.ToUpper(r.Outlet), "/", r.ScanDate, " ", modelRow{r.Evidence, r.Seq, fmt.Sprint(r.Outlet, r.Status)}))
			return nil
		}))
		sum, err := db.Summary(context.Background(), q)
		w.must(err)
		for _, d := range sum {
			want, got = append(want, text(days[string(mode)+string(d.ScanDate)])), append(got, text(d))
			delete(days, string(mode)+string(d.ScanDate))
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) || len(days) > 0 {
		w.Fatalf("%s has as of %d\n%s\n\nand the model says\n%s\n\nand has days beside: %v", what, seq, strings.Join(got, "\n"), strings.Join(want, "\n"), days)
	}
}

// agrees compares model, live tables and a rebuild.
func (w *anyWorld) agrees() {
	if got, want := seen(w.T, w.db), w.model.text(); got != want {
		w.Fatalf("the tables are\n%s\n\nand the model says\n%s", got, want)
	}
	w.then("the live database", w.db)
	c, err := rebuild.Check(context.Background(), logfile.Whole{Log: w.n.Log}, w.db, quiet)
	w.must(err)
	w.report = *c.Compared
	for _, x := range w.report.Tables {
		if x.Digest != x.LogDigest || x.Missing+x.Different+x.Unknown > 0 {
			w.Fatalf("a rebuild differs: %s", text(x))
		}
	}
	if bad := len(w.model.quarantined) > 0; bad != (len(c.Findings) > 0) {
		w.Fatalf("fsck found %s", text(c.Findings))
	}
}

// replayed compares with a replay until now.
func (w *anyWorld) replayed() {
	path := w.path + ".replay"
	db := w.open(path)
	_, err := rebuild.Replay(context.Background(), logfile.Whole{Log: w.n.Log}, db, w.last, nil, quiet)
	w.must(err)
	if got, want := seen(w.T, db), w.model.text(); got != want {
		w.Fatalf("a replay is\n%s\n\nand the model says\n%s", got, want)
	}
	w.then("a replay", db)
	a, err := rebuild.Run(context.Background(), logfile.Whole{Log: w.n.Log}, db, true, quiet)
	w.must(err)
	if text(a) != text(w.report) {
		w.Fatalf("a replay has %s\nand the tables %s", text(a), text(w.report))
	}
	w.must(errors.Join(db.Close(), sqlite.Remove(path)))
}

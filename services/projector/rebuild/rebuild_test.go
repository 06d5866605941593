package rebuild_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/logfile"
	"backupmonitor/services/internal/store"
	"backupmonitor/services/projector"
	"backupmonitor/services/projector/rebuild"
)

// table finds a table of a report.
func table(t testing.TB, r rebuild.Report, name string) rebuild.Table {
	t.Helper()
	for _, x := range r.Tables {
		if x.Name == name {
			return x
		}
	}
	t.Fatalf("no table %s in %s", name, text(r))
	return rebuild.Table{}
}

// TestDamageIsPutRight: whatever is wrong in the tables is told, and put right
// once; what the log does not know is told, and stays.
func TestDamageIsPutRight(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		sql                         []string
		table                       string
		missing, different, unknown bool // something is
		more                        bool // in other tables too
	}{
		"nothing":           {table: rebuild.TableDDrive},
		"a row is gone":     {sql: []string{"DELETE FROM D_Drive_Backup_Stat WHERE OutletServer = 'OUT003'"}, table: rebuild.TableDDrive, missing: true},
		"all rows are gone": {sql: []string{"DELETE FROM IB_Storage_Backup_Stat"}, table: rebuild.TableIBStorage, missing: true},
		"what stands beside is gone": {
			sql: []string{"DELETE FROM MonitorStat WHERE OutletKey = 'OUT004'"}, table: rebuild.TableDDrive, different: true, more: true,
		},
		"a failure was made a success": {
			sql: []string{"UPDATE D_Drive_Backup_Stat SET Status = 'Successful' WHERE Status = 'Failed'"}, table: rebuild.TableDDrive, different: true,
		},
		"a word that only reads the same": {
			sql: []string{"UPDATE D_Drive_Backup_Stat SET Status = 'Error' WHERE Status = 'Failed'"}, table: rebuild.TableDDrive, different: true,
		},
		"another outlet's stands beside": {
			sql:   []string{"UPDATE MonitorStat SET OutletServer = 'OUT005' WHERE OutletKey = 'OUT006' AND Mode = 'd_drive'"},
			table: rebuild.TableDDrive, different: true,
		},
		"another spelling": {
			sql: []string{
				"UPDATE D_Drive_Backup_Stat SET OutletServer = 'out007' WHERE OutletServer = 'OUT007'",
				"UPDATE MonitorStat SET OutletServer = 'out007' WHERE OutletServer = 'OUT007' AND Mode = 'd_drive'",
			},
			table: rebuild.TableDDrive, different: true,
		},
		"noted under a spelling that no row has": {
			sql: []string{"UPDATE MonitorStat SET OutletServer = 'out008' WHERE OutletKey = 'OUT008'"}, table: rebuild.TableDDrive, different: true, more: true,
		},
		"all evidence is lost": {sql: []string{"UPDATE MonitorStat SET Evidence = 0"}, table: rebuild.TableDDrive, different: true, more: true},
		"lines are gone":       {sql: []string{"DELETE FROM MonitorHistory WHERE Seq % 3 = 0"}, table: rebuild.TableHistory, missing: true},
		"all lines are gone":   {sql: []string{"DELETE FROM MonitorHistory"}, table: rebuild.TableHistory, missing: true},
		"a line has another's id": {
			sql: []string{"UPDATE MonitorHistory SET EventID = 'x' || EventID WHERE Seq % 5 = 0"}, table: rebuild.TableHistory, different: true,
		},
		"lines under other sequences": {
			sql: []string{"UPDATE MonitorHistory SET Seq = Seq + 100000 WHERE Seq % 5 = 0"}, table: rebuild.TableHistory, missing: true, unknown: true,
		},
		"an outlet is gone":    {sql: []string{"DELETE FROM Outlets WHERE OutletCode = 'OUT002'"}, table: rebuild.TableOutlets, missing: true},
		"an address is wrong":  {sql: []string{"UPDATE Outlets SET IPAddress = '203.0.113.1'"}, table: rebuild.TableOutlets, different: true},
		"an outlet came alive": {sql: []string{"UPDATE Outlets SET ActiveDepot = 'Y'"}, table: rebuild.TableOutlets, different: true},
		"the quarantine is gone": {
			sql: []string{"DELETE FROM MonitorQuarantine"}, table: rebuild.TableQuarantine, missing: true,
		},
		"what is in quarantine can be read": {
			sql: []string{"INSERT INTO MonitorQuarantine (Seq, Subject, Type, Stored, Reason) VALUES (5, '', '', '', '')"}, table: rebuild.TableQuarantine, different: true,
		},
		"the checkpoint ran ahead": {
			sql:   []string{"DELETE FROM MonitorHistory WHERE Seq > 120", "DELETE FROM D_Drive_Backup_Stat WHERE ScanDate > '2025-03-01'"},
			table: rebuild.TableHistory, missing: true, more: true,
		},
		"rows that nobody knows": {
			sql: []string{
				"INSERT INTO D_Drive_Backup_Stat (OutletServer, ScanDate, Status) VALUES ('OUT003', '2019-01-01', 'Error')",
				"INSERT INTO D_Drive_Backup_Stat (OutletServer, ScanDate, Status) VALUES ('out003', '2025-03-01', 'Error')",
			},
			table: rebuild.TableDDrive, unknown: true,
		},
		"everything is gone": {
			sql: []string{
				"DELETE FROM D_Drive_Backup_Stat", "DELETE FROM IB_Storage_Backup_Stat", "DELETE FROM MonitorStat", "DELETE FROM MonitorHistory",
				"DELETE FROM Outlets", "DELETE FROM MonitorOutlet", "DELETE FROM MonitorQuarantine",
			},
			table: rebuild.TableDDrive, missing: true, more: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "monitor.db")
			db, l := open(t, path), &memory{}
			l.add(t, story(160)...)
			l.poison()
			project(t, l, db, 60)
			right := agree(t, l, db)
			damage(t, path, x.sql...)
			dry := run(t, l, db, true)
			d := table(t, dry, x.table)
			if d.Missing > 0 != x.missing || d.Different > 0 != x.different || d.Unknown > 0 != x.unknown || dry.Repaired {
				t.Fatalf("found %s", text(d))
			}
			if clean := !x.missing && !x.different && !x.unknown; (len(d.First) == 0) != clean || (d.Digest == d.LogDigest) != clean {
				t.Fatalf("found %s", text(d))
			}
			for _, o := range dry.Tables {
				if !x.more && o.Name != x.table && o.Missing+o.Different+o.Unknown > 0 {
					t.Errorf("also found %s", text(o))
				}
			}
			r := run(t, l, db, false)
			if r.Repaired != (dry.Wrong() > 0) || text(r.Tables) != text(dry.Tables) {
				t.Errorf("after a dry run that found %s it put right: %s", text(dry), text(r))
			}
			after := run(t, l, db, false)
			if after.Wrong() > 0 || after.Repaired {
				t.Fatalf("wrong after it was put right: %s", text(after))
			}
			for i, o := range after.Tables {
				if o.LogDigest != right.Tables[i].Digest || o.Unknown > 0 && (o.Name != x.table || name != "rows that nobody knows") {
					t.Errorf("after it was put right: %s", text(o))
				}
			}
			stagingGone(t, path)
		})
	}
}

// TestReportNamesWhatDiffers down to the value.
func TestReportNamesWhatDiffers(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "monitor.db")
	db, l := open(t, path), &memory{}
	l.add(t, look(1), look(2))
	project(t, l, db, 10)
	damage(t, path, "UPDATE IB_Storage_Backup_Stat SET BackupFile = 'other.bak', Status = 'Failed'")
	got := table(t, run(t, l, db, true), rebuild.TableIBStorage).First
	want := []rebuild.Difference{{Kind: rebuild.KindDifferent, Row: "OUT000 on 2025-03-01", Columns: []rebuild.Column{
		{Name: "BackupFile", Table: `"other.bak"`, Log: `"full_1.bak"`}, {Name: "Status", Table: `"Failed"`, Log: `"Successful"`},
	}}}
	if text(got) != text(want) {
		t.Fatalf("got %s\nwant %s", text(got), text(want))
	}
}

// TestUnfitLogsAreRefused, and change nothing.
func TestUnfitLogsAreRefused(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		change func(l *memory)
		want   error
	}{
		"purged":    {func(l *memory) { l.records = l.records[10:] }, logfile.ErrIncomplete},
		"damaged":   {func(l *memory) { l.records = append(l.records[:10:10], l.records[11:]...) }, logfile.ErrIncomplete},
		"truncated": {func(l *memory) { l.records = l.records[:20] }, rebuild.ErrForeign},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "monitor.db")
			db, l := open(t, path), &memory{}
			l.add(t, story(60)...)
			project(t, l, db, 37)
			x.change(l)
			if _, err := rebuild.Run(t.Context(), l, db, false, quiet); !errors.Is(err, x.want) {
				t.Fatalf("error %v, want %v", err, x.want)
			}
			c, err := rebuild.Check(t.Context(), l, db, quiet)
			if err != nil || len(c.Findings) != 1 || c.Compared != nil || !strings.HasSuffix(c.Findings[0].What, ".") {
				t.Fatalf("fsck found %s, %v", text(c), err)
			}
			stagingGone(t, path)
		})
	}
	path := filepath.Join(t.TempDir(), "monitor.db")
	db, l := open(t, path), &memory{}
	l.add(t, story(60)...)
	if err := db.Apply(t.Context(), store.Batch{New: store.Checkpoint{Stream: "other", Seq: 3}}); err != nil {
		t.Fatal(err)
	}
	if _, err := rebuild.Run(t.Context(), l, db, false, quiet); !errors.Is(err, rebuild.ErrForeign) {
		t.Fatalf("error %v, want ErrForeign", err)
	}
	if c, err := rebuild.Check(t.Context(), l, db, quiet); err != nil || len(c.Findings) != 1 || !strings.Contains(c.Findings[0].What, "other") {
		t.Fatalf("fsck found %s, %v", text(c), err)
	}
}

// TestRestored: tables of a log are those of one that was restored from it, as
// far as that one goes; from there a projector goes on.
func TestRestored(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "monitor.db")
	db, l := open(t, path), &memory{}
	l.add(t, story(60)...)
	project(t, l, db, 37)
	old, _ := l.Identity(t.Context())
	damage(t, path, "DELETE FROM D_Drive_Backup_Stat WHERE OutletServer = 'OUT003'")
	for name, x := range map[string]struct {
		restored events.LogRestored
		foreign  string
	}{
		"whole":      {events.LogRestored{Incarnations: []events.Incarnation{{Log: old.ID(), Last: 60}}}, ""},
		"twice":      {events.LogRestored{Incarnations: []events.Incarnation{{Log: old.ID(), Last: 60}, {Log: "later", Last: 61}}}, ""},
		"too early":  {events.LogRestored{Backup: "backup-1", Incarnations: []events.Incarnation{{Log: old.ID(), Last: 59}}}, "backup-1"},
		"of another": {events.LogRestored{Incarnations: []events.Incarnation{{Log: "other", Last: 60}}}, old.ID()},
	} {
		next := &memory{records: l.records, made: time.Hour, restored: x.restored}
		r, err := rebuild.Run(t.Context(), next, db, true, quiet)
		c, cerr := rebuild.Check(t.Context(), next, db, quiet)
		if cerr != nil {
			t.Fatal(cerr)
		}
		if x.foreign == "" {
			if err != nil || r.Wrong() != 1 || len(c.Findings) != 1 || c.Compared == nil {
				t.Errorf("%s: %s, %v; fsck %s", name, text(r), err, text(c.Findings))
			}
			continue
		}
		if !errors.Is(err, rebuild.ErrForeign) || !strings.Contains(err.Error(), x.foreign) || len(c.Findings) != 1 || !strings.Contains(c.Findings[0].What, x.foreign) || c.Findings[0].Do == "" {
			t.Errorf("%s: error %v, fsck found %s", name, err, text(c.Findings))
		}
	}
	next := &memory{records: l.records, made: time.Hour, restored: events.LogRestored{Incarnations: []events.Incarnation{{Log: old.ID(), Last: 60}}}}
	next.add(t, look(500))
	if r := run(t, next, db, false); !r.Repaired {
		t.Fatalf("nothing was repaired: %s", text(r))
	}
	if at, err := db.Checkpoint(t.Context()); err != nil || at != (store.Checkpoint{Stream: old.ID(), Seq: 60}) {
		t.Errorf("the checkpoint is %+v, %v", at, err)
	}
	agree(t, next, db)
	id, _ := next.Identity(t.Context())
	b := store.Batch{Old: store.Checkpoint{Stream: old.ID(), Seq: 60}, New: store.Checkpoint{Stream: id.ID(), Seq: 61}, Succeeds: true}
	put(&b, projector.Project(next.records[60]))
	if err := db.Apply(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	agree(t, next, db)
}

// TestBeforeTheFirstBatch there is nothing to compare, and that is no error.
func TestBeforeTheFirstBatch(t *testing.T) {
	t.Parallel()
	db, l := open(t, filepath.Join(t.TempDir(), "monitor.db")), &memory{}
	if r := run(t, l, db, false); r.Wrong()+r.Unknown() > 0 || r.Checkpoint != 0 {
		t.Errorf("an empty log: %s", text(r))
	}
	l.add(t, story(60)...)
	if r := run(t, l, db, false); r.Wrong()+r.Unknown() > 0 || r.Checkpoint != 0 {
		t.Errorf("a log that nothing is projected of: %s", text(r))
	}
}

// TestCheck tells of what it finds and of nothing else.
func TestCheck(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "monitor.db")
	db, l := open(t, path), &memory{}
	l.add(t, story(100)...)
	project(t, l, db, 37)
	check := func(want ...string) {
		t.Helper()
		c, err := rebuild.Check(t.Context(), l, db, quiet)
		if err != nil || len(c.Findings) != len(want) {
			t.Fatalf("found %s, %v; want %q", text(c.Findings), err, want)
		}
		for i, w := range want {
			if f := c.Findings[i]; !strings.Contains(f.What, w) || f.Do == "" {
				t.Errorf("found %+v, want %q", f, w)
			}
		}
	}
	check()
	l.add(t, look(500)) // not projected yet, which is no fault
	check()
	damage(t, path, "DELETE FROM D_Drive_Backup_Stat WHERE OutletServer = 'OUT003'", "UPDATE Outlets SET IPAddress = 'x' WHERE OutletCode = 'OUT001'",
		"INSERT INTO IB_Storage_Backup_Stat (OutletServer, ScanDate) VALUES ('A', '2019-01-01')")
	check("D_Drive_Backup_Stat lacks 3 rows that the log says (as OUT003 on 2025-02-01)", "IB_Storage_Backup_Stat has 1 rows that the log does not know", "Outlets has 1 rows that are not")
	damage(t, path, "DELETE FROM IB_Storage_Backup_Stat WHERE OutletServer = 'A'")
	run(t, l, db, false)
	check()
	l.poison()
	project(t, l, db, 37)
	check("1 events in the log cannot be read")
}

// TestCancelledAnywhere: the rebuild is stopped at each of its steps.
func TestCancelledAnywhere(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "monitor.db")
	db, l := open(t, path), &memory{}
	l.add(t, story(60)...)
	project(t, l, db, 37)
	right := agree(t, l, db)
	hurt := []string{"DELETE FROM D_Drive_Backup_Stat", "DELETE FROM MonitorHistory"}
	damage(t, path, hurt...)
	wrong := run(t, l, db, true)
	steps := 0
	for at := 1; ; at++ {
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		r, err := rebuild.Run(ctx, l, db, false, func(string, uint64, uint64) {
			if n++; n == at {
				cancel()
			}
		})
		cancel()
		stagingGone(t, path)
		if n < at {
			break // it was through before
		}
		steps++
		now := run(t, l, db, true)
		switch {
		case err == nil && r.Repaired && now.Tables[0].Digest == right.Tables[0].Digest:
			damage(t, path, hurt...)
		case err == nil || text(now) != text(wrong):
			t.Fatalf("stopped at step %d: %v; then %s", at, err, text(now))
		}
	}
	if steps < 5 {
		t.Errorf("%d steps", steps)
	}
	agree(t, l, db)
}

// TestRetry: what can be read by now is folded under its own sequence.
func TestRetry(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "monitor.db")
	db, l := open(t, path), &memory{}
	l.add(t, story(60)...)
	l.poison()
	l.add(t, look(900))
	// As an older version would have it, which could not read these: a look
	// that is the day's row, one that is not, an outlet, and one of no row.
	id, _ := l.Identity(t.Context())
	b := store.Batch{New: store.Checkpoint{Stream: id.ID(), Seq: id.LastSeq}}
	unread := []uint64{3, 21, 25, 26, 62}
	for _, r := range l.records {
		p := projectUnless(r, unread)
		put(&b, p)
	}
	if err := db.Apply(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if r := run(t, l, db, true); table(t, r, rebuild.TableQuarantine).Different != uint64(len(unread)) {
		t.Fatalf("a dry run found %s", text(r))
	}
	done, err := rebuild.Retry(t.Context(), db, []uint64{25, 61}, quiet)
	if err != nil || len(done) != 2 || !done[0].Released || done[1].Released || !strings.Contains(done[1].Reason, "malformed") {
		t.Fatalf("%s, %v", text(done), err)
	}
	if _, err := rebuild.Retry(t.Context(), db, []uint64{25}, quiet); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("error %v, want ErrNotFound", err)
	}
	var there []store.Quarantined
	err = rebuild.Quarantined(t.Context(), db, []uint64{0, 25, 60, 61, 999}, func(q store.Quarantined) { there = append(there, q) })
	if err != nil || len(there) != 1 || there[0].Seq != 61 || string(there[0].Data) != "{" {
		t.Fatalf("%s, %v; want event 61 alone", text(there), err)
	}
	done, err = rebuild.Retry(t.Context(), refusing{db, 3}, []uint64{3, 21}, quiet)
	if err != nil || len(done) != 2 || done[0].Released || done[0].Reason != "a column does not take a value: it does not fit" || !done[1].Released {
		t.Fatalf("%s, %v; want that one does not fit and the other is released", text(done), err)
	}
	if done, err = rebuild.Retry(t.Context(), db, nil, quiet); err != nil || len(done) != len(unread)-1 {
		t.Fatalf("%s, %v", text(done), err)
	}
	if q, err := db.Quarantine(t.Context(), math.MaxUint64, 0); err != nil || len(q) != 1 || q[0].Seq != 61 {
		t.Fatalf("in quarantine %s, %v", text(q), err)
	}
	agree(t, l, db)
	if cp, err := db.Checkpoint(t.Context()); err != nil || cp != b.New {
		t.Fatalf("the checkpoint moved to %+v, %v", cp, err)
	}
}

// refusing is a database with a column that does not take one event.
type refusing struct {
	rebuild.Quarantine
	seq uint64
}

func (r refusing) Apply(ctx context.Context, b store.Batch) error {
	if slices.Contains(b.Released, r.seq) {
		return &store.Trouble{Reason: "it does not fit", Unstorable: true, Err: errors.New("8152")}
	}
	return r.Quarantine.Apply(ctx, b)
}

// projectUnless is a projection by a version that cannot read some events.
func projectUnless(r events.Record, unread []uint64) projector.Projection {
	if !slices.Contains(unread, r.Seq) {
		return projector.Project(r)
	}
	h := maps.Clone(r.Header)
	h["ce-type"] = []string{"unheard.of.v9"}
	good := r.Header
	r.Header = h
	p := projector.Project(r)
	p.Quarantined.Header, _ = json.Marshal(good)
	return p
}

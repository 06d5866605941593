package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// Raw makes an empty database for one test: open as Fresh has it, and exec,
// which runs statements as another program would, each for itself.
type Raw func(t *testing.T) (open func() store.Backend, exec func(statements ...string))

// The original system's tables, in words that every back end's server takes.
const (
	statColumns = `(OutletServer NVARCHAR(50) NOT NULL, ScanDate DATE NOT NULL, Status NVARCHAR(50), LastBackupTaken DATETIME,
		BackupFile NVARCHAR(255), BackupFileSize NVARCHAR(50), Duration NVARCHAR(50), ErrorDetails NVARCHAR(500), `
	madeDDrive    = `CREATE TABLE D_Drive_Backup_Stat ` + statColumns + `Remark NVARCHAR(20) DEFAULT 'kept', PRIMARY KEY (OutletServer, ScanDate))`
	madeIBStorage = `CREATE TABLE IB_Storage_Backup_Stat ` + statColumns + `DriveLetter NVARCHAR(10), PRIMARY KEY (OutletServer, ScanDate))`
	madeOutlets   = `CREATE TABLE Outlets (OutletCode NVARCHAR(50) NOT NULL PRIMARY KEY, IPAddress NVARCHAR(20), OutletName NVARCHAR(30),
		ActiveDepot CHAR(1), Region NVARCHAR(20))`
	madeUsers = `CREATE TABLE UserManager (UserID NVARCHAR(20) NOT NULL PRIMARY KEY, UserName NVARCHAR(100), Designation NVARCHAR(100),
		UserType CHAR(1), Password NVARCHAR(255), Status CHAR(1), Avatar NVARCHAR(255), LoginFalseAttempt INT, LoginActiveTime DATETIME)`

	intoDDrive    = `INSERT INTO D_Drive_Backup_Stat (OutletServer, ScanDate, Status, LastBackupTaken, BackupFile, BackupFileSize, Duration, ErrorDetails) VALUES `
	intoIBStorage = `INSERT INTO IB_Storage_Backup_Stat (OutletServer, ScanDate, Status, LastBackupTaken, BackupFile, BackupFileSize, Duration, ErrorDetails, DriveLetter) VALUES `
)

// ExerciseBeginnings begins with what a database may hold before this program
// comes: nothing is Exercise's.
func ExerciseBeginnings(t *testing.T, raw Raw) {
	t.Helper()
	t.Run("only the two stat tables", func(t *testing.T) { t.Parallel(); exerciseStatTables(t, raw) })
	t.Run("all tables with old rows", func(t *testing.T) { t.Parallel(); exerciseOldRows(t, raw) })
	t.Run("rows of another program, later", func(t *testing.T) { t.Parallel(); exerciseLaterRows(t, raw) })
	t.Run("what was known of days that have rows of another program", func(t *testing.T) { t.Parallel(); exerciseKnownBeside(t, raw) })
	t.Run("narrow columns", func(t *testing.T) { t.Parallel(); exerciseNarrow(t, raw) })
	t.Run("nothing is read of tables that are not there", func(t *testing.T) {
		t.Parallel()
		open, _ := raw(t)
		b := open()
		outlets, err := b.EarlierOutlets(t.Context())
		if err != nil || len(outlets) != 0 {
			t.Errorf("outlets %v, %v", outlets, err)
		}
		for _, m := range events.Modes() {
			days, err := b.EarlierDays(t.Context(), m)
			rows, rerr := b.EarlierRows(t.Context(), m, "2000-01-01", "2100-01-01")
			if err != nil || rerr != nil || len(days) != 0 || len(rows) != 0 {
				t.Errorf("days %v, %v, rows %v, %v", days, err, rows, rerr)
			}
		}
	})
}

func exerciseStatTables(t *testing.T, raw Raw) {
	open, exec := raw(t)
	exec(madeDDrive, madeIBStorage, intoDDrive+`('OUT001', '2025-03-01', 'Successful', '2025-02-28T23:10:00', 'a.bak', '2.45 GB', '1.20 s', 'N/A')`)
	w := &writer{Backend: open()}
	if err := w.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := w.one(t, store.Query{Mode: events.DDrive}); r.BackupFile != "a.bak" || r.ErrorDetails != "" || r.Evidence != events.EvidenceImported {
		t.Errorf("row %s", text(r))
	}
	w.apply(t, good(1, events.DDrive, "OUT001", day1), good(2, events.IBStorage, "OUT001", day1))
	w.batch(t, store.Batch{Outlets: []store.Outlet{{Code: "OUT001", Address: "192.0.2.1", Active: true, Source: events.SourceUser, Seq: 3}}})
	if err := w.AddUser(t.Context(), user("Jo")); err != nil {
		t.Error(err)
	}
	same(t, "row", w.one(t, store.Query{Mode: events.DDrive}).Look, good(1, events.DDrive, "OUT001", day1))
}

// oldDatabase is what the original system leaves: its words, a row of a file
// after its day, a day in the future, a user.
func oldDatabase(exec func(...string)) {
	exec(madeDDrive, madeIBStorage, madeOutlets, madeUsers,
		intoDDrive+`('Café', '2025-03-01', 'Successful', '2025-02-28T23:10:00', 'a.bak', '2.45 GB', '1.20 s', 'N/A')`,
		intoDDrive+`('OUT002', '2025-03-01', 'Error', NULL, 'N/A', 'N/A', 'N/A', 'timed out')`,
		intoDDrive+`('OUT003', '2025-03-01', 'Successful', '2025-03-02T00:30:00', 'late.bak', '1.00 GB', '2.00 s', NULL)`,
		intoDDrive+`('OUT003', '2099-12-31', 'Failed', NULL, NULL, NULL, NULL, 'from a clock that was wrong')`,
		intoIBStorage+`('OUT002', '2025-03-01', 'Successful', '2025-02-28T23:10:00', 'b.bak', '2.45 GB', '1.20 s', NULL, 'F')`,
		`INSERT INTO Outlets VALUES ('Café', '192.0.2.1', 'North', 'y', 'R1')`,
		`INSERT INTO Outlets VALUES ('OUT002', '192.0.2.2', NULL, 'N', 'R2')`,
		`INSERT INTO UserManager (UserID, UserName, UserType, Password, Status) VALUES ('Jo', 'Jo', 'S', 'hash', 'Y')`)
}

func exerciseOldRows(t *testing.T, raw Raw) {
	open, exec := raw(t)
	oldDatabase(exec)
	exerciseEarlier(t, open()) // before anything of ours is there
	w := &writer{Backend: open()}
	for range 2 {
		if err := w.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	exerciseEarlier(t, w.Backend)
	rows := w.rows(t, store.Query{Mode: events.DDrive})
	same(t, "codes", codes(rows), []string{"OUT003", "Café", "OUT002", "OUT003"})
	taken := time.Date(2025, 2, 28, 23, 10, 0, 0, time.UTC)
	cafe, out2 := rows[1], rows[2]
	if cafe.Status != events.Successful || !cafe.Conclusive || cafe.ErrorDetails != "" || cafe.LastBackupTaken == nil ||
		!cafe.LastBackupTaken.Equal(taken) || cafe.Server != "192.0.2.1" || cafe.OutletName != "North" || cafe.Evidence != events.EvidenceImported {
		t.Errorf("successful row read as %s", text(cafe))
	}
	if out2.Status != events.Failed || out2.Conclusive || out2.Cause != "" || out2.LastBackupTaken != nil || out2.BackupFile != "" ||
		out2.ErrorDetails != "timed out" || out2.Server != "192.0.2.2" || out2.EventID != "" {
		t.Errorf("failed row read as %s", text(out2))
	}
	same(t, "summary", w.summary(t, store.Query{Mode: events.DDrive}), counted(rows))
	same(t, "failed", codes(w.rows(t, store.Query{Mode: events.DDrive, Status: events.Failed})), []string{"OUT003", "OUT002"})
	if u, err := w.User(t.Context(), "jo"); err != nil || u.ID != "Jo" || u.Type != "S" || !u.Active {
		t.Errorf("user %+v, %v", u, err)
	}
	exerciseTakingOver(t, w)
}

// exerciseEarlier reads the old tables as they stand.
func exerciseEarlier(t *testing.T, b store.Backend) {
	t.Helper()
	outlets, err := b.EarlierOutlets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	same(t, "outlets", outlets, []store.EarlierOutlet{{Code: "Café", Address: "192.0.2.1", Name: "North", Active: true}, {Code: "OUT002", Address: "192.0.2.2"}})
	days, err := b.EarlierDays(t.Context(), events.DDrive)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "days", days, []store.EarlierDay{{ScanDate: day1, Rows: 3}, {ScanDate: "2099-12-31", Rows: 1}})
	rows, err := b.EarlierRows(t.Context(), events.DDrive, day1, day2)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2025, 2, 28, 23, 10, 0, 0, time.UTC)
	late := time.Date(2025, 3, 2, 0, 30, 0, 0, time.UTC)
	same(t, "rows", rows, []store.EarlierRow{
		{Outlet: "Café", ScanDate: day1, Status: "Successful", LastBackupTaken: &at, BackupFile: "a.bak", BackupFileSize: "2.45 GB", Duration: "1.20 s", ErrorDetails: "N/A"},
		{Outlet: "OUT002", ScanDate: day1, Status: "Error", BackupFile: "N/A", BackupFileSize: "N/A", Duration: "N/A", ErrorDetails: "timed out"},
		{Outlet: "OUT003", ScanDate: day1, Status: "Successful", LastBackupTaken: &late, BackupFile: "late.bak", BackupFileSize: "1.00 GB", Duration: "2.00 s"},
	})
	drives, err := b.EarlierRows(t.Context(), events.IBStorage, day1, day1)
	if err != nil || len(drives) != 1 || drives[0].DriveLetter != "F" {
		t.Errorf("ib_storage %+v, %v", drives, err)
	}
}

// exerciseTakingOver: a look that saw nothing leaves the old row, one of the day
// replaces it, whatever its spelling; columns that are not ours stay.
func exerciseTakingOver(t *testing.T, w *writer) {
	t.Helper()
	before := w.rows(t, store.Query{Mode: events.DDrive, To: day1})
	spellings := []string{"CAFÉ", "out002", "OUT003"}
	for i, outlet := range spellings {
		w.apply(t, failed(uint64(i+1), events.DDrive, outlet, day1, events.CauseTimeout, events.EvidenceNone))
	}
	w.batch(t, store.Batch{Outlets: []store.Outlet{{Code: "Out002", Address: "192.0.2.22", Active: true, Source: events.SourceUser, Seq: 9}}})
	for i, r := range w.rows(t, store.Query{Mode: events.DDrive, To: day1}) {
		if r.EventID != "" || r.Outlet != before[i].Outlet {
			t.Errorf("a look that saw nothing replaced the earlier row: %s", text(r))
		}
	}
	for i, outlet := range spellings {
		w.apply(t, failed(uint64(i+11), events.DDrive, outlet, day1, events.CauseStale, events.EvidenceFull))
	}
	rows := w.rows(t, store.Query{Mode: events.DDrive, To: day1})
	same(t, "after looks of the day", codes(rows), spellings)
	// Rows that the log stands behind are none from before it.
	days, err := w.EarlierDays(t.Context(), events.DDrive)
	earlier, eerr := w.EarlierRows(t.Context(), events.DDrive, day1, "2100-01-01")
	if err != nil || eerr != nil || len(days) != 1 || len(earlier) != 1 || earlier[0].ScanDate != "2099-12-31" {
		t.Errorf("from before the log: days %v, %v, rows %s, %v", days, err, text(earlier), eerr)
	}
	if rows[0].Cause != events.CauseStale || rows[1].Server == "" {
		t.Errorf("after looks of the day: %s", text(rows))
	}
	outlets, err := w.ActiveOutlets(t.Context())
	if err != nil || len(outlets) != 2 || outlets[1].Code != "Out002" || outlets[1].Address != "192.0.2.22" {
		t.Errorf("outlets %s, %v", text(outlets), err)
	}
}

// exerciseLaterRows: what another program writes when ours is there already is
// seen too.
func exerciseLaterRows(t *testing.T, raw Raw) {
	open, exec := raw(t)
	oldDatabase(exec)
	w := &writer{Backend: open()}
	if err := w.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	exec(intoDDrive + `('OUT003', '2100-01-01', 'Error', NULL, NULL, NULL, NULL, NULL)`)
	w.apply(t, good(1, events.DDrive, "OUT001", "2100-01-02"))
	exec(intoDDrive+`('out005', '2100-01-02', 'Successful', NULL, 'x.bak', NULL, NULL, NULL)`, intoDDrive+`('OUT006', '2100-01-03', 'Error', NULL, NULL, NULL, NULL, NULL)`)
	rows := w.rows(t, store.Query{Mode: events.DDrive, From: "2100-01-01"})
	same(t, "codes", codes(rows), []string{"OUT006", "OUT001", "out005", "OUT003"})
	same(t, "summary", w.summary(t, store.Query{Mode: events.DDrive, From: "2100-01-02"}), []store.DaySummary{
		{ScanDate: "2100-01-03", Total: 1, Failed: 1}, {ScanDate: "2100-01-02", Total: 2, Successful: 2},
	})
	for last, want := range map[events.Date]events.Date{"2100-01-03": "2100-01-03", "2100-01-02": "2100-01-02"} {
		if d, err := w.LatestScanDate(t.Context(), events.DDrive, last); err != nil || d != want {
			t.Errorf("latest until %s: %q, %v", last, d, err)
		}
	}
	// A look for a day that never comes hides none of them.
	w.apply(t, good(2, events.DDrive, "OUT001", "9999-12-31"))
	same(t, "summary until the last", w.summary(t, store.Query{Mode: events.DDrive, From: "2100-01-02", To: "2100-01-04"}), []store.DaySummary{
		{ScanDate: "2100-01-03", Total: 1, Failed: 1}, {ScanDate: "2100-01-02", Total: 2, Successful: 2},
	})
	// A look takes such a row over, as one from before the log.
	w.apply(t, failed(3, events.DDrive, "OUT006", "2100-01-03", events.CauseTimeout, events.EvidenceNone), good(4, events.DDrive, "out005", "2100-01-02"))
	got := w.rows(t, store.Query{Mode: events.DDrive, From: "2100-01-02", To: "2100-01-04"})
	if !slices.Equal(codes(got), []string{"OUT006", "OUT001", "out005"}) || got[0].EventID != "" || got[2].Seq != 4 {
		t.Errorf("rows %s", text(got))
	}
}

// exerciseKnownBeside: looks that leave another program's rows as they are were
// known all the same, on days that have no other row too.
func exerciseKnownBeside(t *testing.T, raw Raw) {
	open, exec := raw(t)
	w := &writer{Backend: open()}
	if err := w.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	const m = events.DDrive
	exec(intoDDrive+`('OUT001', '`+string(day1)+`', 'Successful', NULL, 'x.bak', NULL, NULL, NULL)`,
		intoDDrive+`('OUT002', '`+string(day2)+`', 'Error', NULL, NULL, NULL, NULL, NULL)`)
	w.apply(t, failed(1, m, "OUT001", day1, events.CauseTimeout, events.EvidenceNone), failed(2, m, "OUT003", day1, events.CauseTimeout, events.EvidenceNone))
	w.apply(t, failed(3, m, "OUT002", day2, events.CauseNoBackup, events.EvidenceBackNone))
	for seq := uint64(4); seq < 7; seq++ { // and the days before are counted
		w.apply(t, good(seq, m, "OUT001", day3))
		live := w.rows(t, store.Query{Mode: m})
		same(t, "rows", codes(live), []string{"OUT001", "OUT002", "OUT001", "OUT003"})
		if live[1].EventID != "" || live[2].EventID != "" || live[3].Seq != 2 {
			t.Errorf("looks that saw nothing replaced rows: %s", text(live))
		}
		same(t, "summary", w.summary(t, store.Query{Mode: m}), counted(live))
		for asOf, want := range map[uint64][]string{
			1: {"1 OUT001"}, 2: {"1 OUT001", "2 OUT003"}, 3: {"3 OUT002", "1 OUT001", "2 OUT003"}, seq: {fmt.Sprint(seq, " OUT001"), "3 OUT002", "1 OUT001", "2 OUT003"},
		} {
			then := w.rows(t, store.Query{Mode: m, AsOf: &asOf})
			var got []string
			for _, r := range then {
				got = append(got, fmt.Sprint(r.Seq, " ", r.Outlet))
			}
			same(t, fmt.Sprint("rows as of ", asOf), got, want)
			same(t, fmt.Sprint("summary as of ", asOf), w.summary(t, store.Query{Mode: m, AsOf: &asOf}), counted(then))
			if d, err := w.LatestScanDateAsOf(t.Context(), m, asOf, day3); err != nil || d != then[0].ScanDate {
				t.Errorf("the latest day as of %d is %q, %v; want %s", asOf, d, err, then[0].ScanDate)
			}
		}
	}
}

// exerciseNarrow: texts that are longer than the columns of an old table do not
// keep the batch from being applied.
func exerciseNarrow(t *testing.T, raw Raw) {
	open, exec := raw(t)
	oldDatabase(exec)
	w := &writer{Backend: open()}
	if err := w.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.batch(t, store.Batch{Outlets: []store.Outlet{
		{Code: "OUT009", Address: "a-long-host-name.branch.example:1445", Name: "a name of more than thirty characters", Active: true, Source: events.SourceUser, Seq: 1},
	}})
	outlets, err := w.ActiveOutlets(t.Context())
	if err != nil || len(outlets) != 2 || outlets[1].Code != "OUT009" {
		t.Errorf("outlets %s, %v", text(outlets), err)
	}
}

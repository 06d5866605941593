package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"backupmonitor/events"
	"backupmonitor/services/internal/fleet"
	"backupmonitor/services/internal/sambatest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// truth is what a row must say.
type truth struct {
	cause, file, drive string
	size               int64
	modified           time.Time
}

// disk lays out one outlet's folders and says what looks must find, on the
// day itself and back-dated to the day before.
type disk struct {
	name           string
	dDrive, usb    truth
	dBack, usbBack truth
	layD, layUSB   func(write writer)
	emptyFolder    string // a share with a backup folder that holds nothing
}

// writer makes a file on a drive, hours before now.
type writer func(drive, name string, size int64, hoursAgo float64)

// outletsOnDisk are ways a real outlet can be. Its hours ago are meant for a
// zone in which now is midday (see zoneWhereNowIsMidday).
func outletsOnDisk(now time.Time) []disk {
	at := func(hours float64) time.Time {
		return now.Add(-time.Duration(hours * float64(time.Hour))).Truncate(time.Second)
	}
	ok := func(name, drive string, size int64, hours float64) truth {
		return truth{cause: "ok", file: name, drive: drive, size: size, modified: at(hours)}
	}
	bad := func(cause string) truth { return truth{cause: cause} }
	return []disk{
		{
			name: "good on both", dDrive: ok("new.bak", "D", 5000, 2), usb: ok("copy.BAK", "F", 6000, 3),
			dBack: ok("old.bak", "D", 4000, 26), usbBack: ok("copy-old.bak", "F", 4000, 27),
			layD: func(w writer) {
				w("d$", "BackupFull/new.bak", 5000, 2)
				w("d$", "BackupFull/old.bak", 4000, 26)
				w("d$", "BackupFull/notes.txt", 9000, 1)
			},
			layUSB: func(w writer) {
				w("f$", "BackupFull/copy.BAK", 6000, 3)
				w("f$", "BackupFull/copy-old.bak", 4000, 27)
				w("e$", "BackupFull/older.bak", 7000, 80)
			},
		},
		{
			name: "stale, and no USB drive", dDrive: truth{cause: "stale", file: "week.bak", drive: "D", size: 5000, modified: at(170)}, usb: bad("drive_missing"),
			dBack: truth{cause: "stale", file: "week.bak", drive: "D", size: 5000, modified: at(170)}, usbBack: bad("drive_missing"),
			layD: func(w writer) { w("d$", "BackupFull/week.bak", 5000, 170) },
		},
		{
			name: "too small, and an empty folder", dDrive: truth{cause: "too_small", file: "tiny.bak", drive: "D", size: 100, modified: at(1)}, usb: bad("no_backup"),
			dBack: bad("no_backup"), usbBack: bad("no_backup"),
			layD:        func(w writer) { w("d$", "BackupFull/tiny.bak", 100, 1) },
			emptyFolder: "g$",
		},
		{
			name: "no folder", dDrive: bad("folder_missing"), usb: bad("folder_missing"), dBack: bad("folder_missing"), usbBack: bad("folder_missing"),
			layD:   func(w writer) { w("d$", "Other/new.bak", 5000, 1) },
			layUSB: func(w writer) { w("i$", "Other/new.bak", 5000, 1) },
		},
		{
			name: "no drive D, several files abroad", dDrive: bad("share_missing"), usb: ok("naïve 名前 & co.bak", "H", 8000, 4),
			dBack: bad("share_missing"), usbBack: bad("no_backup"),
			layUSB: func(w writer) { w("h$", "BackupFull/naïve 名前 & co.bak", 8000, 4) },
		},
		{
			name: "a file dated ahead beside a good one", dDrive: ok("good.bak", "D", 5000, 5), usb: bad("no_backup"),
			dBack: bad("no_backup"), usbBack: bad("no_backup"),
			layD: func(w writer) {
				w("d$", "BackupFull/good.bak", 5000, 5)
				w("d$", "BackupFull/ahead.bak", 5000, -400)
			},
			layUSB: func(w writer) { w("e$", "BackupFull/ahead.bak", 5000, -400) },
		},
	}
}

// TestRowsEqualTheTruthOnSamba: a fleet of dozens on a real Samba, scanned by
// the whole program; every row in both modes equals what is on disk, scanned
// twice nothing doubles, and a look back at yesterday finds yesterday's files.
func TestRowsEqualTheTruthOnSamba(t *testing.T) {
	t.Parallel()
	now := time.Now().UTC()
	kinds := outletsOnDisk(now)
	const copies = 6
	var addresses, lines []string
	for i := range copies * len(kinds) {
		addresses = append(addresses, fmt.Sprintf("127.0.%d.%d", 40+i/200, 1+i%200))
	}
	samba := sambatest.Start(t, sambatest.Config{Addresses: addresses})
	for i := range addresses {
		lay(t, samba, i, kinds[i%len(kinds)], now)
		lines = append(lines, fmt.Sprintf("S%03d,%s,%q", i, samba.Addr(i), kinds[i%len(kinds)].name))
	}
	in, stop := startUp(t, newSettings(t, settings{
		"OUTLETS_FILE": outletsFile(t, lines...), "USER": samba.User, "PASS": samba.Password,
		"TZ": zoneWhereNowIsMidday(now), "PROBE_TIMEOUT": "20s", "PROBE_CONCURRENCY": "16",
	}))
	today := scanDay(t, in)
	for round := range 2 {
		end := in.follow(in.startScan(map[string]any{"modes": []string{"d_drive", "ib_storage"}}), 0)
		if total, _ := end["total"].(float64); int(total) != 2*len(addresses) {
			t.Fatalf("round %d: %v", round, end)
		}
		checkRows(t, in.rows("backup", ""), kinds, func(k disk) truth { return k.dDrive }, today, len(addresses))
		checkRows(t, in.rows("ibstorage", ""), kinds, func(k disk) truth { return k.usb }, today, len(addresses))
	}
	yesterday := today.AddDate(0, 0, -1)
	in.follow(in.startScan(map[string]any{"scanDate": yesterday.Format(time.DateOnly)}), 0)
	query := "?date_from=" + yesterday.Format(time.DateOnly) + "&date_to=" + yesterday.Format(time.DateOnly)
	checkRows(t, in.rows("backup", query), kinds, func(k disk) truth { return k.dBack }, yesterday, len(addresses))
	checkRows(t, in.rows("ibstorage", query), kinds, func(k disk) truth { return k.usbBack }, yesterday, len(addresses))
	checkRows(t, in.rows("backup", ""), kinds, func(k disk) truth { return k.dDrive }, today, len(addresses))
	if code := stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// zoneWhereNowIsMidday is a fixed offset from UTC; POSIX signs go west.
func zoneWhereNowIsMidday(now time.Time) string {
	switch offset := 12 - now.Hour(); {
	case offset > 0:
		return fmt.Sprintf("Etc/GMT-%d", offset)
	case offset < 0:
		return fmt.Sprintf("Etc/GMT+%d", -offset)
	}
	return "Etc/GMT"
}

// scanDay is the program's own word for today.
func scanDay(t *testing.T, in *instanceUnderTest) time.Time {
	t.Helper()
	id := in.startScan(map[string]any{"modes": []string{"d_drive"}})
	in.follow(id, 0)
	day, err := time.Parse(time.DateOnly, in.rows("backup", "")[0].ScanDate)
	if err != nil {
		t.Fatal(err)
	}
	return day
}

func lay(t *testing.T, s *sambatest.Server, i int, k disk, now time.Time) {
	t.Helper()
	w := func(drive, name string, size int64, hoursAgo float64) {
		path := filepath.Join(s.Dir(t, i, drive), filepath.FromSlash(name))
		sambatest.Write(t, path, size, now.Add(-time.Duration(hoursAgo*float64(time.Hour))).Truncate(time.Second))
	}
	if k.layD != nil {
		k.layD(w)
	}
	if k.layUSB != nil {
		k.layUSB(w)
	}
	if k.emptyFolder != "" {
		if err := os.MkdirAll(filepath.Join(s.Dir(t, i, k.emptyFolder), "BackupFull"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func checkRows(t *testing.T, rows []record, kinds []disk, want func(disk) truth, day time.Time, n int) {
	t.Helper()
	if len(rows) != n {
		t.Fatalf("%d rows, want %d", len(rows), n)
	}
	seen := map[string]bool{}
	for _, r := range rows {
		var i int
		if _, err := fmt.Sscanf(r.OutletCode, "S%03d", &i); err != nil || seen[r.OutletCode] {
			t.Fatalf("a row for %q, twice: %v, %v", r.OutletCode, seen[r.OutletCode], err)
		}
		seen[r.OutletCode] = true
		k := kinds[i%len(kinds)]
		w := want(k)
		status := "Failed"
		if w.cause == "ok" {
			status = "Successful"
		}
		if r.Cause != w.cause || r.Status != status || !r.Conclusive || r.ScanDate != day.Format(time.DateOnly) {
			t.Errorf("%s (%s): %+v, want %+v", r.OutletCode, k.name, r, w)
			continue
		}
		if w.file == "" {
			continue
		}
		if r.File != w.file || r.SizeBytes == nil || *r.SizeBytes != w.size || r.LastModified == nil || !r.LastModified.Equal(w.modified) {
			t.Errorf("%s (%s): %+v, want %+v", r.OutletCode, k.name, r, w)
		}
		if w.drive != "D" && r.DriveLetter != w.drive {
			t.Errorf("%s (%s): drive %q, want %q", r.OutletCode, k.name, r.DriveLetter, w.drive)
		}
	}
}

// TestEveryKindOfOutlet: the whole program against one simulated outlet of
// each kind, or a few.
func TestEveryKindOfOutlet(t *testing.T) {
	t.Parallel()
	var specs []fleet.Spec
	for i, preset := range fleet.Presets() {
		specs = append(specs, fleet.New(fleet.Plan{Code: fmt.Sprintf("K%02d", i), Preset: preset, Seed: uint64(i), Now: time.Now()}))
	}
	outlets, s := startFleet(t, specs, settings{"PROBE_TIMEOUT": "15s", "DIAL_TIMEOUT": "5s"}) // of those that answer, each does so on a busy machine too
	in, _ := startUp(t, s)
	in.follow(in.startScan(map[string]any{}), 0)
	for mode, path := range map[events.Mode]string{events.DDrive: "backup", events.IBStorage: "ibstorage"} {
		rows := in.rows(path, "")
		if len(rows) != len(specs) {
			t.Errorf("%s: %d rows for %d outlets", mode, len(rows), len(specs))
		}
		for _, r := range rows {
			o, ok := outlets.Outlet(r.OutletCode)
			if !ok {
				t.Fatalf("a row for %q", r.OutletCode)
			}
			e, ok := o.Expect(mode)
			if !ok || r.Cause != string(e.Cause) {
				t.Errorf("%s %s (%s): cause %q, want %q: %s", mode, r.OutletCode, o.Preset(), r.Cause, e.Cause, r.ErrorDetails)
			}
			if e.Cause == events.CauseOK && (e.File == nil || r.File != e.File.Name) {
				t.Errorf("%s %s (%s): file %q, want %+v", mode, r.OutletCode, o.Preset(), r.File, e.File)
			}
			if r.Conclusive != e.Cause.Conclusive() {
				t.Errorf("%s %s: conclusive %v", mode, r.OutletCode, r.Conclusive)
			}
		}
	}
	for _, o := range outlets.Outlets() {
		if s := o.Stats(); s.PeakConnections > 1 {
			t.Errorf("%s (%s): %d connections at once", o.Code(), o.Preset(), s.PeakConnections)
		}
	}
	var days struct {
		Data []struct {
			Total, Successful, Failed, NotObserved int
		} `json:"data"`
	}
	in.call(http.MethodGet, "/api/v1/backup-stats/daily-summary", nil, http.StatusOK, &days)
	if len(days.Data) != 1 || days.Data[0].Total != len(specs) || days.Data[0].NotObserved == 0 || days.Data[0].NotObserved > days.Data[0].Failed {
		t.Errorf("%+v", days)
	}
}

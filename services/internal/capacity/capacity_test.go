package capacity

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"backupmonitor/events"
	"backupmonitor/services/internal/natstest"
	"backupmonitor/services/internal/scan"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func noon() time.Time { return time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC) }

const (
	day = 24 * time.Hour
	gib = 1 << 30
)

// grown is a log of a year with a thousand events of a thousand bytes each day.
func grown() reading {
	return reading{
		now: noon(), recent: 7000, first: noon().Add(-window).Add(time.Minute),
		id: events.Identity{Messages: 365_000, LastSeq: 365_000, FirstSeq: 1, Bytes: 365_000_000, MaxBytes: 730_000_000},
	}
}

func TestForecast(t *testing.T) {
	t.Parallel()
	in := func(days float64) *time.Time {
		at := noon().Add(time.Duration(days * float64(day)))
		return &at
	}
	for name, c := range map[string]struct {
		change func(*reading)
		full   *time.Time
		limit  Limit
		alarm  string // a part of it; "": none
	}{
		"half full":            {func(*reading) {}, in(365), LimitLog, ""},
		"29 days from the end": {func(r *reading) { r.id.MaxBytes = 365_000_000 + 29_000_000 }, in(29), LimitLog, "92.6 % full"},
		"little left, and little comes": {func(r *reading) {
			r.id.Bytes, r.id.MaxBytes, r.recent = 365_000_000, 365_000_000*100/91, 7
		}, in(36098.9), LimitLog, "91.0 % full"},
		"full for scans": {func(r *reading) { r.id.MaxBytes = 365_000_000 * 100 / 96 }, in(15.208), LimitLog, "no new scan starts"},
		"fast":           {func(r *reading) { r.recent *= 20 }, in(18.25), LimitLog, "2026-04-01"},
		"the disk comes first": {func(r *reading) {
			r.disk = &Disk{Log: 73_000_000, Tables: 36_500_000, Free: 6_000_000, Total: gib}
		}, in(20), LimitDisk, "disk of DATA_DIR will be full on 2026-04-03"},
		"the disk is large": {func(r *reading) {
			r.disk = &Disk{Log: 73_000_000, Tables: 36_500_000, Free: 10 * gib, Total: 20 * gib}
		}, in(365), LimitLog, ""},
		// The tables remember what the log no longer has.
		"archived": {func(r *reading) {
			r.id.Archived, r.id.Messages, r.id.Bytes = 182_500, 182_500, 182_500_000
			r.disk = &Disk{Log: 36_500_000, Tables: 36_500_000, Free: 300_000_000, Total: gib}
		}, in(547.5), LimitLog, ""},
		"nothing happens": {func(r *reading) { r.recent = 0 }, nil, "", ""},
		"empty":           {func(r *reading) { r.id, r.recent = events.Identity{MaxBytes: gib}, 0 }, nil, "", ""},
		"three days old": {func(r *reading) {
			r.id.Messages, r.id.LastSeq, r.id.Bytes, r.recent, r.first = 3000, 3000, 3_000_000, 3000, noon().Add(-3*day)
		}, in(727), LimitLog, ""},
		"too young to tell": {func(r *reading) {
			r.id.Messages, r.id.LastSeq, r.id.Bytes, r.recent, r.first = 3000, 3000, 3_000_000, 3000, noon().Add(-time.Hour)
		}, nil, "", ""},
		"no bound": {func(r *reading) { r.id.MaxBytes = 0 }, nil, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := grown()
			c.change(&r)
			s := r.state()
			switch {
			case (s.FullAt == nil) != (c.full == nil) || s.Limit != c.limit:
				t.Errorf("full at %v of %q, want %v of %q", s.FullAt, s.Limit, c.full, c.limit)
			case s.FullAt != nil && s.FullAt.Sub(*c.full).Abs() > time.Hour:
				t.Errorf("full at %v, want %v", s.FullAt, c.full)
			}
			if !strings.Contains(s.Alarm, c.alarm) || (s.Alarm == "") != (c.alarm == "") {
				t.Errorf("alarm %q, want %q", s.Alarm, c.alarm)
			}
		})
	}
}

// TestMeter measures a real log, which is a minute's truth.
func TestMeter(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	database := filepath.Join(t.TempDir(), "tables.db")
	if err := os.WriteFile(database, make([]byte, 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(database+"-wal", make([]byte, 500), 0o600); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	m := NewMeter(n.Log, func() (Disk, error) { return MeasureDisk(filepath.Dir(n.NATS.StoreDir()), database) }, func() time.Time { return now })
	for i := range 10 {
		if _, _, err := n.Log.Append(t.Context(), events.ScanRequested{ScanID: string(rune('a' + i))}); err != nil {
			t.Fatal(err)
		}
	}
	now = now.Add(2 * day)
	s, err := m.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.Events != 10 || s.EventsPerDay < 4.9 || s.EventsPerDay > 5.1 || s.FullAt == nil && s.Bytes == 0 || s.MaxBytes != natstest.MaxBytes {
		t.Errorf("%+v", s)
	}
	if s.Disk == nil || s.Disk.Log <= 0 || s.Disk.Tables != 1500 || s.Disk.Free == 0 || s.Disk.Total < s.Disk.Free {
		t.Errorf("%+v", s.Disk)
	}
	if detail, err := m.Check(t.Context()); err != nil || !strings.Contains(detail, "5 events") {
		t.Errorf("%q %v", detail, err)
	}
	if _, _, err := n.Log.Append(t.Context(), events.ScanRequested{ScanID: "more"}); err != nil {
		t.Fatal(err)
	}
	if s, err := m.State(t.Context()); err != nil || s.Events != 10 {
		t.Errorf("within the minute: %+v %v", s, err)
	}
	now = now.Add(keep)
	if s, err := m.State(t.Context()); err != nil || s.Events != 11 {
		t.Errorf("after it: %+v %v", s, err)
	}
	now = now.Add(30 * day)
	if s, err := m.State(t.Context()); err != nil || s.EventsPerDay != 0 || s.FullAt != nil {
		t.Errorf("long after: %+v %v", s, err)
	}
}

// TestCheckIsRed where no new scan starts.
func TestCheckIsRed(t *testing.T) {
	t.Parallel()
	r := grown()
	r.id.MaxBytes = int64(r.id.Bytes)
	m := NewMeter(nil, nil, noon)
	m.last = r.state()
	if detail, err := m.Check(t.Context()); !errors.Is(err, scan.ErrLogNearlyFull) || !strings.HasPrefix(detail, "ALARM: ") {
		t.Errorf("%q %v", detail, err)
	}
	broken := errors.New("broken")
	n := natstest.Start(t)
	m = NewMeter(n.Log, func() (Disk, error) { return Disk{}, broken }, noon)
	if _, err := m.Check(t.Context()); !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}

// TestFree is that of the disk on which a directory will be.
func TestFree(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Join(dir, "not", "there", "yet")} {
		if free, err := Free(path); err != nil || free == 0 {
			t.Errorf("%s: %d, %v", path, free, err)
		}
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Free(filepath.Join(file, "below")); err == nil {
		t.Error("a directory in a file has room")
	}
}

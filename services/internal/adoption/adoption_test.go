package adoption_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"

	"backupmonitor/events"
	"backupmonitor/services/internal/adoption"
	"backupmonitor/services/internal/natstest"
	"backupmonitor/services/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// source is a database of the original system.
type source struct {
	outlets []store.EarlierOutlet
	rows    map[events.Mode][]store.EarlierRow // by scan date
	fail    func(call int) error               // of reading rows
	calls   atomic.Int32
	silent  int // the reading that gets no answer
	read    int
}

// answers returns once there is an answer.
func (s *source) answers(ctx context.Context) error {
	if s.read++; s.read == s.silent {
		<-ctx.Done()
	}
	return ctx.Err()
}

func (s *source) EarlierOutlets(ctx context.Context) ([]store.EarlierOutlet, error) {
	return s.outlets, s.answers(ctx)
}

func (s *source) EarlierDays(ctx context.Context, m events.Mode) (days []store.EarlierDay, err error) {
	if err := s.answers(ctx); err != nil {
		return nil, err
	}
	for _, r := range s.rows[m] {
		if len(days) == 0 || days[len(days)-1].ScanDate != r.ScanDate {
			days = append(days, store.EarlierDay{ScanDate: r.ScanDate})
		}
		days[len(days)-1].Rows++
	}
	return days, nil
}

func (s *source) EarlierRows(ctx context.Context, m events.Mode, from, to events.Date) (rows []store.EarlierRow, err error) {
	if err := s.answers(ctx); err != nil {
		return nil, err
	}
	if s.fail != nil {
		if err := s.fail(int(s.calls.Add(1))); err != nil {
			return nil, err
		}
	}
	for _, r := range s.rows[m] {
		if r.ScanDate >= from && r.ScanDate <= to {
			rows = append(rows, r)
		}
	}
	return rows, nil
}

func old() *source {
	summer := time.Date(2024, 7, 1, 23, 10, 0, 0, time.UTC)
	return &source{
		outlets: []store.EarlierOutlet{
			{Code: "OUT001", Address: " 192.0.2.1 ", Name: "North", Active: true}, {Code: "out001 ", Address: "192.0.2.99", Active: true},
			{Code: "OUT002", Address: "N/A"}, {Code: "  "}, {Code: "OUT003", Address: "192.0.2.3", Active: true},
		},
		rows: map[events.Mode][]store.EarlierRow{
			events.DDrive: {
				{Outlet: "OUT001", ScanDate: "2024-07-02", Status: "Successful", LastBackupTaken: &summer, BackupFile: "a.bak", BackupFileSize: "2.45 GB", ErrorDetails: "N/A"},
				{Outlet: "OUT002", ScanDate: "2024-07-02", Status: "Error", BackupFile: "N/A", ErrorDetails: "timed out"},
				{Outlet: "bad\x00code", ScanDate: "2024-07-02"},
				{Outlet: "OUT001", ScanDate: "2099-01-01", Status: "Failed"},
			},
			events.IBStorage: {{Outlet: "OUT001", ScanDate: "2024-07-02", Status: "Successful", DriveLetter: "F"}},
		},
	}
}

// logged are the events of the log, by their ids.
func logged(t *testing.T, s *natstest.Server) map[string][]events.Payload {
	t.Helper()
	found := map[string][]events.Payload{}
	feed, err := s.Log.Feed(t.Context(), events.FeedOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Stop()
	for more := feed.Initial > 0; more; {
		r, err := feed.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		e, err := r.Decode()
		if err != nil {
			t.Fatal(err)
		}
		found[e.ID] = append(found[e.ID], e.Data)
		more = r.Pending > 0
	}
	return found
}

func TestEnter(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	known := events.OutletChanged{Code: "out003", Address: "198.51.100.3", Active: true, Source: events.SourceUser}
	if _, err := s.Log.Write(t.Context(), known, 0); err != nil {
		t.Fatal(err)
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	var told []adoption.Report
	o := adoption.Options{Zone: berlin, Progress: func(r adoption.Report) { told = append(told, r) }}
	report, err := adoption.Enter(t.Context(), old(), s.Log, o)
	if err != nil {
		t.Fatal(err)
	}
	if report.Outlets != 2 || report.KnownOutlets != 2 || report.Rows != 4 || report.KnownRows != 0 || len(report.Left) != 2 || report.Skipped != 1 || report.SkippedOutlets != 1 || report.Done() != 5 || report.Total != 5 {
		t.Errorf("report %+v", report)
	}
	if len(told) < 2 || told[0].Total != 5 || told[len(told)-1].Rows != 4 {
		t.Errorf("told %+v", told)
	}
	found := logged(t, s)
	row, ok := found[events.HistoryID(events.DDrive, "OUT001", "2024-07-02")][0].(events.HistoryImported)
	taken := time.Date(2024, 7, 1, 21, 10, 0, 0, time.UTC) // summer time
	if !ok || row.Status != events.Successful || !row.LastBackupTaken.Equal(taken) || row.ErrorDetails != "N/A" || row.ImportedAt.IsZero() {
		t.Errorf("row %+v", row)
	}
	if failed, ok := found[events.HistoryID(events.DDrive, "OUT002", "2024-07-02")][0].(events.HistoryImported); !ok || failed.Status != "Error" {
		t.Errorf("row %+v", failed) // the words stay; whoever folds the event understands them
	}
	outlets := map[string]events.OutletChanged{}
	for _, list := range found {
		if o, ok := list[0].(events.OutletChanged); ok {
			outlets[events.Key(o.Code)] = o
		}
	}
	if o := outlets["OUT003"]; o.Address != known.Address || o.Source != events.SourceUser {
		t.Errorf("the log's outlet became %+v", o)
	}
	if o := outlets["OUT002"]; o.Source != events.SourceDB || o.Active || o.Address != "" {
		t.Errorf("outlet %+v", o)
	}
	if len(outlets) != 3 {
		t.Errorf("outlets %+v", outlets)
	}
	again, err := adoption.Enter(t.Context(), old(), s.Log, o)
	if err != nil || again.Rows != 0 || again.Outlets != 0 || again.KnownRows != 4 {
		t.Errorf("again: %+v, %v", again, err)
	}
	if after := logged(t, s); len(after) != len(found) {
		t.Errorf("%d events after the second time, %d before", len(after), len(found))
	}
}

// TestEnterCutsEndlessTexts: a row whose texts no message of the log could carry is
// entered all the same, with as much of them as any table shows.
func TestEnterCutsEndlessTexts(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	endless := strings.Repeat("é", 1<<20)
	src := &source{rows: map[events.Mode][]store.EarlierRow{events.IBStorage: {{
		Outlet: "OUT001", ScanDate: "2024-07-02", Status: endless, BackupFile: endless, BackupFileSize: endless,
		Duration: endless, ErrorDetails: endless, DriveLetter: endless,
	}}}}
	report, err := adoption.Enter(t.Context(), src, s.Log, adoption.Options{Zone: time.UTC})
	if err != nil || report.Rows != 1 {
		t.Fatalf("%+v, %v", report, err)
	}
	row, ok := logged(t, s)[events.HistoryID(events.IBStorage, "OUT001", "2024-07-02")][0].(events.HistoryImported)
	if !ok {
		t.Fatal("it is not in the log")
	}
	for _, text := range []string{string(row.Status), row.BackupFile, row.BackupFileSize, row.Duration, row.ErrorDetails, row.DriveLetter} {
		if n := utf8.RuneCountInString(text); n < 1000 || n > 10_000 || !strings.HasPrefix(endless, text) {
			t.Errorf("a text of %d characters", n)
		}
	}
}

// TestTextsAreSafe: what a row or an outlet says reaches tables, files and terminals
// without what steers them; a line break leaves a blank.
func TestTextsAreSafe(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	src := &source{
		outlets: []store.EarlierOutlet{{Code: "A1", Address: "192.0.2.1\x00", Name: " North\x1b[2J\n", Active: true}},
		rows: map[events.Mode][]store.EarlierRow{events.DDrive: {{
			Outlet: "A1", ScanDate: "2024-07-01", Status: "Error\x00", BackupFile: "a\x00b.bak", BackupFileSize: "2,45\u00a0GB", Duration: "1\x9b s",
			ErrorDetails: "timed out\r\n\tin \u202e\x07 Köln", DriveLetter: "\x00",
		}}},
	}
	if _, err := adoption.Enter(t.Context(), src, s.Log, adoption.Options{}); err != nil {
		t.Fatal(err)
	}
	found := logged(t, s)
	row, _ := found[events.HistoryID(events.DDrive, "A1", "2024-07-01")][0].(events.HistoryImported)
	for got, want := range map[string]string{
		string(row.Status): "Error\ufffd", row.BackupFile: "a\ufffdb.bak", row.BackupFileSize: "2,45 GB", row.Duration: "1\ufffd s",
		row.ErrorDetails: "timed out   in \ufffd\ufffd Köln", row.DriveLetter: "\ufffd",
	} {
		if got != want {
			t.Errorf("%q is in the log, want %q", got, want)
		}
	}
	for _, list := range found {
		if o, ok := list[0].(events.OutletChanged); ok && (o.Address != "192.0.2.1\ufffd" || o.Name != "North\ufffd[2J") {
			t.Errorf("outlet %+v", o)
		}
	}
}

// TestRowsOfNoDay are left out, counted and named, wherever they stand among the
// days of the source; all others are entered.
func TestRowsOfNoDay(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	src := &source{rows: map[events.Mode][]store.EarlierRow{events.DDrive: {
		{Outlet: "A1", ScanDate: ""}, {Outlet: "A2", ScanDate: "2024-07-01"}, {Outlet: "A3", ScanDate: "20240701"},
	}, events.IBStorage: {{Outlet: "A2", ScanDate: "2024-07-01"}, {Outlet: "A4", ScanDate: ""}}}}
	r, err := adoption.Enter(t.Context(), src, s.Log, adoption.Options{RowsOnly: true})
	want := []string{`row of outlet "A1": it has no scan date that can be read`,
		`row of outlet "A3" on 20240701: "20240701" is not a date: write it as YYYY-MM-DD`, `row of outlet "A4": it has no scan date that can be read`}
	if err != nil || r.Rows != 2 || r.Skipped != 3 || r.Done() != r.Total || !slices.Equal(r.Left, want) {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestEndlessTextsAreNamedInShort: what is left out is named in a line that can be
// read, also where a foreign database has a megabyte as a date or a code.
func TestEndlessTextsAreNamedInShort(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	endless := strings.Repeat("x", 1<<20)
	src := &source{rows: map[events.Mode][]store.EarlierRow{events.DDrive: {
		{Outlet: endless, ScanDate: "2024-07-01"}, {Outlet: "A1", ScanDate: events.Date(endless)},
	}}}
	r, err := adoption.Enter(t.Context(), src, s.Log, adoption.Options{RowsOnly: true})
	if err != nil || r.Skipped != 2 || len(r.Left) != 2 {
		t.Fatalf("%d left out, %v", r.Skipped, err)
	}
	for _, line := range r.Left {
		if len(line) > 1000 || !strings.Contains(line, "row of outlet") {
			t.Errorf("%d bytes: %.100q", len(line), line)
		}
	}
}

// TestEnterIsRepeatable: wherever it is interrupted, doing it again enters the
// rest, and nothing twice but what was on its way to the log at that moment.
func TestEnterIsRepeatable(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	src := &source{rows: map[events.Mode][]store.EarlierRow{}}
	for i := range 2000 {
		src.rows[events.DDrive] = append(src.rows[events.DDrive], store.EarlierRow{
			Outlet: fmt.Sprintf("OUT%04d", i), ScanDate: events.Date(fmt.Sprintf("2024-07-%02d", i/100+1)), Status: "Successful",
		})
	}
	broken := errors.New("the line is broken")
	src.fail = func(int) error { return broken }
	if _, err := adoption.Enter(t.Context(), src, s.Log, adoption.Options{}); !errors.Is(err, broken) {
		t.Fatalf("error %v, want the source's", err)
	}
	src.fail = nil
	interrupted := 0
	for _, at := range []uint64{1, 300, 900, 1500} {
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			for ctx.Err() == nil {
				if id, err := s.Log.Identity(ctx); err == nil && id.LastSeq >= at {
					cancel()
				}
			}
		})
		if _, err := adoption.Enter(ctx, src, s.Log, adoption.Options{}); errors.Is(err, context.Canceled) {
			interrupted++
		}
		cancel()
		wg.Wait()
	}
	if interrupted == 0 {
		t.Fatal("it was never interrupted")
	}
	if _, err := adoption.Enter(t.Context(), src, s.Log, adoption.Options{}); err != nil {
		t.Fatal(err)
	}
	found := logged(t, s)
	if len(found) != len(src.rows[events.DDrive]) {
		t.Fatalf("%d rows in the log, want %d", len(found), len(src.rows[events.DDrive]))
	}
	twice := 0
	for _, list := range found {
		twice += len(list) - 1
	}
	if twice > 64*interrupted {
		t.Errorf("%d rows are in the log twice after %d interruptions", twice, interrupted)
	}
}

// within is a log that may grow by so many bytes at any time.
func within(most int64) func(context.Context, int64) error {
	return func(_ context.Context, bytes int64) error {
		if bytes > most {
			return adoption.ErrNoRoom
		}
		return nil
	}
}

// TestEnterNeedsRoom: rows that would fill the log are not begun with.
func TestEnterNeedsRoom(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	o := adoption.Options{RowsOnly: true, Room: within(1000)}
	if _, err := adoption.Enter(t.Context(), old(), s.Log, o); !errors.Is(err, adoption.ErrNoRoom) {
		t.Errorf("error %v, want ErrNoRoom", err)
	}
	o.DryRun = true
	if r, err := adoption.Enter(t.Context(), old(), s.Log, o); !errors.Is(err, adoption.ErrNoRoom) || r.Rows != 4 {
		t.Errorf("a dry run: %+v, %v", r, err)
	}
	if found := logged(t, s); len(found) != 0 {
		t.Errorf("%d events were entered", len(found))
	}
	o.DryRun, o.Room = false, within(1<<20)
	if r, err := adoption.Enter(t.Context(), old(), s.Log, o); err != nil || r.Rows != 4 || r.Outlets != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	o.Room = within(1000) // of rows that are there already none is needed
	if r, err := adoption.Enter(t.Context(), old(), s.Log, o); err != nil || r.KnownRows != 4 {
		t.Errorf("%+v, %v", r, err)
	}
}

// many are rows of as many outlets, of a hundred a day.
func many(n int, code string) *source {
	src := &source{rows: map[events.Mode][]store.EarlierRow{}}
	for i := range n {
		src.rows[events.DDrive] = append(src.rows[events.DDrive], store.EarlierRow{
			Outlet: fmt.Sprintf("%s%04d", code, i), ScanDate: events.Date(fmt.Sprintf("2024-%02d-%02d", i/2800+1, i/100%28+1)), Status: "Successful",
		})
	}
	return src
}

// TestEnterStopsBeforeTheLogIsFull: that the log has as many rows of another
// database makes no room for those of this one. What was entered stays, and is
// not entered twice.
func TestEnterStopsBeforeTheLogIsFull(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	if _, err := adoption.Enter(t.Context(), many(4000, "A"), s.Log, adoption.Options{}); err != nil {
		t.Fatal(err)
	}
	left := func(ctx context.Context) int64 {
		t.Helper()
		id, err := s.Log.Identity(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return id.MaxBytes - int64(id.Bytes)
	}
	resize := func(room int64) {
		t.Helper()
		limits := events.Limits{EventsMaxBytes: natstest.MaxBytes - left(t.Context()) + room, Replicas: 1}
		if err := events.Provision(t.Context(), s.JS, limits); err != nil {
			t.Fatal(err)
		}
	}
	resize(1 << 20)
	const reserve = 32 << 10
	o := adoption.Options{Room: func(ctx context.Context, bytes int64) error {
		if bytes > left(ctx)-reserve {
			return adoption.ErrNoRoom
		}
		return nil
	}}
	second := many(4000, "B")
	stopped, err := adoption.Enter(t.Context(), second, s.Log, o)
	if !errors.Is(err, adoption.ErrNoRoom) || stopped.Rows == 0 || stopped.Rows == 4000 {
		t.Fatalf("%+v, %v; want ErrNoRoom amid the rows", stopped, err)
	}
	for i := range 20 {
		if _, _, err := s.Log.Append(t.Context(), events.ScanRequested{ScanID: fmt.Sprint(i)}); err != nil {
			t.Fatalf("what goes on has no room in the log: %v", err)
		}
	}
	if err := events.Provision(t.Context(), s.JS, events.Limits{EventsMaxBytes: natstest.MaxBytes, Replicas: 1}); err != nil {
		t.Fatal(err)
	}
	r, err := adoption.Enter(t.Context(), second, s.Log, o)
	if err != nil || r.KnownRows != stopped.Rows || r.Rows != 4000-stopped.Rows {
		t.Errorf("again: %+v, %v; want what had no room before", r, err)
	}
}

// TestSilentSource: a database that says nothing is not waited for.
func TestSilentSource(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	for silent, what := range map[int]string{1: "outlets", 2: "scan dates", 4: "rows"} {
		src := old()
		src.silent = silent
		_, err := adoption.Enter(t.Context(), src, s.Log, adoption.Options{ReadTimeout: 10 * time.Millisecond})
		if !errors.Is(err, adoption.ErrSilent) || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: error %v, want ErrSilent", what, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := adoption.Enter(ctx, old(), s.Log, adoption.Options{}); !errors.Is(err, context.Canceled) || errors.Is(err, adoption.ErrSilent) {
		t.Errorf("interrupted: %v", err)
	}
}

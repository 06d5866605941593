package registry_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/registry"
)

func parse(t *testing.T, lines ...string) []registry.OutletRow {
	t.Helper()
	rows, err := registry.ParseFile(strings.NewReader(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func kinds(changes []registry.Change) (all []string) {
	for _, c := range changes {
		all = append(all, c.Outlet.Code+" "+string(c.Kind))
	}
	return all
}

func (b *book) importRows(source string, rows []registry.OutletRow) []registry.Change {
	b.t.Helper()
	now := time.Date(2026, 2, 21, 12, 0, 0, 0, time.UTC)
	done, err := registry.Apply(b.ctx, b.Log, registry.Diff(b.load(0), rows, source), "somebody", now)
	if err != nil {
		b.t.Fatal(err)
	}
	return done
}

func TestImport(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	age, until := int64(3600), time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	b.put(events.OutletChanged{
		Code: "A1", Address: "10.0.0.1", Name: "One", Group: "g", Active: false, PausedUntil: &until, MaxAgeSeconds: &age, Source: events.SourceDB,
	})
	b.put(events.OutletChanged{Code: "A9", Address: "10.0.0.9", Active: true, Source: events.SourceUser})

	// The file takes A1 over and keeps what it does not speak of.
	rows := parse(t, "OutletCode,IPAddress", "a1,10.0.0.1", "A2,10.0.0.2")
	if got, want := kinds(b.importRows(events.SourceFile, rows)), []string{"A1 changed", "A2 added"}; !slices.Equal(got, want) {
		t.Errorf("changes are %v, want %v", got, want)
	}
	o := b.load(0)
	a1, _ := o.Get("A1")
	if a1.Code != "A1" || a1.Name != "One" || a1.Group != "g" || a1.Active || *a1.MaxAgeSeconds != age || !a1.PausedUntil.Equal(until) ||
		a1.Source != events.SourceFile || a1.ChangedBy != "somebody" || a1.Previous != 1 {
		t.Errorf("A1 is %+v", a1)
	}
	if a2, _ := o.Get("A2"); !a2.Active || a2.Source != events.SourceFile || a2.Previous != 0 {
		t.Errorf("A2 is %+v", a2)
	}

	// The same again writes nothing.
	before, err := b.Log.Identity(b.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := kinds(b.importRows(events.SourceFile, rows)), []string{"A1 unchanged", "A2 unchanged"}; !slices.Equal(got, want) {
		t.Errorf("changes are %v, want %v", got, want)
	}
	if after, _ := b.Log.Identity(b.ctx); after.LastSeq != before.LastSeq {
		t.Errorf("%d events for no change", after.LastSeq-before.LastSeq)
	}

	// An upload changes what is not the file's.
	upload := parse(t, "OutletCode,IPAddress,OutletName,ActiveDepot", "A1,10.0.0.1,One,N", "A2,10.9.9.9,,Y", "A9,10.0.0.9,Nine,N")
	if got, want := kinds(b.importRows(events.SourceUser, upload)), []string{"A1 unchanged", "A2 read_only", "A9 changed"}; !slices.Equal(got, want) {
		t.Errorf("changes are %v, want %v", got, want)
	}
	o = b.load(0)
	a2, _ := o.Get("A2")
	if a9, _ := o.Get("A9"); a9.Name != "Nine" || a9.Active || a2.Address != "10.0.0.2" {
		t.Errorf("A9 is %+v, A2 is %+v", a9, a2)
	}

	// What leaves the file stays, active as it was, and belongs to people again.
	shorter := parse(t, "OutletCode,IPAddress,ActiveDepot", "A1,10.0.0.1,Y")
	if got, want := kinds(b.importRows(events.SourceFile, shorter)), []string{"A1 changed", "A2 released"}; !slices.Equal(got, want) {
		t.Errorf("changes are %v, want %v", got, want)
	}
	if a2, _ := b.load(0).Get("A2"); a2.Source != events.SourceUser || !a2.Active || a2.Address != "10.0.0.2" {
		t.Errorf("A2 is %+v", a2)
	}
}

// TestImportOverSomebodyElsesChange: the difference was taken before somebody
// else wrote. Neither change is lost.
func TestImportOverSomebodyElsesChange(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	for _, code := range []string{"A1", "A2", "A3"} {
		b.put(events.OutletChanged{Code: code, Address: "10.0.0.1", Active: true, Source: events.SourceFile})
	}
	rows := parse(t, "OutletCode,IPAddress", "A1,10.0.0.7", "A2,10.0.0.7", "A4,10.0.0.7")
	changes := registry.Diff(b.load(0), rows, events.SourceFile)
	b.put(events.OutletChanged{Code: "A1", Address: "10.0.0.1", Name: "Named", Active: true, Source: events.SourceFile})
	b.put(events.OutletChanged{Code: "A2", Address: "10.0.0.7", Active: true, Source: events.SourceFile})
	b.put(events.OutletChanged{Code: "A3", Address: "10.0.0.1", Active: true, Source: events.SourceUser})
	b.put(events.OutletChanged{Code: "a4", Address: "10.0.0.1", Group: "g", Source: events.SourceUser})
	done, err := registry.Apply(b.ctx, b.Log, changes, "file", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := kinds(done), []string{"A1 changed", "A2 unchanged", "a4 changed", "A3 unchanged"}; !slices.Equal(got, want) {
		t.Errorf("changes are %v, want %v", got, want)
	}
	o := b.load(0)
	a1, _ := o.Get("A1")
	if a4, _ := o.Get("A4"); a1.Name != "Named" || a1.Address != "10.0.0.7" || a4.Group != "g" || a4.Source != events.SourceFile {
		t.Errorf("A1 is %+v, A4 is %+v", a1, a4)
	}
}

// TestImportAtOnce: several schedulers start with the same file.
func TestImportAtOnce(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	lines := []string{"OutletCode,IPAddress"}
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZ" {
		lines = append(lines, string(c)+",10.0.0.1")
	}
	rows := parse(t, lines...)
	empty := b.load(0)
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			if _, err := registry.Apply(b.ctx, b.Log, registry.Diff(empty, rows, events.SourceFile), "file", time.Now()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	id, err := b.Log.Identity(b.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if id.LastSeq != uint64(len(rows)) {
		t.Errorf("%d events for %d outlets", id.LastSeq, len(rows))
	}
}

func TestApplyStopsWithItsContext(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	rows := parse(t, "OutletCode,IPAddress", "A1,10.0.0.1")
	if _, err := registry.Apply(ctx, b.Log, registry.Diff(b.load(0), rows, events.SourceFile), "file", time.Now()); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	if n := b.load(0).Len(); n != 0 {
		t.Errorf("%d outlets were written", n)
	}
}

// Of an import that fails on its way it is known what is written: all that is in
// the log, and nothing else.
func TestApplyTellsWhatIsDone(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	b.put(events.OutletChanged{Code: "A000", Address: "10.0.0.1", Active: true, Source: events.SourceUser})
	b.Bound(t, 40_000)
	var rows []registry.OutletRow
	for i := range 500 {
		rows = append(rows, registry.OutletRow{Code: fmt.Sprintf("A%03d", i), Address: "10.0.0.1"})
	}
	done, err := registry.Apply(b.ctx, b.Log, registry.Diff(b.load(0), rows, events.SourceUser), "somebody", time.Now())
	if !errors.Is(err, events.ErrFull) {
		t.Fatalf("error is %v", err)
	}
	stored := b.load(0)
	if n := registry.Writing(done); n != len(done)-1 || n != stored.Len()-1 || n < 16 || n > 400 {
		t.Errorf("%d of %d are told of as written, and the log has %d", n, len(done), stored.Len()-1)
	}
	for _, c := range done {
		if _, ok := stored.Get(c.Outlet.Code); !ok {
			t.Errorf("%s is told of as done", c.Outlet.Code)
		}
	}
}

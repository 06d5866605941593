package registry_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"backupmonitor/events"
	"backupmonitor/services/internal/natstest"
	"backupmonitor/services/internal/registry"
)

type book struct {
	*natstest.Server
	t   *testing.T
	ctx context.Context
}

func newBook(t *testing.T) *book {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return &book{natstest.Start(t), t, ctx}
}

func (b *book) load(asOf uint64) registry.Outlets {
	b.t.Helper()
	o, err := registry.Load(b.ctx, b.Log, asOf)
	if err != nil {
		b.t.Fatal(err)
	}
	return o
}

// put writes the next state of an outlet.
func (b *book) put(o events.OutletChanged) uint64 {
	b.t.Helper()
	e, _ := b.load(0).Get(o.Code)
	o.Previous = e.Seq
	seq, err := b.Log.Write(b.ctx, o, e.Seq)
	if err != nil {
		b.t.Fatal(err)
	}
	return seq
}

func codes(entries []registry.Entry) (all []string) {
	for _, e := range entries {
		all = append(all, e.Code+" "+e.Address)
	}
	return all
}

func TestLoad(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	if o := b.load(0); o.Len() != 0 || len(o.All()) != 0 {
		t.Errorf("an empty registry has %d outlets", o.Len())
	}
	first := b.put(events.OutletChanged{Code: "b1", Address: "10.0.0.1"})
	b.put(events.OutletChanged{Code: "A1", Address: "10.0.0.2"})
	moved := b.put(events.OutletChanged{Code: "B1", Address: "10.0.0.3"})
	o := b.load(0)
	if got, want := codes(o.All()), []string{"A1 10.0.0.2", "B1 10.0.0.3"}; !slices.Equal(got, want) {
		t.Errorf("outlets are %v, want %v", got, want)
	}
	if e, ok := o.Get(" b1"); !ok || e.Seq != moved {
		t.Errorf("b1 is %+v", e)
	}
	if _, ok := o.Get("c1"); ok {
		t.Error("an unknown outlet is there")
	}
	for asOf, want := range map[uint64][]string{
		first:     {"b1 10.0.0.1"},
		moved - 1: {"A1 10.0.0.2", "b1 10.0.0.1"},
		moved:     {"A1 10.0.0.2", "B1 10.0.0.3"},
	} {
		if got := codes(b.load(asOf).All()); !slices.Equal(got, want) {
			t.Errorf("as of %d outlets are %v, want %v", asOf, got, want)
		}
	}
}

func TestLoadManyAsOf(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	var rows []registry.OutletRow
	for i := range 60 {
		rows = append(rows, registry.OutletRow{Code: fmt.Sprintf("A%02d", i), Address: "10.0.0.1"})
	}
	apply := func() {
		t.Helper()
		if _, err := registry.Apply(b.ctx, b.Log, registry.Diff(b.load(0), rows, events.SourceUser), "test", time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	apply()
	id, err := b.Log.Identity(b.ctx)
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		rows[i].Address = "10.0.0.2"
	}
	rows = append(rows, registry.OutletRow{Code: "new", Address: "10.0.0.2"})
	apply()
	for asOf, address := range map[uint64]string{id.LastSeq: "10.0.0.1", 0: "10.0.0.2"} {
		all, want := b.load(asOf).All(), 60
		if asOf == 0 {
			want = 61 // with the new one
		}
		if len(all) != want {
			t.Errorf("as of %d there are %d outlets, want %d", asOf, len(all), want)
		}
		for _, e := range all {
			if e.Address != address {
				t.Fatalf("as of %d %s is at %s", asOf, e.Code, e.Address)
			}
		}
	}
}

func TestUnreadableStateLeavesTheOneBefore(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	b.put(events.OutletChanged{Code: "A1", Address: "10.0.0.1"})
	b.put(events.OutletChanged{Code: "A2", Address: "10.0.0.2"})
	for _, subject := range []string{events.OutletSubject("A1"), events.OutletSubject("A3")} {
		if _, err := b.JS.PublishMsg(b.ctx, &nats.Msg{Subject: subject, Data: []byte("{")}); err != nil {
			t.Fatal(err)
		}
	}
	o := b.load(0)
	if got, want := codes(o.All()), []string{"A1 10.0.0.1", "A2 10.0.0.2"}; !slices.Equal(got, want) || len(o.Unreadable) != 2 {
		t.Errorf("outlets are %v, want %v; unreadable are %v", got, want, o.Unreadable)
	}
}

// TestSample: only outlets that scans look at are drawn, each once, and none for ever.
func TestSample(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	later := time.Now().Add(time.Hour)
	for i := range 20 {
		o := events.OutletChanged{Code: fmt.Sprint("b", i), Address: fmt.Sprint("10.0.0.", i), Active: i != 7}
		if i == 8 {
			o.PausedUntil = &later
		}
		if _, err := n.Log.Write(t.Context(), o, 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := n.JS.Publish(t.Context(), events.OutletSubject("b9"), []byte("no event")); err != nil {
		t.Fatal(err)
	}
	_, _, log := n.Client(t, events.ServiceProber)
	draw := func(most int) map[string]bool {
		t.Helper()
		drawn, err := registry.Sample(t.Context(), log, most, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		codes := map[string]bool{}
		for _, e := range drawn {
			codes[e.Code] = true
		}
		if len(codes) != min(most, 17) || len(drawn) != len(codes) || codes["b7"] || codes["b8"] || codes["b9"] {
			t.Fatalf("drawn: %v", drawn)
		}
		return codes
	}
	draw(100)
	all := map[string]bool{}
	for rounds := 0; len(all) < 17; rounds++ {
		if rounds == 100 { // by lot once in 10^26
			t.Fatalf("%d of 17 are ever drawn", len(all))
		}
		maps.Copy(all, draw(8))
	}
}

func TestScannable(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 2, 21, 12, 0, 0, 0, time.UTC)
	after, before := now.Add(1), now
	for _, c := range []struct {
		active bool
		paused *time.Time
		want   bool
	}{{true, nil, true}, {false, nil, false}, {true, &after, false}, {true, &before, true}, {false, &before, false}} {
		e := registry.Entry{OutletChanged: events.OutletChanged{Active: c.active, PausedUntil: c.paused}}
		if e.Scannable(now) != c.want {
			t.Errorf("active %v, paused until %v: %v", c.active, c.paused, !c.want)
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	if _, _, err := registry.Settings(b.ctx, b.Log, 0); !errors.Is(err, events.ErrNotFound) {
		t.Errorf("without any: error is %v", err)
	}
	b.put(events.OutletChanged{Code: "A1", Address: "10.0.0.1"})
	var seqs []uint64
	for i := range 3 {
		s := events.SettingsChanged{Schedule: events.Schedule{IntervalSeconds: int64(i)}}
		if len(seqs) > 0 {
			s.Previous = seqs[len(seqs)-1]
		}
		seq, err := b.Log.Write(b.ctx, s, s.Previous)
		if err != nil {
			t.Fatal(err)
		}
		seqs = append(seqs, seq)
	}
	for i, asOf := range append(seqs, 0) {
		s, seq, err := registry.Settings(b.ctx, b.Log, asOf)
		if want := min(i, 2); err != nil || seq != seqs[want] || s.Schedule.IntervalSeconds != int64(want) {
			t.Errorf("as of %d: %+v at %d (%v)", asOf, s, seq, err)
		}
	}
	if _, _, err := registry.Settings(b.ctx, b.Log, 1); !errors.Is(err, events.ErrNotFound) {
		t.Errorf("before the first: error is %v", err)
	}
	if _, err := b.JS.PublishMsg(b.ctx, &nats.Msg{Subject: events.SubjectSettings, Data: []byte("{")}); err != nil {
		t.Fatal(err)
	}
	if s, _, err := registry.Settings(b.ctx, b.Log, 0); err != nil || s.Schedule.IntervalSeconds != 2 {
		t.Errorf("after an unreadable one: %+v (%v)", s, err)
	}
}

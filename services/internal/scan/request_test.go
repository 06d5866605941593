package scan_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/natstest"
	"backupmonitor/services/internal/scan"
)

func requested(id string) events.ScanRequested {
	now := time.Date(2026, 2, 21, 20, 0, 0, 0, time.UTC)
	return events.ScanRequested{
		ScanID: id, ScanDate: date, Modes: events.Modes(), Trigger: events.TriggerAPI,
		RequestedAt: now, Deadline: now.Add(2 * time.Hour),
	}
}

func TestIDs(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 2, 21, 16, 30, 0, 0, time.FixedZone("Dhaka", 6*3600))
	a, b, later := scan.NewID(now), scan.NewID(now), scan.NewID(now.Add(time.Second))
	if a == b || !slices.IsSorted([]string{a, later}) || !slices.IsSorted([]string{b, later}) {
		t.Errorf("ids are %s and %s, then %s", a, b, later)
	}
	if len(a) != len("20260221T103000Z-ABCDEF") || a[:17] != "20260221T103000Z-" || events.Token(a) != a {
		t.Errorf("id is %s", a)
	}
	if got := scan.CronID(now); got != "20260221T103000Z" {
		t.Errorf("the id of a slot is %s", got)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*events.ScanRequested){
		"no id":              func(r *events.ScanRequested) { r.ScanID = "" },
		"no time":            func(r *events.ScanRequested) { r.RequestedAt = time.Time{} },
		"no mode":            func(r *events.ScanRequested) { r.Modes = nil },
		"unknown mode":       func(r *events.ScanRequested) { r.Modes = []events.Mode{"both"} },
		"mode twice":         func(r *events.ScanRequested) { r.Modes = []events.Mode{events.DDrive, events.DDrive} },
		"bad outlet":         func(r *events.ScanRequested) { r.Outlets = []string{"A1", " "} },
		"no date":            func(r *events.ScanRequested) { r.ScanDate = "" },
		"bad date":           func(r *events.ScanRequested) { r.ScanDate = "2026-02-30" },
		"tomorrow":           func(r *events.ScanRequested) { r.ScanDate = "2026-02-22" },
		"deadline too far":   func(r *events.ScanRequested) { r.Deadline = r.RequestedAt.Add(24*time.Hour + 1) },
		"deadline too early": func(r *events.ScanRequested) { r.Deadline = r.RequestedAt },
	} {
		r := requested("x")
		edit(&r)
		if err := scan.Validate(r, time.UTC); !errors.Is(err, scan.ErrInvalid) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
	r := requested("x")
	r.Deadline = r.RequestedAt.Add(24 * time.Hour)
	if err := scan.Validate(r, time.UTC); err != nil {
		t.Errorf("a good request: %v", err)
	}
	r.ScanDate = "2026-02-22" // there it is tomorrow already
	if err := scan.Validate(r, time.FixedZone("Dhaka", 6*3600)); err != nil {
		t.Errorf("today in the zone: %v", err)
	}
}

func TestRequestStoresOnce(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r := requested("once")
	seq, err := scan.Request(ctx, s.Log, time.UTC, r)
	if err != nil {
		t.Fatal(err)
	}
	again, err := scan.Request(ctx, s.Log, time.UTC, r)
	if err != nil || again != seq {
		t.Errorf("the same again is at %d (%v), want %d", again, err, seq)
	}
	r.RequestedBy = "somebody else"
	if _, err := scan.Request(ctx, s.Log, time.UTC, r); !errors.Is(err, events.ErrConflict) {
		t.Errorf("another of this id: error is %v", err)
	}
	got, position, err := scan.Requested(ctx, s.Log, "once")
	if err != nil || position != seq || got.RequestedBy != "" {
		t.Errorf("stored is %+v at %d (%v)", got, position, err)
	}
	r.Modes = nil
	if _, err := scan.Request(ctx, s.Log, time.UTC, r); !errors.Is(err, scan.ErrInvalid) {
		t.Errorf("an invalid one: error is %v", err)
	}
}

func TestNoScanInAFullLog(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := scan.Request(ctx, s.Log, time.UTC, requested("first")); err != nil {
		t.Fatal(err)
	}
	used, err := s.Log.Identity(ctx)
	if err != nil {
		t.Fatal(err)
	}
	limits := events.Limits{EventsMaxBytes: int64(float64(used.Bytes) / scan.MaxFill), Replicas: 1}
	if err := events.Provision(ctx, s.JS, limits); err != nil {
		t.Fatal(err)
	}
	if _, err := scan.Request(ctx, s.Log, time.UTC, requested("second")); !errors.Is(err, scan.ErrLogNearlyFull) {
		t.Errorf("error is %v", err)
	}
	if got := scan.Fill(events.Identity{Bytes: 5}); got != 0 {
		t.Errorf("a log without a size is filled to %v", got)
	}
}

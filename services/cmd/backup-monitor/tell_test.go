package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/config"
	"backupmonitor/services/internal/natstest"
	"backupmonitor/services/internal/registry"
)

// What a command changes is in the audit trail, as what the API changes is; what
// it changes nothing with is not.
func TestCommandsAreAudited(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	cfg, err := config.Load(nil, "")
	if err != nil {
		t.Fatal(err)
	}
	a := &app{stdout: io.Discard, stderr: io.Discard, config: cfg}
	_, _, err = n.Log.Append(t.Context(), events.CredentialChanged{Account: `D\u`, State: events.CredentialTripped, ChangedAt: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	rows := []registry.OutletRow{{Code: "B1", Address: "10.0.0.1", Name: new("x"), Active: new(true)}}
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	for _, do := range []func() error{
		func() error { return a.importOutlets(ctx, n.Log, rows, true) },
		func() error { return a.importOutlets(ctx, n.Log, rows, false) },
		func() error { return a.importOutlets(ctx, n.Log, rows, false) },
		func() error { return a.applySettings(ctx, n.Log, true) },
		func() error { return a.applySettings(ctx, n.Log, false) },
		func() error { return a.applySettings(ctx, n.Log, false) },
		func() error { return a.retryCredential(ctx, n.Log, `D\u`) },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	feed, err := n.Log.Feed(t.Context(), events.FeedOptions{Subjects: []string{events.AllAudit}})
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Stop()
	scanned := make(chan error, 1)
	go func() { scanned <- a.scan(ctx, n.Log, scanRequest{modes: events.Modes()}) }()
	var told []string
	for range 4 {
		r, err := feed.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		e, err := r.Decode()
		if err != nil {
			t.Fatal(err)
		}
		u := e.Data.(events.Audited)
		if u.Actor != "command line" || u.ID == "" || u.At.IsZero() {
			t.Errorf("%+v", u)
		}
		told = append(told, string(u.Kind))
	}
	leave()
	if err := <-scanned; err == nil {
		t.Error("a scan that nobody makes has ended")
	}
	if want := []string{"outlets_imported", "settings_changed", "credential_retried", "scan_requested"}; !slices.Equal(told, want) {
		t.Errorf("told %s and not %s", fmt.Sprint(told), want)
	}
}

// An import that breaks off tells how many outlets are written.
func TestImportIntoALogThatGetsFull(t *testing.T) {
	t.Parallel()
	n := natstest.Start(t)
	n.Bound(t, 40_000)
	var rows []registry.OutletRow
	for i := range 500 {
		rows = append(rows, registry.OutletRow{Code: fmt.Sprintf("B%03d", i), Address: "10.0.0.1"})
	}
	a := &app{stdout: io.Discard, stderr: io.Discard}
	err := a.importOutlets(t.Context(), n.Log, rows, false)
	stored, lerr := registry.Load(t.Context(), n.Log, 0)
	if lerr != nil {
		t.Fatal(lerr)
	}
	if want := fmt.Sprintf("surely written: %d of the 500", stored.Len()); err == nil || stored.Len() == 0 || !strings.Contains(err.Error(), want) {
		t.Errorf("want %q: %v", want, err)
	}
}

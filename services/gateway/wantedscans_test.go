package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/scan"
)

// wanting is a gateway whose clock the test sets, in a system without a scheduler
// that is to scan every hour.
type wanting struct {
	*env
	t     *testing.T
	ahead atomic.Int64 // of the clock
	slot  time.Time    // the next one
}

func startWanting(t *testing.T) *wanting {
	t.Helper()
	w := &wanting{t: t, slot: time.Now().UTC().Truncate(time.Hour).Add(time.Hour)}
	w.env = start(t, func(s *setup) { s.cfg.Now = w.now })
	eventually(t, "ready", func() bool { return w.ready() == "" })
	return w
}

func (w *wanting) now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())).UTC() }

func (w *wanting) clock(at time.Time) { w.ahead.Store(int64(time.Until(at))) }

func (w *wanting) hourly() {
	w.t.Helper()
	w.append(w.t, events.SettingsChanged{
		Schedule:  events.Schedule{IntervalSeconds: 3600, From: "00:00", To: "24:00", Days: []int{0, 1, 2, 3, 4, 5, 6}},
		ChangedAt: w.slot.Add(-time.Hour),
	})
}

// ready is what is wrong with the full scans, "" for nothing.
func (w *wanting) ready() string {
	w.t.Helper()
	w.gateway.ForgetReadiness()
	body := w.plain(w.t, http.MethodGet, "/readyz?verbose", nil).body
	_, check, _ := strings.Cut(body, `{"name":"full scans","ok":`)
	check, _, _ = strings.Cut(check, "}")
	if check == "true" {
		return ""
	}
	return check
}

func (w *wanting) is(want string) {
	w.t.Helper()
	got := ""
	eventually(w.t, fmt.Sprintf("of the full scans it says %q", want), func() bool {
		got = w.ready()
		return (got == "") == (want == "") && strings.Contains(got, want)
	})
}

func (w *wanting) ask(id string, change func(*events.ScanRequested)) (events.ScanRequested, uint64) {
	w.t.Helper()
	now := w.now()
	r := events.ScanRequested{
		ScanID: id, ScanDate: events.DateOf(now, time.UTC), Modes: events.Modes(), Trigger: events.TriggerAPI, RequestedBy: "admin",
		RequestedAt: now, Deadline: now.Add(time.Hour),
	}
	if change != nil {
		change(&r)
	}
	return r, w.append(w.t, r)
}

func byCron(r *events.ScanRequested) { r.Trigger, r.RequestedBy = events.TriggerCron, "" }

// A moment of the schedule that passes without its scan turns readiness red, until
// a full scan runs. One of chosen outlets does not make up for it.
func TestNotReadyWithoutTheScanThatIsDue(t *testing.T) {
	t.Parallel()
	w := startWanting(t)
	w.hourly()
	w.clock(w.slot.Add(time.Minute)) // it may still come
	w.is("")
	w.clock(w.slot.Add(3 * time.Minute))
	due := "no full scan was asked for at " + w.slot.Format(time.RFC3339)
	w.is(due)
	r, position := w.ask("chosen", func(r *events.ScanRequested) { r.Outlets = []string{"S1"} })
	w.append(t, started(r, position, "S1"))
	w.is(due)
	r, position = w.ask("by-hand", nil)
	w.append(t, started(r, position, "S1"))
	w.is("")
	w.clock(w.slot.Add(63 * time.Minute))
	w.is("no full scan was asked for at " + w.slot.Add(time.Hour).Format(time.RFC3339))
	w.ask(scan.CronID(w.slot.Add(time.Hour)), byCron)
	w.is("") // asked for, and may begin in a moment
}

// Of a schedule that was set just now, and of the moments while nothing of the
// system ran, no scan is missed.
func TestReadyWithoutAScanThatNobodyOwes(t *testing.T) {
	t.Parallel()
	w := startWanting(t)
	w.hourly()
	if why := w.ready(); why != "" { // the hour's own, which a scheduler may make up for
		t.Errorf("just begun: %s", why)
	}
	w.append(t, events.SettingsChanged{
		Schedule:  events.Schedule{IntervalSeconds: 3600, From: "00:00", To: "24:00", Days: []int{0, 1, 2, 3, 4, 5, 6}},
		ChangedAt: w.slot.Add(time.Second),
	})
	w.clock(w.slot.Add(4 * time.Minute))
	if why := w.ready(); why != "" {
		t.Errorf("a schedule set after the moment: %s", why)
	}
	w.append(t, events.SettingsChanged{ // no user of the API could set it
		Schedule: events.Schedule{IntervalSeconds: 1}, ChangedAt: w.slot.Add(time.Second),
	})
	w.is("the schedule cannot be kept")
}

// A full scan that a scheduler has ended because it cannot be run, or that none
// begins, turns readiness red and says what to do, until one runs.
func TestNotReadyAfterAScanThatCouldNotBeRun(t *testing.T) {
	t.Parallel()
	w := startWanting(t)
	giveUp := func(r events.ScanRequested) {
		w.append(t, events.ScanCompleted{
			ScanID: r.ScanID, ScanDate: r.ScanDate, Modes: r.Modes, Cancelled: true, CancelledBy: scan.GivenUp + "it is too large; retire outlets", CompletedAt: w.now(),
		})
	}
	r, _ := w.ask("chosen", func(r *events.ScanRequested) { r.Outlets = []string{"S1"} })
	giveUp(r)
	w.is("")
	r, _ = w.ask("large", nil)
	giveUp(r)
	tooLarge := "the last full scan could not be run: it is too large; retire outlets"
	w.is(tooLarge)
	r, _ = w.ask("cancelled", nil)
	w.append(t, events.ScanCompleted{ScanID: r.ScanID, ScanDate: r.ScanDate, Modes: r.Modes, Cancelled: true, CancelledBy: "admin", CompletedAt: w.now()})
	w.is(tooLarge) // that one was not run either
	r, position := w.ask("small", nil)
	w.is(tooLarge)
	w.append(t, started(r, position, "S1"))
	w.is("")
	w.ask("queued", nil)
	w.ask("others", func(r *events.ScanRequested) { r.RequestedBy = "support" })
	w.clock(w.now().Add(3 * time.Minute))
	w.is("has not begun: see that a scheduler runs")
	r, position = w.ask("last", func(r *events.ScanRequested) { r.RequestedBy = "support" })
	w.append(t, started(r, position, "S1"))
	w.is("") // what waits may wait for its turn
}

// What came of the scan of a weekly schedule is known for as long as no other is due.
func TestNotReadyForDaysAfterAScanThatCouldNotBeRun(t *testing.T) {
	t.Parallel()
	w := startWanting(t)
	weekly := events.Schedule{IntervalSeconds: 24 * 3600, From: w.slot.Format("15:04"), To: "24:00", Days: []int{int(w.slot.Weekday())}}
	w.append(t, events.SettingsChanged{Schedule: weekly, ChangedAt: w.slot.Add(-time.Hour)})
	w.clock(w.slot)
	r, _ := w.ask(scan.CronID(w.slot), byCron)
	w.append(t, events.ScanCompleted{ScanID: r.ScanID, ScanDate: r.ScanDate, Modes: r.Modes, Cancelled: true, CancelledBy: scan.GivenUp + "it is too large", CompletedAt: w.now()})
	w.is("it is too large")
	w.clock(w.slot.Add(5 * 24 * time.Hour))
	w.is("it is too large")
}

package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"backupmonitor/events"
	"backupmonitor/services/internal/natstest"
	"backupmonitor/services/internal/store"
	"backupmonitor/services/internal/store/sqlite"
	"backupmonitor/services/internal/store/sqlitetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const limit = 30 * time.Second

// world is a log and a database.
type world struct {
	dir   string // of the log
	nats  *natstest.Server
	store *sqlite.Store
	clock atomic.Int64 // offset
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	return &world{dir: dir, nats: natstest.StartAt(t, dir), store: sqlitetest.Open(t)}
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.clock.Load())) }

// trail is one process's, over an outbox that may fail.
func (w *world) trail(o Outbox) *Trail {
	return New(w.nats.Log, o, w.now, slog.New(slog.DiscardHandler))
}

// told is what the log holds.
func (w *world) told(t testing.TB) []Entry {
	t.Helper()
	all, err := Newest(t.Context(), w.nats.Log, w.now(), Query{Limit: MaxEntries})
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(all)
	return all
}

func change(object string) events.Audited {
	return events.Audited{Kind: events.UserChanged, Actor: "admin", Object: object, Address: "192.0.2.1"}
}

// failing is an outbox of a process that dies at a given call.
type failing struct {
	*sqlite.Store
	puts, drops int // calls that succeed; -1: all
}

var errDied = errors.New("the process has died")

func (f *failing) PutNote(ctx context.Context, n store.Note) error {
	if f.puts == 0 {
		return errDied
	}
	f.puts--
	return f.Store.PutNote(ctx, n)
}

func (f *failing) DropNotes(ctx context.Context, ids ...string) error {
	if f.drops == 0 {
		return errDied
	}
	f.drops--
	return f.Store.DropNotes(ctx, ids...)
}

// A process that ends after the commit and before the delivery, or after the
// delivery and before it is noted, loses nothing and doubles nothing: another
// one goes on.
func TestACrashBetweenCommitAndDelivery(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dying := w.trail(&failing{Store: w.store, drops: 0})
	var want []string
	for i := range 5 {
		id := fmt.Sprint("user", i)
		u := store.User{ID: id, Type: "S", PasswordHash: "x"}
		if err := w.store.AddUser(t.Context(), u, dying.Note(change(id))); err != nil {
			t.Fatal(err)
		}
		want = append(want, id)
	}
	if n := len(w.told(t)); n != 0 {
		t.Fatalf("%d events before any delivery", n)
	}
	if err := dying.Deliver(t.Context()); !errors.Is(err, errDied) { // all are in the log, and still in the outbox
		t.Fatal(err)
	}
	if left, err := w.store.Outbox(t.Context(), w.now(), 100); err != nil || len(left) != 5 {
		t.Fatal(left, err)
	}
	if err := w.trail(w.store).Deliver(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range w.told(t) {
		got = append(got, e.Object)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the log tells %v and not %v", got, want)
	}
	if left, err := w.store.Outbox(t.Context(), w.now(), 100); err != nil || len(left) != 0 {
		t.Error(left, err)
	}
}

// Several processes deliver from one outbox at once.
func TestSeveralDeliverOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const processes, notes = 3, 60
	ctx, cancel := context.WithCancel(t.Context())
	var running, putting sync.WaitGroup
	for p := range processes {
		tr := w.trail(w.store)
		running.Go(func() { tr.Run(ctx) })
		putting.Go(func() {
			for i := range notes {
				if err := w.store.PutNote(ctx, tr.Note(change(fmt.Sprint(p, " ", i)))); err != nil {
					t.Error(err)
				}
				tr.Committed()
			}
		})
	}
	putting.Wait()
	for deadline := time.Now().Add(limit); len(w.told(t)) < processes*notes && time.Now().Before(deadline); {
		<-time.After(20 * time.Millisecond)
	}
	cancel()
	running.Wait()
	seen := map[string]int{}
	for _, e := range w.told(t) {
		seen[e.ID]++
	}
	if len(seen) != processes*notes || len(w.told(t)) != processes*notes {
		t.Errorf("%d events of %d notes", len(w.told(t)), len(seen))
	}
}

// What commits in the log is told of exactly when it was done.
func TestAroundAnAction(t *testing.T) {
	t.Parallel()
	errNothing, errOpen := errors.New("nothing was done"), errors.New("nobody knows")
	undone := func(err error) bool { return errors.Is(err, errNothing) }
	for name, c := range map[string]struct {
		puts    int // that succeed before the process dies
		do      error
		done    bool   // whether do was called
		told    int    // at once
		later   int    // when the time of what is open has come
		outcome string // of that
	}{
		"done":                         {puts: -1, done: true, told: 1, later: 1},
		"surely not done":              {puts: -1, do: errNothing, done: true},
		"perhaps done":                 {puts: -1, do: errOpen, done: true, later: 1, outcome: OutcomeUnknown},
		"died before":                  {puts: 0},
		"died between, after the deed": {puts: 1, done: true, later: 1, outcome: OutcomeUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			called := false
			err := w.trail(&failing{Store: w.store, puts: c.puts, drops: -1}).Around(t.Context(), nil, change("jo"), undone, func(context.Context) error {
				called = true
				return c.do
			})
			if called != c.done || c.done && !errors.Is(err, c.do) || !c.done && !errors.Is(err, errDied) {
				t.Fatalf("called %t, %v", called, err)
			}
			other := w.trail(w.store)
			for _, want := range []int{c.told, c.later} {
				if err := other.Deliver(t.Context()); err != nil {
					t.Fatal(err)
				}
				if got := len(w.told(t)); got != want {
					t.Errorf("%d events are told and not %d", got, want)
				}
				w.clock.Add(int64(unsettledFor + time.Second))
			}
			if c.later == 1 {
				if e := w.told(t)[0]; e.Details[Outcome] != c.outcome || e.Object != "jo" || e.Kind != events.UserChanged {
					t.Errorf("%+v", e)
				}
			}
		})
	}
}

// A log that is down keeps nobody from changing anything; what was changed
// meanwhile is told when there is a log again.
func TestTheLogComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tr := w.trail(w.store)
	w.nats.Stop()
	if err := w.store.PutNote(t.Context(), tr.Note(change("jo"))); err != nil {
		t.Fatal(err)
	}
	if err := tr.Deliver(t.Context()); err == nil {
		t.Fatal("a dead log took an event")
	}
	w.nats = natstest.StartAt(t, w.dir)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	after := w.trail(w.store)
	running.Go(func() { after.Run(ctx) })
	defer running.Wait()
	defer cancel()
	for deadline := time.Now().Add(limit); len(w.told(t)) == 0; {
		if time.Now().After(deadline) {
			t.Fatal("the event never came")
		}
		<-time.After(20 * time.Millisecond)
	}
}

func TestReadTheTrail(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	kinds := []events.AuditKind{events.SignedIn, events.UserChanged, events.ScanAsked}
	for i := range 30 {
		e := events.Audited{ID: fmt.Sprint(i), Kind: kinds[i%3], Actor: fmt.Sprint("U", i%2), Object: fmt.Sprint("o", i%5), At: w.now()}
		if _, _, err := w.nats.Log.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	ids := func(q Query) (ids []string) {
		t.Helper()
		entries, err := Newest(t.Context(), w.nats.Log, w.now(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			ids = append(ids, e.ID)
		}
		return ids
	}
	for _, c := range []struct {
		q    Query
		want string
	}{
		{Query{Limit: 4}, "[29 28 27 26]"},
		{Query{Limit: 1}, "[29]"},
		{Query{Limit: 3, Kind: events.SignedIn}, "[27 24 21]"},
		{Query{Limit: 3, Actor: "u1"}, "[29 27 25]"},
		{Query{Limit: 3, Actor: "U1", Kind: events.SignedIn}, "[27 21 15]"},
		{Query{Limit: 100, Object: "O4", Actor: "u0"}, "[24 14 4]"},
		{Query{Limit: 3, Before: 4}, "[2 1 0]"},
		{Query{Limit: 3, Before: 1}, "[]"},
		{Query{Limit: 3, Since: w.now().Add(time.Hour)}, "[]"},
		{Query{Limit: 2, Since: w.now().Add(-time.Hour)}, "[29 28]"},
	} {
		if got := fmt.Sprint(ids(c.q)); got != c.want {
			t.Errorf("%+v gives %s and not %s", c.q, got, c.want)
		}
	}
	if n := len(ids(Query{Limit: 100})); n != 30 {
		t.Errorf("%d of 30 entries", n)
	}
	w.clock.Store(int64(400 * 24 * time.Hour)) // a year later they are still found
	if got := fmt.Sprint(ids(Query{Limit: 2})); got != "[29 28]" {
		t.Errorf("a year later %s", got)
	}
}

type outbox = Outbox

// countedOutbox counts what is written.
type countedOutbox struct {
	outbox
	transactions atomic.Int64
}

func (o *countedOutbox) PutNote(ctx context.Context, n store.Note) error {
	o.transactions.Add(1)
	return o.outbox.PutNote(ctx, n)
}

func (o *countedOutbox) DropNotes(ctx context.Context, ids ...string) error {
	o.transactions.Add(1)
	return o.outbox.DropNotes(ctx, ids...)
}

// The trail does not fill with what strangers do.
func TestStrangersAreRationed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	asked := &countedOutbox{outbox: w.store}
	tr := w.trail(asked)
	try := func() {
		t.Helper()
		if err := tr.Refused(t.Context(), events.Audited{Kind: events.SignInFailed}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 100 {
		if i < strangersBurst {
			tr.Stranger(t.Context(), events.Audited{Kind: events.SignInFailed})
		} else {
			try()
		}
	}
	tr.Stranger(t.Context(), events.Audited{Kind: events.SignInFailed}) // costs nothing any more
	if n := asked.transactions.Load(); n != 100 {
		t.Errorf("%d transactions for 100 tries: those without one take a shorter time", n)
	}
	w.clock.Store(int64(strangersEvery))
	try()
	if err := tr.Deliver(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := w.told(t)
	if len(all) != strangersBurst+1 || all[strangersBurst].Details["notRecordedBefore"] != "71" {
		t.Errorf("%d events, the last %+v", len(all), all[len(all)-1])
	}
}

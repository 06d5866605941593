package sqlserver

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
)

// answered is what a driver gives for rows.
type answered [][]driver.Value

func (a *answered) Columns() []string {
	if len(*a) == 0 {
		return make([]string, 1)
	}
	return make([]string, len((*a)[0]))
}

func (a *answered) Close() error { return nil }

func (a *answered) Next(into []driver.Value) error {
	if len(*a) == 0 {
		return io.EOF
	}
	copy(into, (*a)[0])
	*a = (*a)[1:]
	return nil
}

// readings are the reads of a store that stand for all: the latest date goes
// through the writer, the others through the pool for reads.
func readings(s *Store) map[string]func(context.Context) error {
	list := func(q store.Query) func(context.Context) error {
		return func(ctx context.Context) error { return s.Rows(ctx, q, func(store.Row) error { return nil }) }
	}
	return map[string]func(context.Context) error{
		"latest": func(ctx context.Context) error {
			_, err := s.LatestScanDate(ctx, events.DDrive, "2026-02-21")
			return err
		},
		"outlets": func(ctx context.Context) error { _, err := s.ActiveOutlets(ctx); return err },
		"summary": func(ctx context.Context) error {
			_, err := s.Summary(ctx, store.Query{Mode: events.DDrive})
			return err
		},
		"history": func(ctx context.Context) error {
			return s.History(ctx, store.Query{Mode: events.DDrive}, func(store.Look) error { return nil })
		},
		"rows":              list(store.Query{Mode: events.DDrive}),
		"rows of an outlet": list(store.Query{Mode: events.DDrive, Outlet: "OUT001"}),
	}
}

// isolating answers how the database isolates, and whether other questions are
// in order; see sqlViews.
func isolating(snapshots *bool, other func(text string) error) func(context.Context, string) (driver.Rows, error) {
	return func(_ context.Context, text string) (driver.Rows, error) {
		if text == sqlViews {
			return &answered{{false, *snapshots}}, nil
		}
		if err := other(text); err != nil {
			return nil, err
		}
		if strings.HasPrefix(text, "SELECT MAX") {
			return &answered{{nil}}, nil
		}
		return &answered{}, nil
	}
}

// TestReadsAreRepeated: each statement loses a deadlock, and one loses too many.
func TestReadsAreRepeated(t *testing.T) {
	t.Parallel()
	for _, most := range []int{repeats - 1, repeats} {
		lost := map[string]int{}
		s := behind(t, &answering{query: isolating(new(bool), func(text string) error {
			if lost[text]++; lost[text] <= most {
				return answer(1205)
			}
			return nil
		})})
		for name, read := range readings(s) {
			clear(lost)
			if err := read(t.Context()); (err == nil) != (most < repeats) {
				t.Errorf("%s after %d deadlocks: %v", name, most, err)
			}
		}
	}
}

// TestSnapshotsEnd: the database stops allowing snapshots while we work.
func TestSnapshotsEnd(t *testing.T) {
	t.Parallel()
	for name := range readings(nil) {
		allowed, seen := true, 0
		s := behind(t, &answering{query: isolating(&allowed, func(string) error { return nil })}, &answering{query: isolating(&allowed, func(string) error {
			if seen++; !allowed {
				return answer(3952)
			}
			return nil
		})})
		read := readings(s)[name]
		for _, allowed = range []bool{true, false} {
			if err := read(t.Context()); err != nil {
				t.Errorf("%s with snapshots %t: %v", name, allowed, err)
			}
			if advice, err := s.Advice(t.Context()); err != nil || allowed != (advice == "") {
				t.Errorf("snapshots %t: advice %q, %v", allowed, advice, err)
			}
		}
		if name != "latest" && seen == 0 {
			t.Errorf("%s was never read in a snapshot", name)
		}
	}
}

// TestDeadLine: a server that says nothing is not waited for.
func TestDeadLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := behind(t, &answering{query: func(ctx context.Context, text string) (driver.Rows, error) {
			if text == sqlThere {
				return &answered{{true, true}}, nil
			}
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		for name, ask := range map[string]func(context.Context) error{
			"migrate": s.Migrate,
			"advice":  func(ctx context.Context) error { _, err := s.Advice(ctx); return err },
			"outlets": func(ctx context.Context) error { _, err := s.EarlierOutlets(ctx); return err },
			"days":    func(ctx context.Context) error { _, err := s.EarlierDays(ctx, events.DDrive); return err },
			"rows": func(ctx context.Context) error {
				_, err := s.EarlierRows(ctx, events.DDrive, "2025-03-01", "2025-03-02")
				return err
			},
		} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			if err := ask(ctx); store.Reason(err, "") != "the database does not answer in time" || ctx.Err() != nil {
				t.Errorf("%s: %v", name, err)
			}
			cancel()
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestLostLock: who works under a lock that is gone is stopped, and one whose
// lock is there is not.
func TestLostLock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pings := 0
		a := &answering{}
		s := behind(t, a)
		a.ping = func(context.Context) error {
			if pings++; pings == 3 {
				return driver.ErrBadConn
			}
			return nil
		}
		err := s.Exclusive(t.Context(), func(ctx context.Context) error {
			timer := time.NewTimer(2*lockCheck + lockCheck/2)
			<-timer.C
			return ctx.Err()
		})
		if err != nil || pings != 2 {
			t.Errorf("a lock that is there: %v after %d pings", err, pings)
		}
		err = s.Exclusive(t.Context(), func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		})
		if !errors.Is(err, errUnlocked) || store.Reason(err, "") == "" {
			t.Errorf("a lock that is gone: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestWaitersGiveUp: who waits for another one's question to the server waits no
// longer than its own context lasts.
func TestWaitersGiveUp(t *testing.T) {
	t.Parallel()
	asked, answers := make(chan struct{}, 1), make(chan struct{})
	s := behind(t, &answering{query: func(context.Context, string) (driver.Rows, error) {
		asked <- struct{}{}
		<-answers
		return &answered{{false, false}}, nil
	}})
	s.layout = nil
	var first sync.WaitGroup
	defer first.Wait()
	defer close(answers)
	first.Go(func() {
		if _, err := s.reading(t.Context()); err != nil {
			t.Error(err)
		}
	})
	<-asked
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	waiting := map[string]func(context.Context) error{
		"a batch":  func(ctx context.Context) error { return s.Apply(ctx, batch()) },
		"a repair": func(ctx context.Context) error { return s.Repair(ctx, nil) },
		"forget":   s.forget,
	}
	maps.Copy(waiting, readings(s))
	delete(waiting, "latest") // it does not ask that
	for name, wait := range waiting {
		ended := make(chan error, 1)
		go func() { ended <- wait(ctx) }()
		select {
		case err := <-ended:
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v, want that it took too long", name, err)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s waits on", name)
		}
	}
}

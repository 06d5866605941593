package control_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"backupmonitor/services/internal/control"
	"backupmonitor/services/internal/natstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type question struct{ Text string }
type answer struct{ Text string }

// quick is production's timing, faster, and still patient with a machine that is
// busy with other tests.
func quick() control.Timing {
	return control.Timing{Alive: 20 * time.Millisecond, Silent: 2 * time.Second}
}

// serving serves handlers until the returned function is called.
func serving(t *testing.T, s *natstest.Server, handlers map[string]control.Handler) (stop func()) {
	t.Helper()
	nc, _, _ := s.Client(t, "instance")
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := control.Serve(ctx, nc, quick(), slog.New(slog.DiscardHandler), handlers); err != nil {
			t.Error(err)
		}
	})
	stop = func() { cancel(); wg.Wait() }
	t.Cleanup(stop)
	return stop
}

// ask calls until somebody serves.
func ask(ctx context.Context, t *testing.T, s *natstest.Server, name string, q question, progress func(control.Progress)) (answer, error) {
	t.Helper()
	for {
		var a answer
		err := control.Call(ctx, s.Conn, quick(), name, q, &a, progress)
		if !errors.Is(err, control.ErrNobody) || t.Context().Err() != nil {
			return a, err
		}
	}
}

func TestCall(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	serving(t, s, map[string]control.Handler{
		"echo": control.Of(func(_ context.Context, q question, progress func(control.Progress)) (answer, error) {
			for i := range uint64(3) {
				progress(control.Progress{What: "counting", Done: i + 1, Total: 3})
			}
			return answer(q), nil
		}),
		"fail": control.Of(func(context.Context, question, func(control.Progress)) (answer, error) {
			return answer{}, errors.New("the disk is full")
		}),
		"slow": control.Of(func(ctx context.Context, q question, _ func(control.Progress)) (answer, error) {
			select { // longer than either side's patience with silence
			case <-time.After(2 * quick().Silent):
			case <-ctx.Done():
				return answer{}, ctx.Err()
			}
			return answer(q), nil
		}),
	})
	var steps []control.Progress
	long := strings.Repeat("ü", 1_500_000) // more than one message takes
	for _, text := range []string{"", "hello", long[:len(long)/4]} {
		a, err := ask(t.Context(), t, s, "echo", question{text}, func(p control.Progress) { steps = append(steps, p) })
		if err != nil || a.Text != text {
			t.Fatalf("%d bytes came back as %d, %v", len(text), len(a.Text), err)
		}
	}
	if n := len(steps); n < 6 || steps[n-1] != (control.Progress{What: "counting", Done: 3, Total: 3}) {
		t.Errorf("progress %v", steps)
	}
	if _, err := ask(t.Context(), t, s, "fail", question{}, nil); err == nil || err.Error() != "the disk is full" {
		t.Errorf("error %v", err)
	}
	if a, err := ask(t.Context(), t, s, "slow", question{"late"}, nil); err != nil || a.Text != "late" {
		t.Errorf("a slow answer: %v, %v", a, err)
	}
	var a answer
	if err := control.Call(t.Context(), s.Conn, quick(), "unheard-of", question{}, &a, nil); !errors.Is(err, control.ErrNobody) {
		t.Errorf("error %v, want ErrNobody", err)
	}
}

// TestLargeAnswer comes in several messages.
func TestLargeAnswer(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	long := strings.Repeat("ü", 1_500_000)
	serving(t, s, map[string]control.Handler{
		"large": control.Of(func(context.Context, question, func(control.Progress)) (answer, error) { return answer{long}, nil }),
	})
	if a, err := ask(t.Context(), t, s, "large", question{}, nil); err != nil || a.Text != long {
		t.Fatalf("%d of %d bytes, %v", len(a.Text), len(long), err)
	}
}

// TestLeaving: work whose caller leaves, in good order or by dying, ends.
func TestLeaving(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(s *natstest.Server, cancel func()){
		"cancelled": func(_ *natstest.Server, cancel func()) { cancel() },
		"dead":      func(s *natstest.Server, _ func()) { s.Conn.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := natstest.Start(t)
			began, ended := make(chan struct{}), make(chan struct{})
			serving(t, s, map[string]control.Handler{
				"endless": control.Of(func(ctx context.Context, _ question, _ func(control.Progress)) (answer, error) {
					close(began)
					<-ctx.Done()
					close(ended)
					return answer{}, ctx.Err()
				}),
			})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var wg sync.WaitGroup
			wg.Go(func() {
				if _, err := ask(ctx, t, s, "endless", question{}, nil); err == nil {
					t.Error("endless work has ended")
				}
			})
			<-began
			leave(s, cancel)
			<-ended
			wg.Wait()
		})
	}
}

// TestInstanceStops: a call at work ends when the instance does, and one whose
// instance dies is told so.
func TestInstanceStops(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	began := make(chan struct{})
	stop := serving(t, s, map[string]control.Handler{
		"endless": control.Of(func(ctx context.Context, _ question, _ func(control.Progress)) (answer, error) {
			close(began)
			<-ctx.Done()
			return answer{}, errors.New("stopped")
		}),
	})
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := ask(t.Context(), t, s, "endless", question{}, nil); err == nil || err.Error() != "stopped" {
			t.Errorf("error %v, want the handler's", err)
		}
	})
	<-began
	stop()
	wg.Wait()
	// Somebody who listens and never answers.
	sub, err := s.Conn.SubscribeSync("ctl.do.mute")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	var a answer
	if err := control.Call(t.Context(), s.Conn, quick(), "mute", question{}, &a, nil); !errors.Is(err, control.ErrSilent) {
		t.Errorf("error %v, want ErrSilent", err)
	}
}

// TestStoppingAnswers: whoever asks when the instance is stopping is refused,
// and not left without a word.
func TestStoppingAnswers(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	nc, _, _ := s.Client(t, "instance")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	began, may := make(chan struct{}), make(chan struct{})
	var serving sync.WaitGroup
	serving.Go(func() {
		err := control.Serve(ctx, nc, quick(), slog.New(slog.DiscardHandler), map[string]control.Handler{
			"held": control.Of(func(context.Context, question, func(control.Progress)) (answer, error) {
				close(began)
				<-may
				return answer{}, nil
			}),
			"other": control.Of(func(context.Context, question, func(control.Progress)) (answer, error) { return answer{}, nil }),
		})
		if err != nil {
			t.Error(err)
		}
	})
	var asking sync.WaitGroup
	asking.Go(func() {
		if _, err := ask(t.Context(), t, s, "held", question{}, nil); err != nil {
			t.Errorf("the one at work: %v", err)
		}
	})
	<-began
	inbox, err := s.Conn.SubscribeSync("answers")
	if err != nil {
		t.Fatal(err)
	}
	const calls = 200
	results, refused := 0, 0 // of some NATS says itself that nobody is there any more
	answered := func() {
		m, err := inbox.NextMsg(5 * time.Second)
		switch {
		case errors.Is(err, nats.ErrNoResponders):
			refused++
		case err != nil:
			t.Fatalf("%d results, %d refusals, then %v", results, refused, err)
		case m.Header.Get("Ctl-Kind") == "result":
			results++
		case m.Header.Get("Ctl-Kind") == "error":
			refused++
		}
	}
	for i := range calls {
		if i == calls/2 { // the first is done, of the others nobody knows how far they are
			for results == 0 {
				answered()
			}
			cancel()
		}
		m := &nats.Msg{Subject: "ctl.do.other", Reply: "answers", Data: []byte("{}"), Header: nats.Header{"Ctl-Call": {fmt.Sprint(i)}}}
		if err := s.Conn.PublishMsg(m); err != nil {
			t.Fatal(err)
		}
	}
	close(may)
	serving.Wait()
	asking.Wait()
	for results+refused < calls {
		answered()
	}
	if results+refused != calls || results == 0 || refused == 0 {
		t.Errorf("%d results and %d refusals of %d", results, refused, calls)
	}
}

func TestDo(t *testing.T) {
	t.Parallel()
	h := control.Of(func(_ context.Context, q question, progress func(control.Progress)) (answer, error) {
		progress(control.Progress{Done: 1})
		return answer(q), nil
	})
	var a answer
	if err := control.Do(t.Context(), h, question{"x"}, &a, nil); err != nil || a.Text != "x" {
		t.Errorf("%v, %v", a, err)
	}
}

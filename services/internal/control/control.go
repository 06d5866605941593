// Package control lets a command ask the running instance to do what only that
// one can, because it has the data directory: over NATS, outside of the
// streams, so that nothing of it is kept.
//
// A call is answered with any number of messages: progress, then one result or
// one error. Both sides say now and then that they are still there. Whoever
// falls silent is given up: work whose caller is gone is cancelled, and a
// caller whose instance is gone is told.
//
// Who may connect to NATS may also write the log, so that a call asks nobody
// who they are.
package control

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// Errors of Call.
var (
	// ErrNobody says that whoever runs there does not take this command.
	ErrNobody = errors.New("what runs there does not take this command: it is another version, or a command at work, or there is no projector; wait for that one, or restart with this version")
	// ErrSilent says that the instance stopped answering amid a call. What
	// became of the work is not known; every command may be repeated.
	ErrSilent = errors.New("the running backup-monitor stopped answering: it was ended or is stuck")
)

// Progress is how far a piece of work is. Total 0 is not known.
type Progress struct {
	What  string `json:"what"`
	Done  uint64 `json:"done"`
	Total uint64 `json:"total"`
}

// Handler does one command: request is the caller's, as JSON; what it returns
// goes to the caller as JSON. progress may be called from one goroutine at a
// time. The error's text is shown to the caller. ctx ends when the caller
// leaves, or the instance stops.
type Handler func(ctx context.Context, request json.RawMessage, progress func(Progress)) (any, error)

// Of makes a handler of a function of its own types.
func Of[Request, Reply any](f func(context.Context, Request, func(Progress)) (Reply, error)) Handler {
	return func(ctx context.Context, request json.RawMessage, progress func(Progress)) (any, error) {
		var r Request
		if err := json.Unmarshal(request, &r); err != nil {
			return nil, fmt.Errorf("the request cannot be read: %w", err)
		}
		return f(ctx, r, progress)
	}
}

// Timing is how patient the two sides are. The zero value is what production
// uses.
type Timing struct {
	Alive  time.Duration // how often each side says that it is there; 2 s
	Silent time.Duration // after which silence the other side is given up; 15 s
}

func (t Timing) withDefaults() Timing {
	return Timing{Alive: cmp.Or(t.Alive, 2*time.Second), Silent: cmp.Or(t.Silent, 15*time.Second)}
}

// AllSubjects is what both sides of a call publish, answers aside.
const AllSubjects = "ctl.>"

const (
	subjectCall  = "ctl.do."   // followed by the command's name
	subjectThere = "ctl.call." // followed by the call's id: what its caller says meanwhile

	headerKind = "Ctl-Kind"
	headerCall = "Ctl-Call"

	kindAlive    = "alive"
	kindProgress = "progress"
	kindPart     = "part" // of a result, the next of which follows
	kindResult   = "result"
	kindError    = "error"
	kindLeave    = "leave"

	// partBytes is how much of a result one message carries; NATS takes 1 MB.
	partBytes = 512 << 10
)

// drainTimeout is how long the end of Serve waits for calls that were made and
// have not come in.
const drainTimeout = 2 * time.Second

// Serve does the commands of handlers, by name, until ctx ends; then it waits
// for those at work, and refuses those that were not begun. Commands run at once
// with each other.
func Serve(ctx context.Context, nc *nats.Conn, t Timing, logger *slog.Logger, handlers map[string]Handler) error {
	s := &server{nc: nc, timing: t.withDefaults(), logger: logger}
	var subs []*nats.Subscription
	var err error
	for name, h := range handlers {
		sub, serr := nc.QueueSubscribe(subjectCall+name, "instance", func(m *nats.Msg) {
			s.begin(ctx, m, func() { s.call(ctx, name, h, m) })
		})
		if err = serr; err != nil {
			break
		}
		subs = append(subs, sub)
	}
	if err == nil {
		<-ctx.Done()
	}
	err = errors.Join(err, drain(subs))
	s.end()
	if err != nil {
		return fmt.Errorf("take commands: %w", err)
	}
	return nil
}

// drain ends subscriptions after what has come for them was handled.
func drain(subs []*nats.Subscription) error {
	wait := time.NewTimer(drainTimeout)
	defer wait.Stop()
	var err error
	var all []<-chan struct{}
	for _, sub := range subs {
		drained := make(chan struct{})
		sub.SetClosedHandler(func(string) { close(drained) })
		switch derr := sub.Drain(); {
		case derr == nil:
			all = append(all, drained)
		case !errors.Is(derr, nats.ErrConnectionClosed):
			err = errors.Join(err, derr)
		}
	}
	for _, drained := range all {
		select {
		case <-drained:
		case <-wait.C: // the server is away: nobody hears us
			return err
		}
	}
	return err
}

type server struct {
	nc     *nats.Conn
	timing Timing
	logger *slog.Logger

	mu      sync.Mutex
	ended   bool // no call begins any more
	working sync.WaitGroup
}

// stopping is what a call hears that comes when no more are begun.
const stopping = "backup-monitor is stopping: nothing was done; ask again when it has started"

// begin has a call done, or refuses it.
func (s *server) begin(ctx context.Context, m *nats.Msg, call func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended && ctx.Err() == nil {
		s.working.Go(call)
	} else if m.Reply != "" {
		s.say(m.Reply, kindError, stopping)
	}
}

// end waits for the calls at work.
func (s *server) end() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.working.Wait()
}

// call does one command and answers it.
func (s *server) call(ctx context.Context, name string, h Handler, m *nats.Msg) {
	if m.Reply == "" {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	heard := make(chan *nats.Msg, 4)
	there, err := s.nc.ChanSubscribe(subjectThere+m.Header.Get(headerCall), heard)
	if err != nil {
		s.logger.WarnContext(ctx, "a command could not be taken", slog.String("command", name), slog.Any("error", err))
		s.say(m.Reply, kindError, "the command could not be taken: it may be asked again")
		return
	}
	var watching sync.WaitGroup
	watching.Go(func() { s.watch(ctx, cancel, heard, m.Reply) })
	result, err := h(ctx, m.Data, s.progress(m.Reply))
	cancel()
	watching.Wait()
	if uerr := there.Unsubscribe(); uerr != nil && !errors.Is(uerr, nats.ErrConnectionClosed) {
		s.logger.Warn("a call could not be closed", slog.Any("error", uerr))
	}
	if err != nil {
		s.logger.Warn("a command failed", slog.String("command", name), slog.Any("error", err))
		text := err.Error()
		if errors.Is(err, context.Canceled) {
			text = "it was stopped before its end, and may be repeated"
		}
		s.say(m.Reply, kindError, text)
		return
	}
	s.result(m.Reply, result)
}

// progressEvery bounds how often progress travels.
const progressEvery = 100 * time.Millisecond

// progress passes on what begins and what ends, and some of what is between.
func (s *server) progress(to string) func(Progress) {
	var last Progress
	var at time.Time
	return func(p Progress) {
		if p.What == last.What && p.Done != p.Total && time.Since(at) < progressEvery {
			return
		}
		last, at = p, time.Now()
		s.say(to, kindProgress, p)
	}
}

// watch says that the work goes on, and cancels it when the caller has left.
func (s *server) watch(ctx context.Context, cancel context.CancelFunc, heard <-chan *nats.Msg, reply string) {
	alive := time.NewTicker(s.timing.Alive)
	defer alive.Stop()
	silence := time.NewTimer(s.timing.Silent)
	defer silence.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-heard:
			if m.Header.Get(headerKind) == kindLeave {
				cancel()
			}
			silence.Reset(s.timing.Silent)
		case <-silence.C:
			cancel()
		case <-alive.C:
			s.say(reply, kindAlive, nil)
		}
	}
}

func (s *server) result(to string, result any) {
	data, err := json.Marshal(result)
	if err != nil {
		s.say(to, kindError, "the answer could not be written: "+err.Error())
		return
	}
	for ; len(data) > partBytes; data = data[partBytes:] {
		s.send(to, kindPart, data[:partBytes])
	}
	s.send(to, kindResult, data)
}

func (s *server) say(to, kind string, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		data = []byte("null") // of our own types alone: it cannot fail
	}
	s.send(to, kind, data)
}

func (s *server) send(to, kind string, data []byte) {
	err := s.nc.PublishMsg(&nats.Msg{Subject: to, Header: nats.Header{headerKind: {kind}}, Data: data})
	if err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		s.logger.Warn("a command could not be answered", slog.Any("error", err))
	}
}

package gateway

import (
	"context"
	"net/http"
	"sync"
	"time"

	"backupmonitor/services/gateway/peer"
	"backupmonitor/services/gateway/sse"
)

const (
	maxStreams        = 1000
	maxStreamsPerUser = 32
	// maxPublic is how many of them strangers may have.
	maxPublic = 100
)

// streamLimit bounds how many streams are open at once.
type streamLimit struct {
	mu     sync.Mutex
	total  int
	public int
	users  map[string]int
}

func newStreamLimit() *streamLimit { return &streamLimit{users: map[string]int{}} }

func (l *streamLimit) begin(user string, public bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.users[user] >= maxStreamsPerUser:
		return &problem{status: http.StatusTooManyRequests, message: "Too many streams are open for this user. Close some.", retryAfter: 10 * time.Second}
	case l.total >= maxStreams, public && l.public >= maxPublic:
		return &problem{status: http.StatusServiceUnavailable, message: "Too many streams are open.", retryAfter: 10 * time.Second}
	}
	l.total++
	l.users[user]++
	if public {
		l.public++
	}
	return nil
}

func (l *streamLimit) end(user string, public bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total--
	if public {
		l.public--
	}
	if l.users[user]--; l.users[user] == 0 {
		delete(l.users, user)
	}
}

// stream is one request that is answered with server-sent events. It opens
// with the first message, so that an error before that has a status.
type stream struct {
	gateway *Gateway
	w       *response
	r       *request
	out     *sse.Stream // nil before it is open
}

// stream runs serve with a context that ends with the client, the caller's right
// to read, the token, and the gateway.
func (g *Gateway) stream(w *response, r *request, serve func(context.Context, *stream) error) error {
	user := r.caller.Name()
	if r.stranger {
		user = "stranger at " + peer.Group(w.address)
	}
	if err := g.streams.begin(user, r.stranger); err != nil {
		return err
	}
	defer g.streams.end(user, r.stranger)
	ctx, cancel := context.WithDeadline(r.Context(), r.caller.Expires)
	defer cancel()
	ctx, release := g.untilClosing(ctx)
	defer release()
	s := &stream{gateway: g, w: w, r: r}
	err := serve(ctx, s)
	if s.out != nil || ctx.Err() != nil && r.Context().Err() != nil {
		return nil // the client has gone, or what it got is whole up to here
	}
	return err
}

// untilClosing is ctx, which also ends when the gateway is told to stop.
// Whoever calls it calls the release.
func (g *Gateway) untilClosing(ctx context.Context) (until context.Context, release func()) {
	until, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-g.closing:
			cancel()
		case <-until.Done():
		}
	})
	return until, func() { cancel(); watch.Wait() }
}

func (s *stream) open() error {
	if s.out != nil {
		return nil
	}
	out, err := sse.Open(s.w)
	s.out = out
	return err
}

func (s *stream) send(ms ...sse.Message) error {
	if err := s.open(); err != nil {
		return err
	}
	return s.out.Send(ms...)
}

func (s *stream) write(ctx context.Context, frames ...[]byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.open(); err != nil {
		return err
	}
	return s.out.Write(frames...)
}

// each hands over what arrives until handle is done, the channel is closed, or
// ctx ends.
func each[T any](ctx context.Context, s *stream, arriving <-chan T, handle func(T) (done bool, err error)) error {
	if err := s.open(); err != nil {
		return err
	}
	tick := time.NewTicker(sse.Heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			if err := s.out.Beat(); err != nil {
				return err
			}
		case v, ok := <-arriving:
			if !ok {
				return nil
			}
			if err := ctx.Err(); err != nil {
				return err // of two that are ready either may have been chosen
			}
			if done, err := handle(v); done || err != nil {
				return err
			}
		}
	}
}

package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"backupmonitor/services/gateway/auth"
	"backupmonitor/services/gateway/peer"
	"backupmonitor/services/gateway/sse"
)

const (
	maxStreams        = 1000
	maxStreamsPerUser = 32
	// maxPublic is how many of them strangers may have.
	maxPublic = 100

	// A stream asks so often whether its caller may still read it, and ends
	// when it has had no answer for so long: who loses their access loses it
	// within 5 s, also while the database does not answer.
	checkEvery  = 1500 * time.Millisecond
	unconfirmed = 4 * time.Second
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

// stream runs serve with a context that ends with the client, the gateway, the
// token, and the caller's right to read.
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
	if !r.stranger {
		ctx, release = g.whileAllowed(ctx, w, r.caller)
		defer release()
	}
	s := &stream{gateway: g, w: w, r: r}
	err := serve(ctx, s)
	if s.out != nil || ctx.Err() != nil && r.Context().Err() != nil {
		return nil // the client has gone, or what it got is whole up to here
	}
	return err
}

// whileAllowed is ctx, which also ends when the caller may no longer do what
// they could do, whatever the stream is busy with: a write that waits for its
// client is cut off. Whoever calls it calls the release.
func (g *Gateway) whileAllowed(ctx context.Context, w *response, c auth.Caller) (until context.Context, release func()) {
	until, cancel := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		defer cancel()
		tick := time.NewTicker(checkEvery)
		defer tick.Stop()
		for confirmed := time.Now(); ; {
			select {
			case <-until.Done():
				return
			case <-tick.C:
			}
			asking, end := context.WithDeadline(until, confirmed.Add(unconfirmed))
			asked := time.Now()
			err := g.allowed.still(asking, c)
			end()
			switch {
			case err == nil:
				confirmed = asked
			case errors.Is(err, auth.ErrBadToken) || time.Since(confirmed) >= unconfirmed-checkEvery:
				g.logger.InfoContext(ctx, "A stream ends, because its caller may no longer read it.", slog.String("user", c.Name()), slog.Any("error", err))
				cancel()                              // first, so that no other write begins
				_ = w.rc.SetWriteDeadline(time.Now()) // fails only where the connection is gone
				return
			}
		}
	})
	return until, func() { cancel(); watch.Wait() }
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

// Package lifeline ties a service's life to its connection to the log, and
// bounds what it still says there when it ends.
package lifeline

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// Bind returns a context that ends with ctx, and also when the connection is
// closed for good, as it is after repeated refusals to sign in: the client
// does not reconnect then, and only a new process helps. That it reconnects
// ends nothing.
//
// release must be called, and ends bound. It returns an error that wraps
// nats.ErrConnectionClosed if the connection was closed before ctx ended.
func Bind(ctx context.Context, nc *nats.Conn) (bound context.Context, release func() error) {
	bound, cancel := context.WithCancelCause(ctx)
	closed := nc.StatusChanged(nats.CLOSED)
	if nc.IsClosed() { // before anybody listened
		cancel(lost(nc))
	}
	var listener sync.WaitGroup
	listener.Go(func() {
		select {
		case <-closed:
			cancel(lost(nc))
		case <-bound.Done():
		}
	})
	return bound, sync.OnceValue(func() error {
		var err error
		if ctx.Err() == nil {
			err = context.Cause(bound)
		}
		cancel(nil)
		listener.Wait()
		nc.RemoveStatusListener(closed)
		return err
	})
}

func lost(nc *nats.Conn) error {
	err := nats.ErrConnectionClosed
	if last := nc.LastError(); last != nil && !errors.Is(last, err) {
		return fmt.Errorf("the connection to the log is lost for good: %w: %w", err, last)
	}
	return fmt.Errorf("the connection to the log is lost for good: %w", err)
}

// Outlive returns a context for what must be said even when ctx has ended: it
// ends after most, and no later than rest after the end of ctx.
func Outlive(ctx context.Context, most, rest time.Duration) (context.Context, context.CancelFunc) {
	outliving, cancel := context.WithTimeout(context.WithoutCancel(ctx), most)
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(rest, cancel) })
	return outliving, func() { stop(); cancel() }
}

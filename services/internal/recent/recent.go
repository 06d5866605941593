// Package recent lets all who ask for the same at about the same time have one
// answer: anybody may ask, as often as they like, and it costs as much as one.
package recent

import (
	"context"
	"time"
)

// Value is an answer that serves all who ask within a time.
type Value[T any] struct {
	within time.Duration
	ask    func(context.Context) (T, error)

	turn chan struct{} // taken while it is asked for
	last T
	at   time.Time // of last; zero: there is none
}

// New returns a value that ask makes, with the context of whoever asks first. An
// error of ask goes to that one alone, and the next who asks has it asked again.
func New[T any](within time.Duration, ask func(context.Context) (T, error)) *Value[T] {
	return &Value[T]{within: within, ask: ask, turn: make(chan struct{}, 1)}
}

// Get is the answer, made a moment ago or now. Errors: ask's, and ctx's while
// somebody else asks.
func (v *Value[T]) Get(ctx context.Context) (T, error) {
	var none T
	select {
	case v.turn <- struct{}{}:
		defer func() { <-v.turn }()
	case <-ctx.Done():
		return none, ctx.Err()
	}
	if !v.at.IsZero() && time.Since(v.at) < v.within {
		return v.last, nil
	}
	made, err := v.ask(ctx)
	if err != nil {
		return made, err
	}
	v.last, v.at = made, time.Now()
	return v.last, nil
}

// Forget has the next who asks get an answer made then.
func (v *Value[T]) Forget() {
	v.turn <- struct{}{}
	v.at = time.Time{}
	<-v.turn
}

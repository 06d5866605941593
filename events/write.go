package events

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	retryFirst = 50 * time.Millisecond
	retryMost  = 2 * time.Second

	// codeStoreFailed is the server's answer for every limit that refuses a
	// message: JSStreamStoreFailedF in nats-server's errors.json.
	codeStoreFailed jetstream.ErrorCode = 10077
)

// Append stores p and returns its sequence. A try whose answer is lost is
// repeated, until ctx ends, under the same id: stored twice is stored once.
// duplicate tells that an event of this id was stored before. Errors: ErrFull,
// ctx's; the network's, where it cannot be read what was stored before.
func (l *Log) Append(ctx context.Context, p Payload) (seq uint64, duplicate bool, err error) {
	m, err := Encode(l.source, l.now(), p)
	if err != nil {
		return 0, false, err
	}
	ack, err := l.publish(ctx, m)
	if err != nil || !ack.Duplicate {
		return sequence(ack), false, err
	}
	if used, err := l.usedUp(ctx, m, ack); !used {
		return ack.Sequence, true, err
	}
	delete(m.Header, nats.MsgIdHdr)
	for {
		last, err := l.Last(ctx, m.Subject)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return 0, false, err
		}
		if err == nil && ID(last.Header) == ID(m.Header) {
			return last.Seq, true, nil
		}
		ack, err := l.publish(ctx, m, jetstream.WithExpectLastSequencePerSubject(last.Seq))
		if !isWrongSequence(err) {
			return sequence(ack), false, err
		}
	}
}

// Write stores p if the last event of its subject has sequence previous, 0 for
// none, and returns the new sequence. That the very same event is there
// already is success: a lost answer looks like that. Errors: ErrConflict,
// ErrFull, ctx's; the network's, where it cannot be read what is there.
func (l *Log) Write(ctx context.Context, p Payload, previous uint64) (uint64, error) {
	m, err := Encode(l.source, l.now(), p)
	if err != nil {
		return 0, err
	}
	expected := jetstream.WithExpectLastSequencePerSubject(previous)
	ack, err := l.publish(ctx, m, expected)
	if err == nil && ack.Duplicate {
		used, uerr := l.usedUp(ctx, m, ack)
		if uerr != nil {
			return 0, uerr
		}
		if used {
			delete(m.Header, nats.MsgIdHdr)
			ack, err = l.publish(ctx, m, expected)
		}
	}
	switch {
	case err == nil && !ack.Duplicate:
		return ack.Sequence, nil
	case err != nil && !isWrongSequence(err):
		return 0, err
	}
	// An event of this id is there already (a replicated stream says so before
	// it looks at sequences), or the subject has moved on.
	last, err := l.Last(ctx, m.Subject)
	if err != nil {
		return 0, fmt.Errorf("after a conflict: %w", err)
	}
	if ID(last.Header) == ID(m.Header) && bytes.Equal(last.Data, m.Data) {
		return last.Seq, nil
	}
	return 0, fmt.Errorf("write %s: %w", m.Subject, ErrConflict)
}

// usedUp tells whether what m was taken for a duplicate of is an event of another
// subject. The server compares ids and no subjects: whoever may write some event
// could keep another's from the log by using its id.
func (l *Log) usedUp(ctx context.Context, m *nats.Msg, ack *jetstream.PubAck) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	s, err := l.js.Stream(ctx, StreamEvents)
	if err != nil {
		return false, fmt.Errorf("open the log: %w", err)
	}
	there, err := s.GetMsg(ctx, ack.Sequence)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return false, nil // it was archived since
	}
	if err != nil {
		return false, fmt.Errorf("read event %d: %w", ack.Sequence, err)
	}
	return there.Subject != m.Subject, nil
}

func sequence(ack *jetstream.PubAck) uint64 {
	if ack == nil {
		return 0
	}
	return ack.Sequence
}

// Command offers a command to the probers. ErrOutstanding: the outlet has one
// already. Any other error leaves unknown whether it was accepted; offering it
// again is harmless.
func (l *Log) Command(ctx context.Context, c ProbeCommand) error {
	m, err := Encode(l.source, l.now(), c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	_, err = l.js.PublishMsg(ctx, m, jetstream.WithExpectStream(StreamProbes))
	if err != nil && apiCode(err) == codeStoreFailed {
		return fmt.Errorf("offer %s: %w", m.Subject, ErrOutstanding)
	}
	if err != nil {
		return fmt.Errorf("offer %s: %w", m.Subject, err)
	}
	return nil
}

// publish tries until there is an answer.
func (l *Log) publish(ctx context.Context, m *nats.Msg, opts ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	opts = append(opts, jetstream.WithExpectStream(StreamEvents))
	for wait := retryFirst; ; wait = min(2*wait, retryMost) {
		ack, err := l.publishOnce(ctx, m, opts)
		if isCrowded(err) {
			wait = retryFirst // whoever waits longer gets no place
		}
		switch {
		case err == nil:
			return ack, nil
		case apiCode(err) == codeStoreFailed:
			return nil, fmt.Errorf("publish %s: %w", m.Subject, ErrFull)
		case ctx.Err() != nil:
			return nil, fmt.Errorf("publish %s: %w", m.Subject, ctx.Err())
		case !isPassing(err):
			return nil, fmt.Errorf("publish %s: %w", m.Subject, err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("publish %s: %w", m.Subject, errors.Join(ctx.Err(), err))
		case <-time.After(wait):
		}
	}
}

// publishOnce sends a copy, because the client adds its expectations to the
// headers of what it is given.
func (l *Log) publishOnce(ctx context.Context, m *nats.Msg, opts []jetstream.PublishOpt) (*jetstream.PubAck, error) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	c := &nats.Msg{Subject: m.Subject, Data: m.Data, Header: nats.Header{}}
	maps.Copy(c.Header, m.Header)
	return l.js.PublishMsg(ctx, c, opts...)
}

func isWrongSequence(err error) bool {
	code := apiCode(err)
	return code == jetstream.JSErrCodeStreamWrongLastSequence || code == jetstream.JSErrCodeStreamWrongLastSequenceConstant
}

// isPassing tells errors after which a try is repeated: no answer, or an
// answer that speaks of the server's state (5xx) and not of the message.
func isPassing(err error) bool {
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		return api.Code >= 500 || isCrowded(err)
	}
	return !errors.Is(err, nats.ErrConnectionClosed) && !errors.Is(err, nats.ErrMaxPayload)
}

// isCrowded tells that more comes in than the server's disk takes.
func isCrowded(err error) bool {
	api, ok := errors.AsType[*jetstream.APIError](err)
	return ok && api.Code == http.StatusTooManyRequests
}

func apiCode(err error) jetstream.ErrorCode {
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		return api.ErrorCode
	}
	return 0
}

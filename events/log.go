package events

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Errors of Log.
var (
	// ErrConflict says that somebody else wrote the subject first.
	ErrConflict = errors.New("the subject was written by somebody else meanwhile")
	// ErrNotFound says that a subject holds no event.
	ErrNotFound = errors.New("no such event")
	// ErrFull says that the log has reached its maximum size.
	ErrFull = errors.New("the log is full")
	// ErrOutstanding says that the outlet has a command outstanding already.
	ErrOutstanding = errors.New("the outlet has an outstanding command")
)

const (
	// publishTimeout bounds one try; what becomes of a try without answer is
	// unknown until the next.
	publishTimeout = 5 * time.Second
	retryFirst     = 50 * time.Millisecond
	retryMost      = 2 * time.Second

	// codeStoreFailed is the server's answer for every limit that refuses a
	// message: JSStreamStoreFailedF in nats-server's errors.json.
	codeStoreFailed jetstream.ErrorCode = 10077
)

// Log writes to and reads from the streams on behalf of one service. It is
// safe for concurrent use.
type Log struct {
	js     jetstream.JetStream
	source string
	now    func() time.Time
}

// NewLog returns the log as the named service writes it. The name becomes the
// ce-source "/backup-monitor/<service>".
func NewLog(js jetstream.JetStream, service string) *Log {
	return &Log{js: js, source: "/backup-monitor/" + service, now: time.Now}
}

// JetStream is the context that the log was made with.
func (l *Log) JetStream() jetstream.JetStream { return l.js }

// Append stores p and returns its sequence. A try whose answer is lost is
// repeated, until ctx ends, under the same id: stored twice is stored once.
// duplicate tells that an event of this id was stored before. Errors: ErrFull,
// or ctx's.
func (l *Log) Append(ctx context.Context, p Payload) (seq uint64, duplicate bool, err error) {
	ack, err := l.publish(ctx, p)
	if err != nil {
		return 0, false, err
	}
	return ack.Sequence, ack.Duplicate, nil
}

// Write stores p if the last event of its subject has sequence previous, 0 for
// none, and returns the new sequence. That the very same event is there
// already is success: a lost answer looks like that. Errors: ErrConflict,
// ErrFull, or ctx's.
func (l *Log) Write(ctx context.Context, p Payload, previous uint64) (uint64, error) {
	ack, err := l.publish(ctx, p, jetstream.WithExpectLastSequencePerSubject(previous))
	switch {
	case err == nil && !ack.Duplicate:
		return ack.Sequence, nil
	case err != nil && !isWrongSequence(err):
		return 0, err
	}
	// An event of this id is there already (a replicated stream says so before
	// it looks at sequences), or the subject has moved on.
	last, lerr := l.Last(ctx, p.Subject())
	if lerr != nil {
		return 0, fmt.Errorf("after a conflict: %w", lerr)
	}
	mine, merr := Encode(l.source, l.now(), p)
	if merr != nil {
		return 0, merr
	}
	if ID(last.Header) == ID(mine.Header) && bytes.Equal(last.Data, mine.Data) {
		return last.Seq, nil
	}
	return 0, fmt.Errorf("write %s: %w", p.Subject(), ErrConflict)
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

// Last is the last record of a subject, read from the leader. Errors:
// ErrNotFound, or the network's.
func (l *Log) Last(ctx context.Context, subject string) (Record, error) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	s, err := l.js.Stream(ctx, StreamEvents)
	if err != nil {
		return Record{}, fmt.Errorf("open the log: %w", err)
	}
	m, err := s.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return Record{}, fmt.Errorf("last event of %s: %w", subject, ErrNotFound)
	}
	if err != nil {
		return Record{}, fmt.Errorf("last event of %s: %w", subject, err)
	}
	return Record{Seq: m.Sequence, Stored: m.Time.UTC(), Subject: m.Subject, Header: m.Header, Data: m.Data}, nil
}

// Identity tells one incarnation of the log from another and how far it
// reaches. A recreated stream starts again at sequence 1; only its creation
// time tells.
type Identity struct {
	Created  time.Time // UTC
	FirstSeq uint64    // 0 or 1 in an empty log; later only after archiving
	LastSeq  uint64
	Messages uint64 // how many events there are
	// Archived is the last sequence up to which looks and scans stand in
	// archives alone; 0 where nothing was archived.
	Archived uint64
	// Missing is how many events are not there that no archive excuses.
	// Nothing may be deleted from the log, so that more than 0 says that it is
	// damaged.
	Missing  int
	Bytes    uint64
	MaxBytes int64
}

// ID is the incarnation as a short text, for ids handed to clients.
func (i Identity) ID() string { return fmt.Sprintf("%x", i.Created.UnixNano()) }

// Identity reads the log's.
func (l *Log) Identity(ctx context.Context) (Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	s, err := l.js.Stream(ctx, StreamEvents)
	if err != nil {
		return Identity{}, fmt.Errorf("open the log: %w", err)
	}
	info := s.CachedInfo()
	id := Identity{
		Created: info.Created.UTC(), FirstSeq: info.State.FirstSeq, LastSeq: info.State.LastSeq, Messages: info.State.Msgs,
		Bytes: info.State.Bytes, MaxBytes: info.Config.MaxBytes,
	}
	absent := id.LastSeq - min(id.Messages, id.LastSeq)
	if absent == 0 {
		return id, nil
	}
	// The log may be archived further between the two questions, which only
	// excuses what is not missing yet.
	archived, _, err := l.Archived(ctx)
	if err != nil {
		return Identity{}, err
	}
	id.Archived = archived.Last()
	id.Missing = int(absent - min(absent, archived.Purged()))
	return id, nil
}

// Archived is what was taken out of the log, and the sequence of the event
// that says so; 0 where nothing was.
func (l *Log) Archived(ctx context.Context) (LogArchived, uint64, error) {
	return lastState[LogArchived](ctx, l, SubjectArchived)
}

// Restored is what the log was restored from, and the sequence of the event
// that says so; 0 where it never was.
func (l *Log) Restored(ctx context.Context) (LogRestored, uint64, error) {
	return lastState[LogRestored](ctx, l, SubjectRestored)
}

// lastState is the last event of a subject, or the zero value.
func lastState[T Payload](ctx context.Context, l *Log, subject string) (state T, seq uint64, err error) {
	r, err := l.Last(ctx, subject)
	if errors.Is(err, ErrNotFound) {
		return state, 0, nil
	}
	if err != nil {
		return state, 0, err
	}
	e, err := r.Decode()
	if err != nil {
		return state, 0, err
	}
	state, ok := e.Data.(T)
	if !ok {
		return state, 0, fmt.Errorf("%w: a %s on %s", ErrMalformed, e.Data.Type(), subject)
	}
	return state, r.Seq, nil
}

// SequenceAt is the last sequence that the log had stored by t, 0 without one. Of
// a time whose events were archived it may be a later one, but none of a time
// after the next event that is still there: only the archives tell.
func (l *Log) SequenceAt(ctx context.Context, t time.Time) (uint64, error) {
	feed, err := l.Feed(ctx, FeedOptions{Since: t.Add(1), Ahead: 1})
	if err != nil {
		return 0, err
	}
	defer feed.Stop()
	if feed.Initial > 0 {
		r, err := feed.Next(ctx)
		if err != nil {
			return 0, err
		}
		return r.Seq - 1, nil
	}
	id, err := l.Identity(ctx)
	return id.LastSeq, err
}

// publish tries until there is an answer.
func (l *Log) publish(ctx context.Context, p Payload, opts ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	m, err := Encode(l.source, l.now(), p)
	if err != nil {
		return nil, err
	}
	opts = append(opts, jetstream.WithExpectStream(StreamEvents))
	for wait := retryFirst; ; wait = min(2*wait, retryMost) {
		ack, err := l.publishOnce(ctx, m, opts)
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
		return api.Code >= 500
	}
	return !errors.Is(err, nats.ErrConnectionClosed) && !errors.Is(err, nats.ErrMaxPayload)
}

func apiCode(err error) jetstream.ErrorCode {
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		return api.ErrorCode
	}
	return 0
}

package events

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

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

// publishTimeout bounds one try; what becomes of a try without answer is unknown
// until the next.
const publishTimeout = 5 * time.Second

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

// Subjects are those of the log that a filter matches, in no order.
func (l *Log) Subjects(ctx context.Context, filter string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	s, err := l.js.Stream(ctx, StreamEvents)
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(filter))
	if err != nil {
		return nil, fmt.Errorf("list the subjects %s: %w", filter, err)
	}
	return slices.Collect(maps.Keys(info.State.Subjects)), nil
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

// Dismissed is which events are dismissed, and the sequence of the event that says
// so; 0 where none ever was.
func (l *Log) Dismissed(ctx context.Context) (LogDismissed, uint64, error) {
	return lastState[LogDismissed](ctx, l, SubjectDismissed)
}

// lastState is the last readable event of a subject, or the zero value: one that
// cannot be read, which a newer version may have written, takes nothing away.
func lastState[T Payload](ctx context.Context, l *Log, subject string) (state T, seq uint64, err error) {
	last, err := l.Last(ctx, subject)
	if errors.Is(err, ErrNotFound) {
		return state, 0, nil
	}
	if err != nil {
		return state, 0, err
	}
	if state, ok := stateOf[T](last); ok {
		return state, last.Seq, nil
	}
	for r, err := range l.Read(ctx, FeedOptions{Subjects: []string{subject}}) {
		if err != nil {
			return state, 0, err
		}
		if s, ok := stateOf[T](r); ok {
			state, seq = s, r.Seq
		}
	}
	return state, seq, nil
}

func stateOf[T Payload](r Record) (state T, ok bool) {
	e, err := r.Decode()
	if err != nil {
		return state, false
	}
	state, ok = e.Data.(T)
	return state, ok
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

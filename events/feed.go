package events

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Record is one stored message of the log, not yet decoded.
type Record struct {
	Seq     uint64
	Stored  time.Time // when the log stored it, UTC
	Subject string
	Header  nats.Header
	Data    []byte
	// Pending is how many more records the feed had to deliver when it
	// delivered this one: 0 says that the reader has caught up.
	Pending uint64
}

// Decode reads the record as an event of the contract. What may be written to the log
// depends on the subject: as a prober may tell of looks, and of no outlet. So an event
// is none on a subject of others.
func (r Record) Decode() (Event, error) {
	e, err := Decode(r.Header, r.Data)
	if err == nil && !tellsOf(r.Subject, e.Data) {
		e, err = Event{}, fmt.Errorf("%w: %s is not told of there", ErrMalformed, e.Data.Type())
	}
	if err != nil {
		return e, fmt.Errorf("event %d on %s: %w", r.Seq, r.Subject, err)
	}
	return e, nil
}

// FeedOptions say what a feed delivers.
type FeedOptions struct {
	// From is the first sequence wanted; 0 is the beginning of the log.
	From uint64
	// Since, where set, wants instead what was stored from then on.
	Since time.Time
	// LastPerSubject wants only the last record of each subject, then what
	// follows.
	LastPerSubject bool
	// Subjects filter the feed; none means everything. They must not overlap.
	Subjects []string
	// Ahead is how many records are fetched at most before they are asked for, by
	// Next; 0 is the client's own number, some hundred.
	Ahead int
}

// Feed delivers the log in order, without gaps or duplicates, from a given
// place and then live. It survives reconnects. While it is open the server
// holds a consumer for it, of which a stream has 1000 at most. Whoever opens a
// feed stops it. One goroutine at a time reads it.
type Feed struct {
	it      jetstream.MessagesContext
	stop    func()
	pending uint64 // records that the server said there are
	// Initial is how many records were there to deliver when the feed opened:
	// with 0 the reader has caught up before the first Next.
	Initial uint64
}

// Feed opens a feed.
func (l *Log) Feed(ctx context.Context, o FeedOptions) (*Feed, error) {
	cfg := jetstream.OrderedConsumerConfig{FilterSubjects: o.Subjects, DeliverPolicy: jetstream.DeliverAllPolicy}
	switch {
	case o.LastPerSubject:
		cfg.DeliverPolicy = jetstream.DeliverLastPerSubjectPolicy
		if len(o.Subjects) == 0 {
			cfg.FilterSubjects = []string{AllEvents}
		}
	case !o.Since.IsZero():
		cfg.DeliverPolicy, cfg.OptStartTime = jetstream.DeliverByStartTimePolicy, &o.Since
	case o.From > 1:
		cfg.DeliverPolicy, cfg.OptStartSeq = jetstream.DeliverByStartSequencePolicy, o.From
	}
	open, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	c, err := l.js.OrderedConsumer(open, StreamEvents, cfg)
	if err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	pending := c.CachedInfo().NumPending
	var ahead []jetstream.PullMessagesOpt
	if o.Ahead > 0 {
		ahead = append(ahead, jetstream.PullMaxMessages(o.Ahead))
	}
	it, err := c.Messages(ahead...)
	if err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	return &Feed{it: it, stop: sync.OnceFunc(func() { l.closeFeed(context.WithoutCancel(ctx), it, c) }), Initial: pending, pending: pending}, nil
}

// ErrStalled says that the log holds records and does not hand them out. That
// passes where the server is away; a damaged file never does.
var ErrStalled = errors.New("the event log does not hand out its events: its server is away, or its files are damaged")

// stallTimeout is how long a record may take that is known to be there.
const stallTimeout = 15 * time.Second

// Next waits for the next record. Its errors are ctx's, and those after which
// a feed is of no more use: ErrStalled, and the network's.
func (f *Feed) Next(ctx context.Context) (Record, error) {
	wait, cancel := ctx, context.CancelFunc(func() {})
	if f.pending > 0 {
		wait, cancel = context.WithTimeout(ctx, stallTimeout)
	}
	defer cancel()
	for {
		m, err := f.it.Next(jetstream.NextContext(wait))
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return Record{}, ctx.Err()
		case wait.Err() != nil:
			return Record{}, fmt.Errorf("read the log: %w", ErrStalled)
		case errors.Is(err, jetstream.ErrNoHeartbeat):
			continue // the client resets an ordered consumer by itself
		default:
			return Record{}, fmt.Errorf("read the log: %w", err)
		}
		meta, err := m.Metadata()
		if err != nil {
			return Record{}, fmt.Errorf("read the log: %w", err)
		}
		f.pending = meta.NumPending
		return Record{
			Seq: meta.Sequence.Stream, Stored: meta.Timestamp.UTC(), Subject: m.Subject(),
			Header: m.Headers(), Data: m.Data(), Pending: meta.NumPending,
		}, nil
	}
}

// Read gives what a feed would, until it has caught up. With an error, one of Feed's
// or Next's, it ends.
func (l *Log) Read(ctx context.Context, o FeedOptions) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		feed, err := l.Feed(ctx, o)
		if err != nil {
			yield(Record{}, err)
			return
		}
		defer feed.Stop()
		for more := feed.Initial > 0; more; {
			r, err := feed.Next(ctx)
			if !yield(r, err) || err != nil {
				return
			}
			more = r.Pending > 0
		}
	}
}

// Stop ends the feed. It may be called more than once.
func (f *Feed) Stop() { f.stop() }

// closeTimeout bounds what a stopped feed waits for the server.
const closeTimeout = 2 * time.Second

// closeFeed also deletes the consumer. The client would leave it to the
// server's idle time of 5 minutes, within which short feeds add up to the most
// that a stream may have. Where deleting fails, because the server is away,
// that is what still happens.
func (l *Log) closeFeed(ctx context.Context, it jetstream.MessagesContext, c jetstream.Consumer) {
	it.Stop()
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	if info := c.CachedInfo(); info != nil {
		_ = l.js.DeleteConsumer(ctx, StreamEvents, info.Name)
	}
}

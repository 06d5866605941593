package events

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Names of the streams and of their durable consumers.
const (
	StreamProbes = "PROBES" // the work queue of commands
	StreamEvents = "EVENTS" // the log

	ConsumerProbers    = "probers"    // on PROBES: all probers share it
	ConsumerSchedulers = "schedulers" // on EVENTS, the requested scans: decides who expands
)

// DedupWindow is how long the log remembers ce-ids. No command outlives 24 h,
// so that within it a repeated look is always recognised.
const DedupWindow = 48 * time.Hour

// Limits are what a deployment chooses about the streams.
type Limits struct {
	// EventsMaxBytes is the log's size at which it refuses to grow. It must be
	// positive: a log without a bound fills the disk, and one that forgets is
	// no log.
	EventsMaxBytes int64
	// Replicas of streams and consumers: 1 embedded, 3 in a cluster.
	Replicas int
}

// AckWait of both consumers: whoever works on a message renews it three times
// in this time, so that a successor takes over soon after a crash.
const AckWait = 15 * time.Second

// GiveBackDelay is when a message comes again that is given back by whoever stops.
// The client of NATS says last of all that it takes no more, after it has told its
// program: what came at once might still come to it, and be lost until AckWait.
const GiveBackDelay = 250 * time.Millisecond

// Provision creates the streams and durable consumers, or brings existing ones
// to this declaration. It is idempotent and safe to run at once from several
// processes.
func Provision(ctx context.Context, js jetstream.JetStream, l Limits) error {
	if l.EventsMaxBytes <= 0 {
		return errors.New("the log needs a positive maximum size in bytes")
	}
	replicas := max(l.Replicas, 1)
	for _, c := range []jetstream.StreamConfig{probesConfig(replicas), l.Log()} {
		if _, err := js.CreateOrUpdateStream(ctx, c); err != nil {
			return fmt.Errorf("provision stream %s: %w", c.Name, err)
		}
	}
	probers := jetstream.ConsumerConfig{
		Durable:       ConsumerProbers,
		Description:   "one command for one free worker, whichever prober has it",
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       AckWait,
		MaxDeliver:    -1, // an exhausted message would stay in the queue unseen and block its outlet for ever
		MaxAckPending: -1, // free workers are the only cap
		Replicas:      replicas,
	}
	schedulers := jetstream.ConsumerConfig{
		Durable:       ConsumerSchedulers,
		Description:   "a requested scan belongs to the scheduler that has it unacknowledged",
		FilterSubject: AllRequested,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       AckWait,
		MaxDeliver:    -1,
		MaxAckPending: -1,
		Replicas:      replicas,
	}
	if _, err := js.CreateOrUpdateConsumer(ctx, StreamProbes, probers); err != nil {
		return fmt.Errorf("provision consumer %s: %w", probers.Durable, err)
	}
	if _, err := js.CreateOrUpdateConsumer(ctx, StreamEvents, schedulers); err != nil {
		return fmt.Errorf("provision consumer %s: %w", schedulers.Durable, err)
	}
	return nil
}

// probesConfig: one message per subject and discard new, so that an outlet has
// at most one outstanding command and any number of schedulers is harmless.
func probesConfig(replicas int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:                 StreamProbes,
		Description:          "commands to look at an outlet",
		Subjects:             []string{subjectProbe + "*"},
		Retention:            jetstream.WorkQueuePolicy,
		Discard:              jetstream.DiscardNew,
		DiscardNewPerSubject: true,
		MaxMsgsPerSubject:    1,
		Storage:              jetstream.FileStorage,
		Replicas:             replicas,
	}
}

// Log is the declaration of the log: nothing ages out and nothing can be deleted; a full log is an
// error and not a loss. Reads go to the leader (no direct access): the prober
// decides by the last event of a subject.
func (l Limits) Log() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        StreamEvents,
		Description: "the log: truth about observations, outlets and settings",
		Subjects:    []string{AllEvents},
		Retention:   jetstream.LimitsPolicy,
		Discard:     jetstream.DiscardNew,
		MaxBytes:    l.EventsMaxBytes,
		DenyDelete:  true,
		Compression: jetstream.S2Compression,
		Duplicates:  DedupWindow,
		Storage:     jetstream.FileStorage,
		Replicas:    max(l.Replicas, 1),
	}
}

// ConnectOptions are what every client of the contract connects with: it
// reconnects for ever, keeps nothing in a buffer while disconnected (a publish
// fails at once and is tried again, instead of arriving unasked), and has an
// inbox of its own, so that permissions can keep services apart.
func ConnectOptions(name string) []nats.Option {
	return []nats.Option{
		nats.Name(name),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(250 * time.Millisecond),
		nats.ReconnectBufSize(-1),
		nats.CustomInboxPrefix(subjectInbox + Token(name)),
		nats.Timeout(5 * time.Second),
		nats.IgnoreAuthErrorAbort(), // a server that restarts may know us only a moment later
	}
}

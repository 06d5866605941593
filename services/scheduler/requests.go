package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"backupmonitor/events"
	"backupmonitor/services/internal/lifeline"
)

const (
	// answerTimeout bounds one request to the server.
	answerTimeout = 5 * time.Second
	// lastTimeout bounds what is still said when the scheduler stops.
	lastTimeout = time.Second
	// failedDelay is when a scan whose run has failed is delivered again.
	failedDelay = 5 * time.Second
)

// request is a stored ScanRequested.
type request struct {
	events.ScanRequested
	seq    uint64
	stored time.Time // UTC
}

// takeRequests runs what is requested until ctx ends, and returns when all its
// runs have stopped.
func (s *Scheduler) takeRequests(ctx context.Context) {
	var runs sync.WaitGroup
	defer runs.Wait()
	room := make(chan struct{}, maxRunning)
	never := func(error) bool { return false }
	_ = s.again(ctx, "take requested scans", never, func() error {
		err := s.consume(ctx, &runs, room)
		s.setFault(err)
		return err
	})
	s.setFault(nil)
}

// consume takes requests from the consumer that all schedulers share. It
// returns nil when ctx has ended, and an error when the consumer is of no more
// use.
func (s *Scheduler) consume(ctx context.Context, runs *sync.WaitGroup, room chan struct{}) error {
	open, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	c, err := s.log.JetStream().Consumer(open, events.StreamEvents, events.ConsumerSchedulers)
	if err != nil {
		return fmt.Errorf("open consumer %s: %w", events.ConsumerSchedulers, err)
	}
	ackWait := c.CachedInfo().Config.AckWait
	it, err := c.Messages(jetstream.PullMaxMessages(1))
	if err != nil {
		return fmt.Errorf("take from %s: %w", events.ConsumerSchedulers, err)
	}
	defer it.Stop()
	// Draining hands out what has been delivered already, so that it can be
	// given back instead of waiting for its acknowledgement to time out. A
	// server that is gone would be waited for.
	draining, enough := context.WithCancel(context.WithoutCancel(ctx))
	defer enough()
	defer context.AfterFunc(ctx, func() {
		it.Drain()
		time.AfterFunc(lastTimeout, enough)
	})()
	s.setFault(nil)
	for {
		room <- struct{}{}
		m, err := it.Next(jetstream.NextContext(draining))
		switch {
		case err == nil && ctx.Err() == nil:
			s.take(ctx, m, ackWait, runs, func() { <-room })
			continue
		case err == nil:
			s.giveBack(m)
		}
		<-room
		if errors.Is(err, jetstream.ErrNoHeartbeat) {
			continue // the client asks again by itself
		}
		if err != nil && ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("take from %s: %w", events.ConsumerSchedulers, err)
		}
	}
}

// take starts the run of a delivered request, or hands a repeated delivery to
// the run that there is.
func (s *Scheduler) take(ctx context.Context, m jetstream.Msg, ackWait time.Duration, runs *sync.WaitGroup, leave func()) {
	req, err := decodeRequest(m)
	if err != nil {
		s.logger.Error("a requested scan cannot be read and is dropped", slog.String("subject", m.Subject()), slog.Any("error", err))
		if err := m.TermWithReason("it cannot be read"); err != nil {
			s.logger.Warn("dropping a request failed", slog.Any("error", err))
		}
		leave()
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, ok := s.running[req.ScanID]; ok {
		r.message = m
		leave()
		return
	}
	r := &run{Scheduler: s, req: req, message: m}
	s.running[req.ScanID] = r
	runs.Go(func() {
		defer leave()
		s.work(ctx, r, ackWait)
	})
}

// work runs a scan while it renews its claim on the request, then acknowledges
// it or gives it back.
func (s *Scheduler) work(ctx context.Context, r *run, ackWait time.Duration) {
	renewing, stop := context.WithCancel(ctx)
	var renewal sync.WaitGroup
	renewal.Go(func() {
		for wait(renewing, ackWait/3) {
			if err := s.messageOf(r).InProgress(); err != nil {
				s.logger.Debug("renewing a request failed", slog.String("scan", r.req.ScanID), slog.Any("error", err))
			}
		}
	})
	err := r.do(ctx)
	if err != nil && ctx.Err() == nil {
		if why := r.hopeless(err); why != "" {
			err = r.giveUp(ctx, why, err)
		}
	}
	stop()
	renewal.Wait()
	s.mu.Lock()
	m := r.message
	delete(s.running, r.req.ScanID)
	s.mu.Unlock()
	if ctx.Err() == nil {
		s.setRunFault(err)
	}
	switch {
	case err == nil:
		s.acknowledge(ctx, m, r.req.ScanID)
	case ctx.Err() != nil:
		s.giveBack(m)
	default:
		s.logger.Error("a scan's run failed and is repeated", slog.String("scan", r.req.ScanID), slog.Any("error", err))
		if err := m.NakWithDelay(failedDelay); err != nil {
			s.logger.Warn("giving a request back failed", slog.String("scan", r.req.ScanID), slog.Any("error", err))
		}
	}
}

func (s *Scheduler) messageOf(r *run) jetstream.Msg {
	s.mu.Lock()
	defer s.mu.Unlock()
	return r.message
}

// acknowledge waits for the server's word. Without it the request comes again
// and is found completed.
func (s *Scheduler) acknowledge(ctx context.Context, m jetstream.Msg, scanID string) {
	ctx, cancel := lifeline.Outlive(ctx, answerTimeout, lastTimeout)
	defer cancel()
	if err := m.DoubleAck(ctx); err != nil {
		s.logger.Warn("acknowledging a request failed", slog.String("scan", scanID), slog.Any("error", err))
	}
}

// giveBack lets another scheduler take a request at once.
func (s *Scheduler) giveBack(m jetstream.Msg) {
	err := m.Nak()
	if err == nil {
		// The answer is only in the client's buffer, and the connection may be
		// closed next.
		err = s.log.JetStream().Conn().FlushTimeout(lastTimeout)
	}
	if err != nil {
		s.logger.Warn("giving a request back failed", slog.Any("error", err))
	}
}

func decodeRequest(m jetstream.Msg) (request, error) {
	meta, err := m.Metadata()
	if err != nil {
		return request{}, err
	}
	e, err := events.Decode(m.Headers(), m.Data())
	if err != nil {
		return request{}, err
	}
	r, ok := e.Data.(events.ScanRequested)
	if !ok || events.RequestedSubject(r.ScanID) != m.Subject() {
		return request{}, fmt.Errorf("%w: it is not the request of its subject", events.ErrMalformed)
	}
	return request{ScanRequested: r, seq: meta.Sequence.Stream, stored: meta.Timestamp.UTC()}, nil
}

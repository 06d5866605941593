package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"backupmonitor/events"
	"backupmonitor/services/internal/lifeline"
	"backupmonitor/services/internal/scan"
)

const (
	// answerTimeout bounds one request to the server.
	answerTimeout = 5 * time.Second
	// lastTimeout bounds what is still said when the scheduler stops.
	lastTimeout = time.Second
	// failedDelay is when a scan whose run has failed is delivered again.
	failedDelay = 5 * time.Second
	// fetchMost is how many requests are asked for at once.
	fetchMost = 16
	// fetchWait is how long one question for requests waits on the server. A
	// server that restarts forgets it, and is asked again this much later.
	fetchWait = 5 * time.Second
	// putBackLeast is when a request comes again for which there is no place, and
	// putBackStep by how much more, at random, with each time that it came;
	// putBackMost is the most of that.
	putBackLeast = 500 * time.Millisecond
	putBackStep  = time.Second
	putBackMost  = 5 * time.Second
)

// request is a stored ScanRequested.
type request struct {
	events.ScanRequested
	seq       uint64
	stored    time.Time // UTC
	delivered uint64    // how many times, this one included
}

// takeRequests runs what is requested until ctx ends, and returns when all its
// runs have stopped.
func (s *Scheduler) takeRequests(ctx context.Context) {
	var runs sync.WaitGroup
	defer runs.Wait()
	never := func(error) bool { return false }
	_ = s.again(ctx, "take requested scans", never, func() error {
		err := s.consume(ctx, &runs)
		s.setFault(err)
		return err
	})
	close(s.taken)
	s.setFault(nil)
}

// consume takes requests from the consumer that all schedulers share. It
// returns nil when ctx has ended, and an error when the consumer is of no more
// use.
func (s *Scheduler) consume(ctx context.Context, runs *sync.WaitGroup) error {
	open, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	c, err := s.log.JetStream().Consumer(open, events.StreamEvents, events.ConsumerSchedulers)
	if err != nil {
		return fmt.Errorf("open consumer %s: %w", events.ConsumerSchedulers, err)
	}
	ackWait := c.CachedInfo().Config.AckWait
	for {
		if err := s.fetch(ctx, c, ackWait, runs); err != nil || ctx.Err() != nil {
			return err
		}
		s.setFault(nil) // only an answer tells that we may ask
	}
}

// fetch asks once for requests, and takes those that come. What comes when ctx
// has ended already goes back at once. The client's endless iterator would not do:
// one that fetches few at a time may forget to ask for the next and wait for half a
// minute, when a request comes faster than the client notes having asked for it.
func (s *Scheduler) fetch(ctx context.Context, c jetstream.Consumer, ackWait time.Duration, runs *sync.WaitGroup) error {
	wait, cancel := context.WithTimeout(ctx, fetchWait)
	defer cancel()
	batch, err := c.Fetch(fetchMost, jetstream.FetchContext(wait))
	if err == nil {
		for m := range batch.Messages() {
			if ctx.Err() != nil {
				s.giveBack(m)
				continue
			}
			s.take(ctx, m, ackWait, runs)
		}
		// Where there is no request the server says so, a little before wait ends.
		err = batch.Error()
	}
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("take from %s: %w", events.ConsumerSchedulers, err)
	}
	return nil
}

// take starts the run of a delivered request, hands a repeated delivery to the
// run that there is, or puts the request back where its caller has as many runs
// as may be.
func (s *Scheduler) take(ctx context.Context, m jetstream.Msg, ackWait time.Duration, runs *sync.WaitGroup) {
	req, err := decodeRequest(m)
	if err != nil {
		s.logger.Error("a requested scan cannot be read and is dropped", slog.String("subject", m.Subject()), slog.Any("error", err))
		if err := m.TermWithReason("it cannot be read"); err != nil {
			s.logger.Warn("dropping a request failed", slog.Any("error", err))
		}
		return
	}
	caller := scan.Caller(req.ScanRequested)
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, ok := s.running[req.ScanID]; ok {
		r.message = m
		return
	}
	if !s.places.take(caller) {
		s.putBack(m, req)
		return
	}
	r := &run{Scheduler: s, req: req, message: m}
	s.running[req.ScanID] = r
	runs.Go(func() { s.work(ctx, r, ackWait) })
}

// putBack has a request delivered again later, to whichever scheduler has a place
// for it then. Nothing waits behind it. Of many that are put back some come at any
// time, and each the later the more often it came in vain.
func (s *Scheduler) putBack(m jetstream.Msg, req request) {
	delay := putBackLeast + rand.N(min(time.Duration(req.delivered)*putBackStep, putBackMost))
	if err := m.NakWithDelay(delay); err != nil {
		s.logger.Warn("putting a request back failed", slog.String("scan", req.ScanID), slog.Any("error", err))
	}
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
	noPlace := errors.Is(err, errNoPlace)
	if err != nil && !noPlace && ctx.Err() == nil {
		if why := r.hopeless(err); why != "" {
			err = r.giveUp(ctx, why, err)
		}
	}
	stop()
	renewal.Wait()
	s.mu.Lock()
	m := r.message
	delete(s.running, r.req.ScanID)
	s.places.give(scan.Caller(r.req.ScanRequested), r.attached)
	s.mu.Unlock()
	if ctx.Err() == nil && !noPlace {
		s.setRunFault(err)
	}
	switch {
	case err == nil:
		s.acknowledge(ctx, m, r.req.ScanID)
	case ctx.Err() != nil:
		<-s.taken // or it might be delivered to our own last question, and lost with it
		s.giveBack(m)
	case noPlace:
		s.putBack(m, r.req)
	default:
		s.logger.Error("a scan's run failed and is repeated", slog.String("scan", r.req.ScanID), slog.Any("error", err))
		if err := m.NakWithDelay(failedDelay); err != nil {
			s.logger.Warn("giving a request back failed", slog.String("scan", r.req.ScanID), slog.Any("error", err))
		}
	}
}

// errNoPlace ends the run of an attached scan that has to wait.
var errNoPlace = errors.New("other attached scans have the places")

// attach keeps the place of a run that is found to be attached. Errors: errNoPlace.
func (s *Scheduler) attach(r *run) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.attached = s.places.attach(scan.Caller(r.req.ScanRequested)); !r.attached {
		return errNoPlace
	}
	return nil
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

// giveBack lets another scheduler take a request soon.
func (s *Scheduler) giveBack(m jetstream.Msg) {
	err := m.NakWithDelay(events.GiveBackDelay)
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
	return request{ScanRequested: r, seq: meta.Sequence.Stream, stored: meta.Timestamp.UTC(), delivered: meta.NumDelivered}, nil
}

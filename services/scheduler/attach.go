package scheduler

import (
	"context"
	"errors"
	"slices"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/scan"
)

// lookBack is how far back the log is read for a host: no scan outlives
// scan.MaxDeadline by more than the time that its last looks take to expire.
const lookBack = scan.MaxDeadline + time.Hour

const (
	// startGrace is how long a scan waits for its host to start, which was asked
	// for a moment ago.
	startGrace = 2 * time.Second
	startPoll  = 50 * time.Millisecond
)

// findHost finds the scan that a full scan attaches to: the oldest unattached
// full scan of its date that covers its modes, still has time, and has been
// neither completed nor overtaken by a change of an outlet when this one was
// requested. It must have started: one that waits for a place may wait for long,
// even for the place that this one has.
func (s *Scheduler) findHost(ctx context.Context, req request) (host events.ScanStarted, found bool, err error) {
	p, err := s.readPast(ctx, req)
	if err != nil {
		return host, false, err
	}
	grace, cancel := context.WithTimeout(ctx, startGrace)
	defer cancel()
	for {
		h := p.hostOf(p.scans[len(p.scans)-1])
		if h == nil {
			return host, false, nil
		}
		host, err = s.awaitStart(ctx, grace, h.ScanID)
		switch {
		case errors.Is(err, events.ErrNotFound):
		case err != nil:
			return host, false, err
		case host.AttachedTo == "":
			return host, true, nil
		}
		// No host, whatever the log as read here would have it.
		h.attached, h.decided = true, true
	}
}

// awaitStart reads a scan's ScanStarted, and waits for it until grace ends.
func (s *Scheduler) awaitStart(ctx, grace context.Context, scanID string) (events.ScanStarted, error) {
	for {
		started, err := scan.Started(ctx, s.log, scanID)
		if !errors.Is(err, events.ErrNotFound) || !wait(grace, startPoll) {
			return started, err
		}
	}
}

// past is what the log said about full scans up to a request.
type past struct {
	scans   []*pastScan // full ones, by sequence
	changes []uint64    // sequences of OutletChanged
}

type pastScan struct {
	request
	completed uint64 // sequence of its ScanCompleted, 0 for none
	attached  bool
	decided   bool // attached is known
}

// readPast reads up to req, which is the last scan of what it returns.
func (s *Scheduler) readPast(ctx context.Context, req request) (past, error) {
	var p past
	feed, err := s.log.Feed(ctx, events.FeedOptions{
		Since:    req.stored.Add(-lookBack),
		Subjects: []string{events.AllScans, events.AllOutlets},
	})
	if err != nil {
		return p, err
	}
	defer feed.Stop()
	for {
		r, err := feed.Next(ctx)
		if err != nil {
			return p, err
		}
		if r.Seq >= req.seq {
			p.scans = append(p.scans, &pastScan{request: req})
			return p, nil
		}
		p.apply(r)
	}
}

func (p *past) apply(r events.Record) {
	e, err := r.Decode()
	if err != nil {
		return // counts for nobody; the projector quarantines it
	}
	switch d := e.Data.(type) {
	case events.OutletChanged:
		p.changes = append(p.changes, r.Seq)
	case events.ScanRequested:
		if d.Full() {
			p.scans = append(p.scans, &pastScan{request: request{ScanRequested: d, seq: r.Seq, stored: r.Stored}})
		}
	case events.ScanStarted:
		if i := p.index(d.ScanID); i >= 0 {
			p.scans[i].attached, p.scans[i].decided = d.AttachedTo != "", true
		}
	case events.ScanCompleted:
		if i := p.index(d.ScanID); i >= 0 {
			p.scans[i].completed = r.Seq
		}
	}
}

func (p *past) index(scanID string) int {
	return slices.IndexFunc(p.scans, func(s *pastScan) bool { return s.ScanID == scanID })
}

// hostOf finds the host of a scan among those before it, nil for none.
func (p *past) hostOf(guest *pastScan) *pastScan {
	for _, h := range p.scans {
		if h.seq >= guest.seq {
			return nil
		}
		if p.mayHost(h, guest) && !p.isAttached(h) {
			return h
		}
	}
	return nil
}

func (p *past) isAttached(s *pastScan) bool {
	if !s.decided {
		s.attached, s.decided = p.hostOf(s) != nil, true
	}
	return s.attached
}

func (p *past) mayHost(h, guest *pastScan) bool {
	if h.ScanDate != guest.ScanDate || !h.Deadline.After(guest.RequestedAt) {
		return false
	}
	for _, m := range guest.Modes {
		if !slices.Contains(h.Modes, m) {
			return false
		}
	}
	if h.completed != 0 && h.completed < guest.seq {
		return false
	}
	i, _ := slices.BinarySearch(p.changes, h.seq)
	return i == len(p.changes) || p.changes[i] > guest.seq
}

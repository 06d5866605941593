package projector

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"backupmonitor/services/internal/store"
)

// Status is how a projector fares.
type Status struct {
	Running     bool // it has found the log and the tables to belong together, and works or stands by
	StandingBy  bool // another projector is at work
	Checkpoint  store.Checkpoint
	LogSeq      uint64    // last sequence of the log, as last seen: before each batch and every CheckEvery
	Quarantined int       // events put into quarantine since Run
	Progress    time.Time // when the checkpoint was last moved by this projector; zero for never
	Error       string    // of the last try; "" where it went well
	Reason      string    // of Error, in words that anybody may read; "" where there are none
	Adopting    string    // how many of the rows from before the log are entered into it, as 7 of 9; "" when none are
}

// Lag is how many events the tables are behind the log.
func (s Status) Lag() uint64 {
	if s.LogSeq < s.Checkpoint.Seq {
		return 0
	}
	return s.LogSeq - s.Checkpoint.Seq
}

// Status is the projector's at this moment.
func (p *Projector) Status() Status { return p.status.get() }

// Check tells, for readiness, whether the tables follow the log.
func (p *Projector) Check(context.Context) (detail string, err error) {
	s := p.Status()
	detail = fmt.Sprintf("checkpoint %d, %d events behind", s.Checkpoint.Seq, s.Lag())
	switch {
	case s.Error != "":
		if s.Reason != "" {
			detail = s.Reason + "; " + detail
		}
		return detail, errors.New(s.Error)
	case s.Adopting != "":
		return s.Adopting + " earlier rows entered into the log", errors.New("the tables follow the log only when the earlier rows are in it")
	case !s.Running:
		return detail, errors.New("the projector is not running")
	case s.StandingBy:
		detail = "standing by: " + detail
	}
	return detail, nil
}

type statusBox struct {
	mu sync.Mutex
	s  Status
}

func (b *statusBox) get() Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.s
}

func (b *statusBox) set(change func(*Status)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(&b.s)
}

func (b *statusBox) fail(err error) {
	b.set(func(s *Status) { s.Error, s.Reason = err.Error(), store.Reason(err, "") })
}

// caughtUp notes that log and tables belong together. An error is over only
// when there is nothing left to fail at, or something has succeeded.
func (b *statusBox) caughtUp(all bool) {
	b.set(func(s *Status) {
		s.Running = true
		if all {
			s.Error, s.Reason = "", ""
		}
	})
}

func (b *statusBox) progress(cp store.Checkpoint, quarantined int) {
	b.set(func(s *Status) {
		s.Checkpoint, s.Progress, s.Error, s.Reason = cp, time.Now(), "", ""
		s.LogSeq = max(s.LogSeq, cp.Seq)
		s.Quarantined += quarantined
	})
}

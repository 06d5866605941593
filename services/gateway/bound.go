package gateway

import (
	"time"

	"backupmonitor/services/gateway/scans"
)

// Probing is how a deployment looks at outlets, as far as it bounds how long
// that takes. One prober with these settings is reckoned with: more are faster.
type Probing struct {
	Concurrency int           // outlets looked at at once
	Attempts    int           // at a look that meets a fault which may pass
	Timeout     time.Duration // of a look
	RetryDelay  time.Duration // until the next attempt
}

func (p Probing) withDefaults() Probing {
	if p.Concurrency <= 0 {
		p.Concurrency = 128
	}
	if p.Attempts <= 0 {
		p.Attempts = 2
	}
	if p.Timeout <= 0 {
		p.Timeout = 30 * time.Second
	}
	if p.RetryDelay <= 0 {
		p.RetryDelay = 5 * time.Second
	}
	return p
}

// worst is how long looks at that many outlets take at most: if each of them
// uses up every attempt, and no two of them wait at the same time beyond the
// number of workers.
func (p Probing) worst(outlets int) time.Duration {
	rounds := (outlets + p.Concurrency - 1) / p.Concurrency
	return time.Duration(rounds*p.Attempts)*p.Timeout + time.Duration(p.Attempts-1)*p.RetryDelay
}

// bounds tells when scans are over at the latest. Those that run share the
// probers, so that each may have to wait for all, from when the last began. What
// is not over by then goes as nothing here can tell, up to the deadline.
func (g *Gateway) bounds(all []scans.State) func(scans.State) *time.Time {
	var last time.Time
	outlets, sure := 0, !g.system.Offline()
	for _, s := range all {
		if s.Phase.Ended() {
			continue
		}
		if s.StartedAt == nil {
			sure = false // how many outlets it will have is not known yet
			continue
		}
		if s.StartedAt.After(last) {
			last = *s.StartedAt
		}
		if s.AttachedTo == "" {
			outlets += s.Outlets
		}
	}
	worst := last.Add(g.cfg.Probing.worst(outlets))
	sure = sure && worst.After(g.cfg.Now())
	return func(s scans.State) *time.Time {
		if s.Phase.Ended() {
			return nil
		}
		// A look may begin up to the deadline, and then has its time; what is
		// missing after that is ended by the scheduler.
		end := s.Request.Deadline.Add(g.cfg.Probing.Timeout)
		if sure && worst.Before(end) {
			end = worst
		}
		end = end.UTC()
		return &end
	}
}

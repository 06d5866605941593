package scheduler_test

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"backupmonitor/events"
)

// prober answers commands as a real one does: one look for each mode, then the
// acknowledgement.
type prober struct {
	f *fixture
	// before, where set, is called with each command before its looks.
	before func(events.ProbeCommand)
	// judge gives the verdict of a look; nil: all is well.
	judge func(outlet string, m events.Mode) events.Cause

	mu       sync.Mutex
	busy     map[string]bool
	commands []events.ProbeCommand
	ended    int
}

// probe starts n workers, which run until the test ends.
func (f *fixture) probe(n int, set ...func(*prober)) *prober {
	f.t.Helper()
	p := &prober{f: f, busy: map[string]bool{}}
	for _, s := range set {
		s(p)
	}
	ctx, cancel := context.WithCancel(f.ctx)
	c := f.commandsOf()
	var workers sync.WaitGroup
	for range n {
		workers.Go(func() {
			for ctx.Err() == nil {
				wait, enough := context.WithTimeout(ctx, 5*time.Second)
				batch, err := c.Fetch(1, jetstream.FetchContext(wait))
				if err == nil {
					for m := range batch.Messages() {
						p.work(ctx, m)
					}
				}
				enough()
			}
		})
	}
	f.t.Cleanup(func() { cancel(); workers.Wait() })
	return p
}

// probeHolding starts n workers which keep some commands until release.
func (f *fixture) probeHolding(n int, held func(events.ProbeCommand) bool) (p *prober, release func()) {
	f.t.Helper()
	hold := make(chan struct{})
	release = sync.OnceFunc(func() { close(hold) })
	p = f.probe(n, func(p *prober) {
		p.before = func(c events.ProbeCommand) {
			if held(c) {
				<-hold
			}
		}
	})
	f.t.Cleanup(release) // before the workers are waited for
	return p, release
}

func (p *prober) work(ctx context.Context, m jetstream.Msg) {
	e, err := events.Decode(m.Headers(), m.Data())
	if err != nil {
		p.f.t.Errorf("a command cannot be read: %v", err)
		return
	}
	c := e.Data.(events.ProbeCommand)
	p.begin(c)
	if p.before != nil {
		p.before(c)
	}
	for _, mode := range c.Modes {
		if _, _, err := p.f.Log.Append(ctx, p.look(c, mode)); err != nil {
			if ctx.Err() == nil {
				p.f.t.Errorf("a look cannot be stored: %v", err)
			}
			return
		}
	}
	p.end(c)
	if err := m.DoubleAck(ctx); err != nil && ctx.Err() == nil {
		p.f.t.Errorf("a command cannot be acknowledged: %v", err)
	}
}

func (p *prober) look(c events.ProbeCommand, mode events.Mode) events.BackupObserved {
	cause := events.CauseOK
	if p.judge != nil {
		cause = p.judge(c.Outlet, mode)
	}
	o := events.BackupObserved{
		Outlet: c.Outlet, Server: c.Server, Mode: mode, ScanID: c.ScanID, ScanDate: c.ScanDate,
		RequestPosition: c.RequestPosition, Attempt: 1, StartedAt: time.Now().UTC(),
		Verdict: events.Verdict{Status: events.Failed, Cause: cause, Conclusive: cause.Conclusive(), Policy: c.Policy},
	}
	if cause == events.CauseOK {
		o.Verdict.Status = events.Successful
	}
	return o
}

func (p *prober) begin(c events.ProbeCommand) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy[events.Key(c.Outlet)] {
		p.f.t.Errorf("outlet %s has two commands outstanding", c.Outlet)
	}
	p.busy[events.Key(c.Outlet)] = true
	p.commands = append(p.commands, c)
}

func (p *prober) end(c events.ProbeCommand) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy[events.Key(c.Outlet)] = false
	p.ended++
}

// done is how many commands have their looks.
func (p *prober) done() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

func (p *prober) seen() []events.ProbeCommand {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]events.ProbeCommand(nil), p.commands...)
}

package main

import (
	"context"
	"errors"
	"os"
	"time"
)

const (
	watchEvery = 5 * time.Second
	// watchPatience is how long the log's server may be unhealthy while the
	// disk takes writes again, before the process ends.
	watchPatience = 30 * time.Second
	// watchWrite is what the disk must take to count as writable.
	watchWrite = 1 << 20
)

// errLogDead ends a process whose log is dead for good.
var errLogDead = errors.New("the event log cannot be written though the disk can: restarting is what helps")

// watchLog ends the process when a full or failing disk has made the embedded
// server stop writing and the disk is well again: the server stays as it is
// until it is restarted, and whoever supervises this process does that. While
// the disk is full a restart would help nothing.
func (p *pipeline) watchLog(ctx context.Context) error {
	return watch(ctx, watchEvery, watchPatience, func() bool {
		_, err := p.nats.Check(ctx)
		return err == nil || !writable(p.app.config.DataDir)
	})
}

// watch returns errLogDead when well has been false, without a break, for
// patience, and nil when ctx ends.
func watch(ctx context.Context, every, patience time.Duration, well func() bool) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if well() {
			last = time.Now()
		}
		if time.Since(last) >= patience {
			return errLogDead
		}
	}
}

func writable(dir string) bool {
	f, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		return false
	}
	_, err = f.Write(make([]byte, watchWrite))
	return errors.Join(err, f.Sync(), f.Close(), os.Remove(f.Name())) == nil
}

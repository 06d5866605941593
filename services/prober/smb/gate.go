package smb

import (
	"context"
	"sync"
)

const (
	// libraryCredits is how many credits the library keeps; more are lost.
	libraryCredits = 128
	// spare is how many credits the small requests of all drives may have
	// borrowed without having sent them yet.
	spare = 12
)

// gate keeps requests waiting for which the server has granted too few
// credits. The client library has no eye on that where several requests are
// under way: it connects to shares without counting, and asks for a full
// answer to a listing even if it could borrow only a part of the price, which
// servers refuse as an invalid parameter ([MS-SMB2] 3.3.5.2.5).
type gate struct {
	credits func() int

	mu      sync.Mutex
	inside  int           // price of what is under way
	changed chan struct{} // closed when something leaves
}

func newGate(credits func() int) *gate {
	return &gate{credits: credits, changed: make(chan struct{})}
}

// do runs f as soon as price is there, or nothing else is under way.
func (g *gate) do(ctx context.Context, price int, f func() error) error {
	if err := g.enter(ctx, price); err != nil {
		return err
	}
	defer g.leave(price)
	return f()
}

func (g *gate) enter(ctx context.Context, price int) error {
	for {
		g.mu.Lock()
		// What is inside may have been paid already, so that this counts too
		// much rather than too little.
		if g.inside == 0 || g.credits() >= g.inside+price+spare {
			g.inside += price
			g.mu.Unlock()
			return nil
		}
		changed := g.changed
		g.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (g *gate) leave(price int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside -= price
	close(g.changed)
	g.changed = make(chan struct{})
}

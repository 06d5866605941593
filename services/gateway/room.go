package gateway

import (
	"context"
	"sync/atomic"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/registry"
)

const (
	// roomFor is how long the outlets that were read say how many more may become
	// active.
	roomFor = time.Minute
	// mostRoom is how many bytes of codes may become active in that time without
	// another reading. Whatever others add meanwhile, all of them stay within what a
	// full scan can carry.
	mostRoom = 32 << 10
)

// room is how many bytes of codes may still become active unread.
type room struct{ left atomic.Int64 }

func (g *Gateway) readRoom(ctx context.Context) (*room, error) {
	all, err := registry.Load(ctx, g.log, 0)
	if err != nil {
		return nil, err
	}
	var r room
	r.left.Store(int64(min(all.Room(), mostRoom)))
	return &r, nil
}

// fits checks that a full scan can name an outlet that becomes active, too. All are
// read for that now and then, and each time only near the bound.
func (g *Gateway) fits(ctx context.Context, next events.OutletChanged) error {
	room, err := g.room.Get(ctx)
	if err != nil {
		return logProblem(err)
	}
	if room.left.Add(-int64(registry.CodeBytes(next.Code))) >= 0 {
		return nil
	}
	all, err := registry.Load(ctx, g.log, 0)
	if err != nil {
		return logProblem(err)
	}
	if err := all.Fit(registry.Made(next)); err != nil {
		return tooManyOutlets(err)
	}
	return nil
}

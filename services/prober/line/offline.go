package line

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"backupmonitor/events"
)

func (l *Line) goOffline(tried int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.checking = false
	l.online = make(chan struct{})
	l.offline = &events.ProberChanged{
		Prober: l.cfg.Prober, Since: l.failingBy.UTC(), Tried: tried,
		Detail: fmt.Sprintf("none of %d outlets can be reached: the network of the prober %s is down, or every outlet is", tried, l.cfg.Prober),
	}
	l.logger.Error("no outlet can be reached: this prober is offline and looks at none", slog.Int("tried", tried))
}

func (l *Line) goOnline(ctx context.Context, away time.Duration) {
	l.mu.Lock()
	l.offline = nil
	clear(l.failing)
	close(l.online)
	l.mu.Unlock()
	l.logger.Warn("an outlet answers: this prober is online again", slog.Duration("offline_for", away.Round(time.Second)))
	now := l.cfg.Now().UTC()
	l.tell(ctx, events.ProberChanged{
		Prober: l.cfg.Prober, Online: true, Since: now, ChangedAt: now,
		Detail: fmt.Sprintf("outlets can be reached again after %s", away.Round(time.Second)),
	})
}

// announce says that we are offline. Where the log is away too, the next time
// will do.
func (l *Line) announce(ctx context.Context) {
	l.mu.Lock()
	e := *l.offline
	l.mu.Unlock()
	e.ChangedAt = l.cfg.Now().UTC()
	until := e.ChangedAt.Add(validFor)
	e.ValidUntil = &until
	l.tell(ctx, e)
}

func (l *Line) tell(ctx context.Context, e events.ProberChanged) {
	ctx, cancel := context.WithTimeout(ctx, tellTimeout)
	defer cancel()
	if err := l.cfg.Tell(ctx, e); err != nil {
		l.logger.Warn("cannot store whether this prober is online", slog.Any("error", err))
	}
}

package live

import (
	"context"

	"backupmonitor/events"
)

// Folds are several folds that one hub feeds.
type Folds []Fold

// Load implements Fold.
func (f Folds) Load(ctx context.Context, log *events.Log) (from uint64, err error) {
	from = ^uint64(0)
	for _, fold := range f {
		needs, err := fold.Load(ctx, log)
		if err != nil {
			return 0, err
		}
		from = min(from, needs)
	}
	return from, nil
}

// Apply implements Fold.
func (f Folds) Apply(r events.Record, e events.Event) {
	for _, fold := range f {
		fold.Apply(r, e)
	}
}

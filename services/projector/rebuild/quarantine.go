package rebuild

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
	"backupmonitor/services/projector"
)

// Quarantine is a database with a quarantine.
type Quarantine interface {
	store.Rebuilder
	Apply(ctx context.Context, b store.Batch) error
}

// Retried says what became of an event in quarantine.
type Retried struct {
	Seq      uint64 `json:"seq"`
	Released bool   `json:"released"`
	Reason   string `json:"reason,omitempty"` // why it still cannot be read, or stored
}

// fenceTries is how often a projector at work may come between.
const fenceTries = 1000

// Retry reads the events in quarantine once more, those of the given
// sequences, or all. What this version can read is folded under its own
// sequence, as if it had been read at first, and leaves. progress may be told
// of many events. Errors: store.ErrNotFound for a sequence that is not in
// quarantine.
func Retry(ctx context.Context, db Quarantine, seqs []uint64, progress Progress) (done []Retried, err error) {
	for after := uint64(0); ; {
		var page []store.Quarantined
		err := db.View(ctx, func(ctx context.Context, t store.Tables) (err error) {
			page, err = t.QuarantinedAfter(ctx, after, pageQuarantined)
			return err
		})
		if err != nil {
			return done, err
		}
		for _, q := range page {
			if after = q.Seq; len(seqs) > 0 && !slices.Contains(seqs, q.Seq) {
				continue
			}
			r, err := retry(ctx, db, q)
			if err != nil {
				return done, fmt.Errorf("event %d: %w", q.Seq, err)
			}
			done = append(done, r)
			progress("reading once more", uint64(len(done)), uint64(len(seqs)))
		}
		if len(page) < pageQuarantined {
			break
		}
	}
	for _, seq := range seqs {
		if !slices.ContainsFunc(done, func(r Retried) bool { return r.Seq == seq }) {
			err = errors.Join(err, fmt.Errorf("event %d is not in quarantine: %w", seq, store.ErrNotFound))
		}
	}
	return done, err
}

func retry(ctx context.Context, db Quarantine, q store.Quarantined) (Retried, error) {
	record := events.Record{Seq: q.Seq, Stored: q.Stored, Subject: q.Subject, Data: q.Data}
	if err := json.Unmarshal(q.Header, &record.Header); err != nil {
		record.Header = nats.Header{} // it says why by itself
	}
	p := projector.Project(record)
	if p.Quarantined != nil {
		return Retried{Seq: q.Seq, Reason: p.Quarantined.Reason}, nil
	}
	b := store.Batch{Released: []uint64{q.Seq}}
	if p.Look != nil {
		b.Looks = []store.Look{*p.Look}
	}
	if p.Outlet != nil {
		b.Outlets = []store.Outlet{*p.Outlet}
	}
	var err error
	for range fenceTries {
		if b.Old, err = db.Checkpoint(ctx); err != nil {
			break
		}
		b.New = b.Old // nothing is read of the log
		if err = db.Apply(ctx, b); !errors.Is(err, store.ErrFenced) {
			break
		}
	}
	if errors.Is(err, store.ErrUnstorable) {
		q.Reason = store.UnstorableReason(err)
		return Retried{Seq: q.Seq, Reason: q.Reason}, noteReason(ctx, db, q)
	}
	return Retried{Seq: q.Seq, Released: err == nil}, err
}

// noteReason gives an event, if it is in quarantine still, the reason of now: one
// that could not be read at first may be one that cannot be stored.
func noteReason(ctx context.Context, db Quarantine, q store.Quarantined) error {
	return db.Repair(ctx, func(ctx context.Context, t store.Tables, put func(store.Repairs) error) error {
		there, err := t.QuarantinedAfter(ctx, q.Seq-1, 1)
		if err != nil || len(there) == 0 || there[0].Seq != q.Seq || there[0].Reason == q.Reason {
			return err
		}
		return put(store.Repairs{Quarantined: []store.Quarantined{q}})
	})
}

// Quarantined hands those of some events that are in quarantine to each, one at a
// time, all as of one moment.
func Quarantined(ctx context.Context, db store.Rebuilder, seqs []uint64, each func(store.Quarantined)) error {
	return db.View(ctx, func(ctx context.Context, t store.Tables) error {
		for _, seq := range seqs {
			q, err := t.QuarantinedAfter(ctx, seq-min(seq, 1), 1)
			if err != nil {
				return err
			}
			if len(q) > 0 && q[0].Seq == seq {
				each(q[0])
			}
		}
		return nil
	})
}
